//! An evaluation as one page for people: no script, nothing loaded.

use super::evaluation::{Against, Bucket, Evaluation, Ranking, Way};
use super::metrics::bootstrap::Interval;
use super::metrics::exposure::Exposure;
use super::metrics::{EARLIER, Metrics};
use super::plot::{self, Series};
use std::fmt::Write as _;

pub(super) const STYLE: &str = include_str!("report.css");

/// Text as it stands in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn figure(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.4}"))
}

fn between(interval: Option<Interval>) -> String {
    interval.map_or(String::new(), |i| format!("{:.4} to {:.4}", i.low, i.high))
}

fn card(page: &mut String, name: &str, value: Option<f64>, interval: Option<Interval>) {
    let _ = write!(
        page,
        "<div class=\"card\"><span>{}</span><b>{}</b><small>{}</small></div>",
        escape(name),
        figure(value),
        between(interval)
    );
}

/// A table; the first column is words, the others are numbers.
pub(super) fn table(page: &mut String, header: &[&str], rows: &[Vec<String>]) {
    page.push_str("<table><thead><tr>");
    header.iter().for_each(|h| {
        let _ = write!(page, "<th>{}</th>", escape(h));
    });
    page.push_str("</tr></thead><tbody>");
    for row in rows {
        page.push_str("<tr>");
        row.iter().for_each(|cell| {
            let _ = write!(page, "<td>{}</td>", escape(cell));
        });
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table>");
}

pub(super) fn picture(page: &mut String, svg: &str, caption: &str) {
    let _ = write!(page, "<figure>{svg}<figcaption>{}</figcaption></figure>", escape(caption));
}

/// One value for each bucket of [`EARLIER`]; none where nothing fell into it.
fn over<T>(buckets: &[Bucket<T>], of: impl Fn(&T) -> Option<f64>) -> Vec<Option<f64>> {
    EARLIER.iter().map(|(_, name)| buckets.iter().find(|b| b.earlier == *name).and_then(|b| of(&b.figures))).collect()
}

/// The page.
///
/// # Errors
/// None that a caller can cause.
pub fn html(found: &Evaluation) -> anyhow::Result<String> {
    let mut page = String::new();
    let title = format!("“{}” on {}", found.label, found.source);
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style></head><body><header><h1>{0}</h1><p>Measured on <b>{1}</b>: {2} examples, {3} of them positive. \
         A phone keeps {4} events or {5} days. {6} {7}</p></header><main>",
        escape(&title),
        found.on,
        found.all.rows,
        found.all.positives,
        found.retention_events,
        found.retention_days,
        if found.bundle_bytes == 0 {
            "The starter ranker, which needs no bundle.".into()
        } else {
            format!("The bundle has {} bytes.", found.bundle_bytes)
        },
        if found.bad_rows == 0 { String::new() } else { format!("{} bad rows were left out.", found.bad_rows) }
    );
    forecasts(&mut page, found)?;
    if let Some(ranking) = &found.ranking {
        rankings(&mut page, ranking)?;
    }
    page.push_str(NOTES);
    let _ = write!(
        page,
        "<p>Intervals are the middle 95 % of {} draws of users with replacement, seed {}.</p></section></main></body></html>",
        found.bootstraps, found.seed
    );
    page.push('\n');
    Ok(page)
}

/// One figure of two bundles.
pub struct Difference {
    /// Its name.
    pub figure: &'static str,
    /// Of the one that is measured.
    pub this: Option<f64>,
    /// Of the one it is held against.
    pub other: Option<f64>,
    /// Of the difference.
    pub interval: Option<Interval>,
}

impl Difference {
    /// The first less the second.
    pub fn difference(&self) -> Option<f64> {
        Some(self.this? - self.other?)
    }
}

/// The figures of both bundles.
pub fn differences(found: &Evaluation, against: &Against) -> [Difference; 3] {
    let (a, b, d) = (&found.all, &against.all, &against.difference);
    let of = |figure, this, other, interval| Difference { figure, this, other, interval };
    [
        of("AUC", a.auc, b.auc, d.auc),
        of("GAUC", a.gauc, b.gauc, d.gauc),
        of("log-loss", Some(a.log_loss), Some(b.log_loss), d.log_loss),
    ]
}

fn forecasts(page: &mut String, found: &Evaluation) -> anyhow::Result<()> {
    page.push_str("<section><h2>Forecasts</h2><div class=\"cards\">");
    card(page, "AUC", found.all.auc, found.intervals.auc);
    card(page, "GAUC", found.all.gauc, found.intervals.gauc);
    card(page, "log-loss", Some(found.all.log_loss), found.intervals.log_loss);
    card(page, "calibration error", Some(found.all.calibration_error), None);
    page.push_str("</div>");
    let row = |name: &str, m: &Metrics| {
        let mut cells = vec![name.to_string(), m.rows.to_string(), m.positives.to_string()];
        cells.extend([m.auc, m.gauc, Some(m.log_loss), m.calibration, Some(m.calibration_error)].map(figure));
        cells
    };
    let mut rows: Vec<Vec<String>> = found.by_earlier_events.iter().map(|b| row(b.earlier, &b.figures)).collect();
    rows.push(row("all", &found.all));
    rows.push(row("all, without the personal head", &found.without_head));
    table(
        page,
        &["earlier events", "rows", "positive", "AUC", "GAUC", "log-loss", "forecast / label", "calibration error"],
        &rows,
    );
    if let Some(against) = &found.against {
        let _ = write!(page, "<h3>Against {}</h3>", escape(&against.name));
        let rows: Vec<Vec<String>> = differences(found, against)
            .iter()
            .map(|d| {
                let difference = d.difference().map_or("–".into(), |x| format!("{x:+.4}"));
                let between = d.interval.map_or(String::new(), |i| format!("{:+.4} to {:+.4}", i.low, i.high));
                vec![d.figure.into(), figure(d.this), figure(d.other), difference, between]
            })
            .collect();
        table(page, &["figure", "this one", "that one", "difference", "95 % of the same draws"], &rows);
    }
    let names: Vec<&str> = EARLIER.iter().map(|e| e.1).collect();
    let pair = |of: fn(&Metrics) -> Option<f64>| {
        [
            Series { name: "as the phone ranks", values: over(&found.by_earlier_events, of) },
            Series { name: "without the personal head", values: over(&found.by_earlier_events_without_head, of) },
        ]
    };
    page.push_str("<div class=\"figures\">");
    let drawn = plot::lines(&names, "earlier events of the user", "AUC", &pair(|m| m.auc))?;
    picture(page, &drawn, "AUC by how much the phone knew.");
    let drawn = plot::lines(&names, "earlier events of the user", "log-loss", &pair(|m| Some(m.log_loss)))?;
    picture(page, &drawn, "Log-loss by how much the phone knew; lower is better.");
    let points = |r: &super::metrics::calibration::Reliability| {
        r.bins.iter().map(|b| (b.expected, b.observed)).collect::<Vec<_>>()
    };
    let drawn = plot::reliability(&[
        ("as the phone ranks", points(&found.reliability)),
        ("without the personal head", points(&found.reliability_without_head)),
    ])?;
    picture(
        page,
        &drawn,
        "Reliability: on the diagonal a forecast is what comes true. Ten bins with equally many examples.",
    );
    page.push_str("</div></section>");
    Ok(())
}

fn rankings(page: &mut String, ranking: &Ranking) -> anyhow::Result<()> {
    let k = ranking.k;
    let ways: [(&str, &Way); 4] = [
        ("as the phone ranks", &ranking.all),
        ("without the personal head", &ranking.without_head),
        ("popularity", &ranking.popularity),
        ("co-visitation", &ranking.co_visitation),
    ];
    let _ = write!(
        page,
        "<section><h2>Rankings of the whole catalogue</h2><p>{} of {} positive examples, each against all {} items less those the user had \
         done anything with.</p><div class=\"cards\">",
        ranking.rankings, ranking.positives, ranking.items
    );
    let (all, intervals) = (&ranking.all.figures, &ranking.all.intervals);
    card(page, &format!("hit rate @{k}"), Some(all.hit_rate), intervals.hit_rate);
    card(page, &format!("NDCG @{k}"), Some(all.ndcg), intervals.ndcg);
    card(page, &format!("MRR @{k}"), Some(all.mrr), intervals.mrr);
    page.push_str("</div>");
    let rows: Vec<Vec<String>> = ways
        .iter()
        .map(|(name, way)| {
            let f = &way.figures;
            let mut cells = vec![(*name).to_string()];
            cells.extend([f.hit_rate, f.ndcg, f.mrr].map(|v| figure(Some(v))));
            let shown = |of: fn(&Exposure) -> f64| figure(way.exposure.as_ref().map(of));
            cells.extend([shown(|e| e.coverage), shown(|e| e.diversity), shown(|e| e.novelty), shown(|e| e.gini)]);
            cells
        })
        .collect();
    let (hit, ndcg, mrr) = (format!("hit rate @{k}"), format!("NDCG @{k}"), format!("MRR @{k}"));
    table(page, &["order", &hit, &ndcg, &mrr, "coverage", "diversity", "novelty (bits)", "exposure Gini"], &rows);
    let names: Vec<&str> = EARLIER.iter().map(|e| e.1).collect();
    let series: Vec<Series<'_>> = ways
        .iter()
        .map(|(name, way)| Series { name, values: over(&way.by_earlier_events, |r| Some(r.ndcg)) })
        .collect();
    page.push_str("<div class=\"figures\">");
    let drawn = plot::lines(&names, "earlier events of the user", &ndcg, &series)?;
    picture(page, &drawn, "NDCG by how much the phone knew.");
    if let Some(exposure) = ranking.all.exposure.as_ref().filter(|e| !e.groups.is_empty()) {
        let rows: Vec<(String, f64, f64)> =
            exposure.groups.iter().map(|g| (g.name.clone(), g.of_catalogue, g.of_exposure)).collect();
        let field = exposure.group_field.as_deref().unwrap_or_default();
        let drawn = plot::bars(["share of the catalogue", "share of the places"], &rows)?;
        picture(page, &drawn, &format!("Exposure of the groups of `{field}` in the lists that the phone ranks."));
    }
    page.push_str("</div></section>");
    Ok(())
}

const NOTES: &str = "<section class=\"notes\"><h2>What the figures are</h2><dl>\
<dt>AUC, GAUC</dt><dd>The probability that a positive example is scored above a negative one, over all users and within each user \
(weighted by rows; users with one class left out).</dd>\
<dt>Log-loss, calibration error</dt><dd>Mean negative log-likelihood in nats; mean distance of forecast and outcome over ten bins.</dd>\
<dt>Hit rate, NDCG, MRR</dt><dd>Whether, and how high, the item of a positive example stands when the whole catalogue is ranked from what \
the phone knew just before; of items with equal scores half stand above.</dd>\
<dt>Popularity, co-visitation</dt><dd>Counted on the part <i>train</i>: users of an item; what users did within five events after each of this \
user's last ten. A model that does not beat these two has not earned its place.</dd>\
<dt>Coverage, diversity, novelty, Gini</dt><dd>Share of the catalogue in any list; mean distance of the words of two items in a list; how rare \
an item is among users of <i>train</i>; how unevenly places are given out (0 even, 1 all to one item).</dd></dl>";

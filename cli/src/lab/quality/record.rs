//! What a run found: lines for machines, tables for people.

use super::super::metrics::Metrics;
use super::super::metrics::ranked::Ranked;
use super::Protocol;
use anyhow::bail;
use serde::Serialize;
use std::fmt::Write as _;

/// One number.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Which protocol.
    pub protocol: Protocol,
    /// The data set's folder, by its name.
    pub data: String,
    /// What was measured: the model that was chosen, or a baseline.
    pub model: String,
    /// What of it.
    pub metric: String,
    /// Over which examples: `all`, or a range of earlier events.
    pub bucket: String,
    /// The figure.
    pub value: f64,
    /// Size of the bundle; 0 for a baseline that has none.
    pub bundle_bytes: usize,
    /// The seed of the run.
    pub seed: u64,
}

/// All lines of a run, in the order in which they were found.
pub struct Record {
    data: String,
    seed: u64,
    /// The lines.
    pub lines: Vec<Line>,
    /// What was chosen and left out, in sentences.
    pub notes: Vec<String>,
}

impl Record {
    /// Nothing yet.
    pub fn new(data: String, seed: u64) -> Self {
        Self { data, seed, lines: Vec::new(), notes: Vec::new() }
    }

    /// Says something on standard error, and keeps it for the report.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        eprintln!("  {text}");
        self.notes.push(text);
    }

    /// Adds a number.
    ///
    /// # Errors
    /// Where it is not finite.
    pub fn push(
        &mut self,
        protocol: Protocol,
        (model, bundle_bytes): (&str, usize),
        metric: &str,
        bucket: &str,
        value: f64,
    ) -> anyhow::Result<()> {
        if !value.is_finite() {
            bail!("{protocol:?}, {model}: {metric} is not a finite number; nothing is reported");
        }
        self.lines.push(Line {
            protocol,
            data: self.data.clone(),
            model: model.into(),
            metric: metric.into(),
            bucket: bucket.into(),
            value,
            bundle_bytes,
            seed: self.seed,
        });
        Ok(())
    }

    /// Adds figures of forecasts; those that there are none of are left out.
    ///
    /// # Errors
    /// As [`Record::push`].
    pub fn forecasts(
        &mut self,
        protocol: Protocol,
        model: (&str, usize),
        bucket: &str,
        m: &Metrics,
    ) -> anyhow::Result<()> {
        for (metric, value) in [("auc", m.auc), ("gauc", m.gauc), ("log_loss", Some(m.log_loss))] {
            if let Some(value) = value {
                self.push(protocol, model, metric, bucket, value)?;
            }
        }
        self.push(protocol, model, "rows", bucket, m.rows as f64)
    }

    /// Adds figures of rankings.
    ///
    /// # Errors
    /// As [`Record::push`].
    pub fn rankings(
        &mut self,
        protocol: Protocol,
        model: (&str, usize),
        bucket: &str,
        r: &Ranked,
    ) -> anyhow::Result<()> {
        for (metric, value) in [("hr@10", r.hit_rate), ("ndcg@10", r.ndcg), ("mrr@10", r.mrr)] {
            self.push(protocol, model, metric, bucket, value)?;
        }
        self.push(protocol, model, "rankings", bucket, r.targets as f64)
    }

    /// The lines as JSON, one a line.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn json_lines(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        for line in &self.lines {
            text += &serde_json::to_string(line)?;
            text.push('\n');
        }
        Ok(text)
    }

    /// Tables: for each protocol the whole, then the buckets.
    pub fn markdown(&self) -> String {
        let mut text = format!("# Quality: {}\n", self.data);
        for protocol in Protocol::ALL {
            let of: Vec<&Line> = self.lines.iter().filter(|l| l.protocol == protocol).collect();
            if of.is_empty() {
                continue;
            }
            let _ = write!(text, "\n## {}. {}\n\n", protocol.name(), protocol.title());
            let mut metrics: Vec<&str> = Vec::new();
            for line in of.iter().filter(|l| l.bucket == "all") {
                if !metrics.contains(&line.metric.as_str()) {
                    metrics.push(&line.metric);
                }
            }
            let columns: Vec<(&str, &str)> = metrics.iter().map(|m| (*m, "all")).collect();
            text += &table(&of, &columns);
            let leading = metrics.first().copied().unwrap_or_default();
            let mut buckets: Vec<(&str, &str)> = Vec::new();
            for line in of.iter().filter(|l| l.metric == leading && l.bucket != "all") {
                if !buckets.iter().any(|(_, b)| *b == line.bucket) {
                    buckets.push((leading, &line.bucket));
                }
            }
            if !buckets.is_empty() {
                let _ = write!(text, "\n`{leading}` by the number of earlier events:\n\n");
                text += &table(&of, &buckets);
            }
        }
        if !self.notes.is_empty() {
            text += "\n## How\n\n";
            for note in &self.notes {
                let _ = writeln!(text, "- {note}");
            }
        }
        let _ = write!(text, "\nSeed {}.\n", self.seed);
        text
    }
}

/// One row for each model, one column for each metric and bucket.
fn table(of: &[&Line], columns: &[(&str, &str)]) -> String {
    let mut models: Vec<(&str, usize)> = Vec::new();
    for line in of {
        if !models.iter().any(|(name, _)| *name == line.model) {
            models.push((&line.model, line.bundle_bytes));
        }
    }
    let title =
        |(metric, bucket): &(&str, &str)| if *bucket == "all" { (*metric).to_string() } else { format!("@{bucket}") };
    let titles: Vec<String> = columns.iter().map(title).collect();
    let mut text =
        format!("| | {} | bundle bytes |\n|---|{}---:|\n", titles.join(" | "), "---:|".repeat(columns.len()));
    for (model, bytes) in models {
        let cells: Vec<String> = columns
            .iter()
            .map(|(metric, bucket)| {
                let found = of.iter().find(|l| l.model == model && l.metric == *metric && l.bucket == *bucket);
                found.map_or("–".into(), |l| show(l.value))
            })
            .collect();
        let bytes = if bytes == 0 { "–".into() } else { bytes.to_string() };
        let _ = writeln!(text, "| {model} | {} | {bytes} |", cells.join(" | "));
    }
    text
}

fn show(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() >= 10.0 { format!("{value:.0}") } else { format!("{value:.4}") }
}

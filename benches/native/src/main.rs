//! `plot-growth RECORD.jsonl OUT.svg`: how costs grow with candidates, events, items and the history, from the record of `cargo xtask bench growth`.
//!
//! Both axes are logarithmic: a cost that grows linearly is a line at 45 degrees, beside the grey ones.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

const SIZE: (u32, u32) = (760, 480);
const FONT: &str = "system-ui, sans-serif";
const INK: RGBColor = RGBColor(0x33, 0x3b, 0x47);
const FAINT: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
const GUIDE: RGBColor = RGBColor(0xb4, 0xba, 0xc2);
/// Okabe and Ito's colours, which people with any colour vision tell apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
];

/// Size and microseconds, by what grows.
type Series = BTreeMap<String, Vec<(f64, f64)>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "plot-growth RECORD.jsonl OUT.svg";
    let (record, out) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    let mut series = Series::new();
    for line in fs::read_to_string(&record).with_context(|| format!("reading {record}"))?.lines() {
        let row: Value = serde_json::from_str(line)?;
        let number = |key: &str| row[key].as_f64().with_context(|| format!("`{key}` of {line}"));
        let name = row["what"].as_str().context("`what`")?.to_owned();
        series.entry(name).or_default().push((number("size")?, number("median_us")?));
    }
    fs::write(&out, drawn(&series)?)?;
    Ok(())
}

fn drawn(series: &Series) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let points = || series.values().flatten();
        let bounds = |of: fn(&(f64, f64)) -> f64| {
            let (low, high) = points().map(of).fold((f64::INFINITY, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
            (low / 1.5)..(high * 1.5)
        };
        let (sizes, times) = (bounds(|p| p.0), bounds(|p| p.1));
        let mut chart = ChartBuilder::on(&area)
            .margin(14)
            .margin_right(230)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(sizes.clone().log_scale(), times.clone().log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&|x| plain(*x))
            .y_label_formatter(&|y| time(*y))
            .x_desc("how many")
            .y_desc("one call, median")
            .label_style((FONT, 13).into_font().color(&INK))
            .draw()?;
        for (line, colour) in series.values().zip(COLOURS) {
            // What a cost that is proportional to the size would be, from the largest size down.
            if let Some((size, us)) = line.iter().copied().reduce(|a, b| if b.0 > a.0 { b } else { a }) {
                let least = line.iter().map(|p| p.0).fold(size, f64::min);
                let guide = [(size, us), (least, us * least / size)];
                chart.draw_series(LineSeries::new(guide, GUIDE.stroke_width(1)))?;
            }
            chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?;
            chart.draw_series(line.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        for (at, (name, colour)) in series.keys().zip(COLOURS).enumerate() {
            let y = 24 + 22 * at as i32;
            let x = SIZE.0 as i32 - 216;
            area.draw(&Rectangle::new([(x, y - 5), (x + 16, y + 5)], colour.filled()))?;
            let style = (FONT, 13).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(name.clone(), (x + 24, y), style))?;
        }
        let y = 30 + 22 * series.len() as i32;
        let x = SIZE.0 as i32 - 216;
        area.draw(&PathElement::new([(x, y), (x + 16, y)], GUIDE))?;
        let style = (FONT, 13).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new("proportional to the size", (x + 24, y), style))?;
        area.present()?;
    }
    Ok(text)
}

/// 10000 as 10,000.
fn plain(x: f64) -> String {
    let digits = format!("{x:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Microseconds, as a person reads them.
fn time(us: f64) -> String {
    if us >= 1000.0 { format!("{} ms", us / 1000.0) } else { format!("{us} µs") }
}

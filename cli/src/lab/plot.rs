//! Plots, as SVG that stands inside a page.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A line of a plot: its name, and a value for each place of the axis.
pub struct Series<'a> {
    /// The name, as the legend has it.
    pub name: &'a str,
    /// The values; a gap where there is none.
    pub values: Vec<Option<f64>>,
}

const SIZE: (u32, u32) = (640, 380);
const FONT: &str = "system-ui, sans-serif";
const INK: RGBColor = RGBColor(0x33, 0x3b, 0x47);
const FAINT: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
/// Okabe and Ito's colours, which people with any colour vision tell apart, without the yellow that is faint on white.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0x00, 0x72, 0xb2), RGBColor(0xd5, 0x5e, 0x00), RGBColor(0x00, 0x9e, 0x73), RGBColor(0xcc, 0x79, 0xa7)];

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The SVG that `draw` draws.
fn svg(draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>) -> anyhow::Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    // The picture fills the width that the page gives it.
    Ok(text.replacen("<svg width=\"640\" height=\"380\"", "<svg role=\"img\"", 1))
}

fn label(size: i32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

/// A range that holds every value, with air above and below.
fn range<'a>(series: impl Iterator<Item = &'a Series<'a>>) -> std::ops::Range<f64> {
    let values = series.flat_map(|s| s.values.iter().flatten().copied());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let air = ((high - low) * 0.1).max(0.005);
    (if low < air { 0.0 } else { low - air })..high + air
}

/// Lines over named places.
///
/// # Errors
/// None that a caller can cause.
pub fn lines(places: &[&str], x: &str, y: &str, series: &[Series<'_>]) -> anyhow::Result<String> {
    svg(|area| {
        key(area, series.iter().map(|s| s.name))?;
        let last = places.len().saturating_sub(1) as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_top(34)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(-0.3..last + 0.3, range(series.iter()))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .x_labels(places.len())
            .x_label_formatter(&|at| {
                let near = (at - at.round()).abs() < 1e-6 && *at >= 0.0;
                let name = if near { places.get(at.round() as usize) } else { None };
                name.map_or(String::new(), |name| (*name).to_string())
            })
            .x_desc(x)
            .y_desc(y)
            .label_style(label(13))
            .axis_desc_style(label(13))
            .draw()?;
        for (one, colour) in series.iter().zip(COLOURS) {
            let points: Vec<(f64, f64)> =
                one.values.iter().enumerate().filter_map(|(i, v)| v.map(|v| (i as f64, v))).collect();
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            chart.draw_series(points.iter().map(|&at| Circle::new(at, 3, colour.filled())))?;
        }
        Ok(())
    })
}

/// Names the colours in a line above the plot, where they hide nothing.
fn key<'n>(area: &Area<'_>, names: impl Iterator<Item = &'n str>) -> anyhow::Result<()> {
    let mut at = 76;
    for (name, colour) in names.zip(COLOURS) {
        area.draw(&Rectangle::new([(at, 10), (at + 12, 22)], colour.filled()))?;
        area.draw(&Text::new(name.to_string(), (at + 17, 9), label(13)))?;
        at += 34 + 7 * name.chars().count() as i32;
    }
    Ok(())
}

/// A reliability plot: points of (forecast, observed, share of the rows), against the diagonal on which a forecast is what comes true.
///
/// # Errors
/// None that a caller can cause.
pub fn reliability(series: &[(&str, Vec<(f64, f64)>)]) -> anyhow::Result<String> {
    svg(|area| {
        key(area, series.iter().map(|s| s.0))?;
        let points = series.iter().flat_map(|s| &s.1);
        let most = points.fold(0.0f64, |most, p| most.max(p.0).max(p.1));
        let end = (most * 1.05).clamp(0.05, 1.0);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_top(34)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..end, 0.0..end)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .x_desc("mean forecast")
            .y_desc("share that was positive")
            .label_style(label(13))
            .axis_desc_style(label(13))
            .draw()?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (end, end)], INK.mix(0.4).stroke_width(1)))?;
        for ((_, points), colour) in series.iter().zip(COLOURS) {
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            chart.draw_series(points.iter().map(|&at| Circle::new(at, 3, colour.filled())))?;
        }
        Ok(())
    })
}

/// Two bars for each name, such as a share of the catalogue and a share of what is shown.
///
/// # Errors
/// None that a caller can cause.
pub fn bars(names: [&str; 2], rows: &[(String, f64, f64)]) -> anyhow::Result<String> {
    let rows = &rows[..rows.len().min(12)];
    svg(|area| {
        let most = rows.iter().fold(0.0f64, |most, r| most.max(r.1).max(r.2)).max(1e-6);
        let (left, right, top) = (170, 580, 34);
        let step = (SIZE.1 as i32 - top - 16) / rows.len().max(1) as i32;
        let thick = (step / 2 - 2).clamp(2, 12);
        key(area, names.into_iter())?;
        for (i, (name, first, second)) in (0i32..).zip(rows) {
            let y = top + i * step;
            let short: String = name.chars().take(22).collect();
            let style = label(13).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(short, (left - 8, y + thick), style))?;
            for (j, (value, colour)) in (0i32..).zip([first, second].into_iter().zip(COLOURS)) {
                let end = left + (f64::from(right - left) * value / most) as i32;
                let from = y + j * (thick + 1);
                area.draw(&Rectangle::new([(left, from), (end.max(left + 1), from + thick)], colour.filled()))?;
                let style = label(11).pos(Pos::new(HPos::Left, VPos::Center));
                area.draw(&Text::new(format!("{:.1} %", 100.0 * value), (end + 6, from + thick / 2), style))?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_empty_plots_are_drawn() {
        let series = [
            Series { name: "a <b>", values: vec![Some(0.5), None, Some(0.75)] },
            Series { name: "none", values: vec![None, None, None] },
        ];
        let drawn = lines(&["0", "1-2", "3-5"], "x", "y", &series).expect("drawn");
        assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
        assert!(drawn.contains("a &lt;b&gt;") && !drawn.contains("<b>"), "names are escaped");
        assert_eq!(drawn.matches("<circle").count(), 2, "a gap has no point");
        assert!(lines(&[], "x", "y", &[]).is_ok());
        assert!(reliability(&[("a", vec![])]).is_ok());
        assert!(bars(["a", "b"], &[("c".into(), 0.0, 1.0)]).expect("drawn").contains("100.0 %"));
        assert!(bars(["a", "b"], &[]).is_ok());
    }
}

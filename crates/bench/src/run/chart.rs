//! Pictures of reports: memory and fan-out by number of sessions.

use std::fmt::Write as _;
use std::fs;

use crate::args::Chart;
use crate::error::{Context, Error};
use crate::report::{Report, Series};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 5] = ["#1f6feb", "#57606a", "#bf3989", "#1a7f37", "#9a6700"];

pub(super) fn run(args: &Chart) -> Result<(), Error> {
    let mut reports = Vec::new();
    for path in &args.reports {
        let text = fs::read_to_string(path).context(&path.display().to_string())?;
        let report: Report = serde_json::from_str(&text).context(&path.display().to_string())?;
        reports.push(report);
    }
    fs::create_dir_all(&args.out)?;
    let memory: Vec<Series> = reports
        .iter()
        .filter(|report| report.benchmark == "idle")
        .flat_map(|report| report.series.iter().cloned())
        .collect();
    let pictures = [
        ("memory.svg", "Memory by number of idle TLS sessions", "MiB (Pss)", memory),
        ("fanout.svg", "Broadcast: copies a CPU second, by number of sessions", "1/s", fan_out(&reports)),
    ];
    for (file, title, unit, series) in pictures {
        if series.iter().any(|series| series.points.len() > 1) {
            fs::write(args.out.join(file), draw(title, unit, &series))?;
        }
    }
    Ok(())
}

/// A point for each report on a broadcast; the bare program's beside it.
fn fan_out(reports: &[Report]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for report in reports.iter().filter(|report| report.benchmark.starts_with("broadcast")) {
        let Some(figure) = report.figures.first() else { continue };
        let kind = if report.benchmark.ends_with("acknowledged") { "acknowledged" } else { "written" };
        let sessions = report.size as f64;
        let points =
            [(format!("server, {kind}"), Some(figure.value)), (format!("bare, {kind}"), figure.baseline)];
        for (name, value) in points {
            let Some(value) = value else { continue };
            match all.iter_mut().find(|series| series.name == name) {
                Some(series) => series.points.push((sessions, value)),
                None => all.push(Series { name, points: vec![(sessions, value)] }),
            }
        }
    }
    for series in &mut all {
        series.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    all
}

fn draw(title: &str, unit: &str, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|series| series.points.iter());
    let (step_x, top_x) = scale(points().map(|point| point.0).fold(1.0, f64::max));
    let (step_y, top_y) = scale(points().map(|point| point.1).fold(0.001, f64::max));
    let x = |value: f64| LEFT + value / top_x * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top_y * (HEIGHT - TOP - BOTTOM);
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' font-family='sans-serif' font-size='12'>\
         <rect width='{WIDTH}' height='{HEIGHT}' fill='#fff'/>\
         <text x='{LEFT}' y='22' font-size='15' fill='#1f2328'>{title}, {unit}</text>"
    );
    for tick in ticks(step_y, top_y) {
        let at = y(tick);
        let _ = writeln!(
            svg,
            "<line x1='{LEFT}' x2='{}' y1='{at:.1}' y2='{at:.1}' stroke='#d0d7de'/>\
             <text x='{}' y='{:.1}' text-anchor='end' fill='#57606a'>{tick}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for tick in ticks(step_x, top_x) {
        let _ = writeln!(
            svg,
            "<text x='{:.1}' y='{}' text-anchor='middle' fill='#57606a'>{tick}</text>",
            x(tick),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x='{}' y='{}' text-anchor='end' fill='#57606a'>sessions</text>",
        WIDTH - RIGHT,
        HEIGHT - 12.0
    );
    let labels = labels(series, y);
    for ((number, one), label) in series.iter().enumerate().zip(labels) {
        let colour = COLOURS.iter().cycle().nth(number).copied().unwrap_or("#000");
        let path: Vec<String> =
            one.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let _ = writeln!(
            svg,
            "<polyline points='{}' fill='none' stroke='{colour}' stroke-width='2'/>",
            path.join(" ")
        );
        for point in &one.points {
            let _ = writeln!(
                svg,
                "<circle cx='{:.1}' cy='{:.1}' r='3' fill='{colour}'/>",
                x(point.0),
                y(point.1)
            );
        }
        let _ = writeln!(
            svg,
            "<text x='{}' y='{:.1}' fill='{colour}'>{}</text>",
            WIDTH - RIGHT + 8.0,
            label + 4.0,
            one.name
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where the names at the lines' ends go: beside them, but none over another.
fn labels(series: &[Series], y: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut at: Vec<f64> =
        series.iter().map(|series| y(series.points.last().map_or(0.0, |point| point.1))).collect();
    let mut order: Vec<usize> = (0..at.len()).collect();
    order.sort_by(|one, other| at.get(*one).unwrap_or(&0.0).total_cmp(at.get(*other).unwrap_or(&0.0)));
    let mut above = f64::NEG_INFINITY;
    for index in order {
        if let Some(label) = at.get_mut(index) {
            *label = label.max(above + 15.0);
            above = *label;
        }
    }
    at
}

/// A round step, and the multiple of it that is not below the largest value.
fn scale(most: f64) -> (f64, f64) {
    let power = 10f64.powf((most / 5.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| step * 5.0 >= most)
        .unwrap_or(power * 10.0);
    (step, (most / step).ceil() * step)
}

fn ticks(step: f64, top: f64) -> impl Iterator<Item = f64> {
    (0..).map(move |number| f64::from(number) * step).take_while(move |tick| *tick <= top * 1.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_round_steps_and_room_for_all() {
        assert_eq!(scale(18_000.0), (5000.0, 20_000.0));
        assert_eq!(scale(97.0), (20.0, 100.0));
    }

    #[test]
    fn names_do_not_cover_each_other() {
        let at = |last| Series { name: String::new(), points: vec![(1.0, last)] };
        assert_eq!(labels(&[at(101.0), at(100.0), at(200.0)], |value| value), [115.0, 100.0, 200.0]);
    }

    #[test]
    fn a_picture_has_a_line_for_each_series() {
        let series = Series { name: "server".into(), points: vec![(1.0, 2.0), (3.0, 4.0)] };
        let svg = draw("t", "MiB", &[series.clone(), series]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}

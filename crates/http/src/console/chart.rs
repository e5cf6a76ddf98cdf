//! Charts as SVG. Numbers only go in, so nothing needs escaping but the names.

use std::fmt::Write as _;

use tidings_core::model::Timestamp;

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 132.0;
const LEFT: f64 = 38.0;
const RIGHT: f64 = 4.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 20.0;

/// A line chart over time.
pub(crate) struct Chart {
    pub title: &'static str,
    /// Names of the lines.
    pub series: Vec<&'static str>,
    /// A moment and a value for each line, oldest first.
    pub points: Vec<(Timestamp, Vec<f64>)>,
    /// Whether the first line is filled.
    pub filled: bool,
}

impl Chart {
    /// The lines' numbers and names.
    pub fn names(&self) -> Vec<(usize, &'static str)> {
        self.series.iter().enumerate().map(|(i, name)| (i + 1, *name)).collect()
    }

    /// The drawing.
    pub fn svg(&self) -> String {
        let values = self.points.iter().flat_map(|(_, values)| values.iter().copied());
        let top = ceiling(values.fold(0.0, f64::max));
        let mut svg = format!(
            r#"<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            self.words()
        );
        for step in 0..=2 {
            let value = top * f64::from(step) / 2.0;
            let y = y_of(value, top);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{LEFT}" x2="{:.0}" y1="{y:.1}" y2="{y:.1}"/><text x="{:.0}" y="{:.1}" text-anchor="end">{}</text>"#,
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                short(value)
            );
        }
        match (self.points.first(), self.points.last()) {
            (Some((first, _)), Some((last, _))) if first < last => {
                self.draw_lines(&mut svg, first.millis(), last.millis(), top);
            }
            _ => {
                let _ = write!(
                    svg,
                    r#"<text x="{:.0}" y="{:.0}" text-anchor="middle">nothing to show yet</text>"#,
                    (WIDTH + LEFT) / 2.0,
                    HEIGHT / 2.0 - 18.0
                );
            }
        }
        svg.push_str("</svg>");
        svg
    }

    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    fn draw_lines(&self, svg: &mut String, first: i64, last: i64, top: f64) {
        let span = (last - first) as f64;
        let x_of = |at: i64| LEFT + (WIDTH - LEFT - RIGHT) * ((at - first) as f64 / span);
        // The first line is drawn last, on top of the other lines.
        for index in (0..self.series.len()).rev() {
            let mut line = String::new();
            for (at, values) in &self.points {
                let value = values.get(index).copied().unwrap_or_default();
                let verb = if line.is_empty() { 'M' } else { 'L' };
                let _ = write!(line, "{verb}{:.1} {:.1}", x_of(at.millis()), y_of(value, top));
            }
            let number = index + 1;
            if self.filled && index == 0 {
                let (floor, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
                let _ = write!(
                    svg,
                    r#"<path class="area s{number}" d="{line}L{right:.1} {floor}L{LEFT} {floor}Z"/>"#
                );
            }
            let _ = write!(svg, r#"<path class="s{number}" d="{line}"/>"#);
        }
        let ago = age((last - first) / 1000);
        let _ = write!(
            svg,
            r#"<text x="{LEFT}" y="{0:.0}">{ago} ago</text><text x="{1:.0}" y="{0:.0}" text-anchor="end">now</text>"#,
            HEIGHT - 4.0,
            WIDTH - RIGHT
        );
    }

    /// What a screen reader says.
    fn words(&self) -> String {
        let parts = self.series.iter().enumerate().map(|(index, name)| {
            let values = || self.points.iter().filter_map(|(_, values)| values.get(index).copied());
            let now = values().next_back().unwrap_or_default();
            format!("{name}: now {}, at most {}", short(now), short(values().fold(0.0, f64::max)))
        });
        format!("{}. {}", self.title, parts.collect::<Vec<_>>().join("; "))
    }
}

fn y_of(value: f64, top: f64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / top)
}

/// The next round number, at least 1... so that small counts do not fill the chart.
fn ceiling(value: f64) -> f64 {
    if value <= 2.0 {
        return 2.0;
    }
    let scale = 10f64.powf(value.log10().floor());
    let round = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].into_iter().find(|n| n * scale >= value);
    round.unwrap_or(10.0) * scale
}

/// A number in at most five characters.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e9 => (v / 1e9, "G"),
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e4 => (v / 1e3, "k"),
        v => (v, ""),
    };
    if value >= 100.0 || value.fract().abs() < 0.05 {
        format!("{value:.0}{unit}")
    } else {
        format!("{value:.1}{unit}")
    }
}

fn age(seconds: i64) -> String {
    match seconds {
        s if s >= 2 * 3600 => format!("{} h", (s + 1800) / 3600),
        s if s >= 120 => format!("{} min", (s + 30) / 60),
        s => format!("{s} s"),
    }
}

/// A bar of parts of a whole: class and count.
pub(crate) fn bar(parts: &[(&'static str, u64)]) -> String {
    let whole: u64 = parts.iter().map(|(_, count)| count).sum();
    let words: Vec<_> = parts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let mut svg = format!(
        r#"<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">"#,
        words.join(", ")
    );
    let mut x = 0.0;
    for (name, count) in parts {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let width = if whole == 0 { 0.0 } else { *count as f64 * 100.0 / whole as f64 };
        if width > 0.0 {
            let _ = write!(svg, r#"<rect class="{name}" x="{x:.2}" width="{width:.2}" height="8"/>"#);
        }
        x += width;
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round() {
        for (value, top) in
            [(0.0, 2.0), (3.0, 4.0), (10.0, 10.0), (11.0, 20.0), (999.0, 1000.0), (4100.0, 6000.0)]
        {
            assert!((ceiling(value) - top).abs() < 1e-6, "{value}: {}", ceiling(value));
        }
        assert_eq!(short(1500.0), "1500");
        assert_eq!(short(15_500.0), "15.5k");
        assert_eq!(short(0.5), "0.5");
        assert_eq!(short(2_000_000.0), "2M");
    }

    #[test]
    fn lines_stay_inside() {
        let points = (0..50).map(|n| (Timestamp(n * 1000), vec![n as f64, 7.0])).collect();
        let chart = Chart { title: "t", series: vec!["a", "b"], points, filled: true };
        let svg = chart.svg();
        assert_eq!(svg.matches("<path").count(), 3);
        let numbers = svg.split(['M', 'L', ' ', '"']).filter_map(|part| part.parse::<f64>().ok());
        assert!(numbers.into_iter().all(|n| (0.0..=WIDTH).contains(&n)), "{svg}");
    }

    #[test]
    fn nothing_and_one_point_are_drawn_too() {
        for points in [Vec::new(), vec![(Timestamp(5), vec![1.0])]] {
            let chart = Chart { title: "t", series: vec!["a"], points, filled: false };
            assert!(chart.svg().contains("nothing to show yet"));
        }
        assert!(bar(&[("delivered", 0), ("pending", 0)]).ends_with("></svg>"));
        assert!(bar(&[("delivered", 1), ("pending", 3)]).contains(r#"width="25.00""#));
    }
}

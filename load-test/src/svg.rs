//! Charts as SVG text: axes, lines, dots, marks. Pure.
//!
//! Keeps true: a chart refers to nothing outside itself; its colours come from the page's style.

use crate::units::short;
use std::collections::BTreeSet;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// From values to places.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Axis {
    Linear { from: f64, to: f64 },
    Log { from: f64, to: f64 },
}

impl Axis {
    /// From 0, or from `from` on, to at least the largest of the values.
    pub(crate) fn linear(from: f64, values: impl IntoIterator<Item = f64>) -> Self {
        let most = values.into_iter().fold(from, f64::max);
        Self::Linear { from, to: if most > from { most } else { from + 1.0 } }
    }

    /// Whole powers of ten around the values.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let (least, most) = values
            .into_iter()
            .filter(|value| *value > 0.0)
            .fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)));
        if most == 0.0 {
            return Self::Log { from: 1.0, to: 10.0 };
        }
        let (from, to) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
        Self::Log { from, to: if to > from { to } else { from * 10.0 } }
    }

    /// 0 at the begin, 1 at the end.
    fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { from, to } => (value - from) / (to - from),
            Self::Log { from, to } => (value.max(from) / from).ln() / (to / from).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { from, to } => {
                let rough = (to - from) / 6.0;
                let power = 10_f64.powf(rough.log10().floor());
                let step =
                    [1.0, 2.0, 5.0, 10.0].iter().map(|n| n * power).find(|step| *step >= rough * 0.999);
                let step = step.unwrap_or(rough);
                let first = (from / step).ceil() as i64;
                (first..).map(|n| n as f64 * step).take_while(|tick| *tick <= to * 1.0001).collect()
            }
            Self::Log { from, to } => {
                let powers = std::iter::successors(Some(from), |tick| Some(tick * 10.0));
                powers.take_while(|tick| *tick <= to * 1.001).collect()
            }
        }
    }
}

/// A chart as it grows.
pub(crate) struct Chart {
    title: String,
    x: Axis,
    y: Axis,
    body: String,
    names: Vec<String>,
}

/// Text that is safe in a page.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn tick(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value.abs() >= 10.0 || value.fract() == 0.0 => format!("{value:.0}"),
        value => {
            let text = short(value);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

impl Chart {
    /// `title` is also what a screen reader says.
    pub(crate) fn new(title: &str, x_name: &str, x: Axis, y_name: &str, y: Axis) -> Self {
        let mut chart = Self { title: title.to_owned(), x, y, body: String::new(), names: Vec::new() };
        let bottom = HEIGHT - BOTTOM;
        // Writing to a string cannot fail.
        for value in x.ticks() {
            let at = chart.at_x(value);
            let _ = write!(chart.body, "<line class=grid x1={at:.1} y1={TOP} x2={at:.1} y2={bottom} />");
            let _ = write!(
                chart.body,
                "<text x={at:.1} y={:.1} text-anchor=middle>{}</text>",
                bottom + 16.0,
                tick(value)
            );
        }
        for value in y.ticks() {
            let at = chart.at_y(value);
            let right = WIDTH - RIGHT;
            let _ = write!(chart.body, "<line class=grid x1={LEFT} y1={at:.1} x2={right} y2={at:.1} />");
            let _ = write!(
                chart.body,
                "<text x={:.1} y={:.1} text-anchor=end>{}</text>",
                LEFT - 6.0,
                at + 4.0,
                tick(value)
            );
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        let _ = write!(
            chart.body,
            "<text x={middle} y={} text-anchor=middle>{}</text>",
            HEIGHT - 6.0,
            escape(x_name)
        );
        let high = (TOP + bottom) / 2.0;
        let _ = write!(
            chart.body,
            "<text transform=\"rotate(-90 12 {high})\" x=12 y={high} text-anchor=middle>{}</text>",
            escape(y_name)
        );
        chart
    }

    fn at_x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }

    /// The class of the next series' colour.
    fn series(&mut self, name: &str) -> usize {
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    pub(crate) fn line(&mut self, name: &str, points: &[(f64, f64)]) {
        let series = self.series(name);
        let places: Vec<String> =
            points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.at_x(*x), self.at_y(*y))).collect();
        let _ = write!(self.body, "<polyline class=\"line s{series}\" points=\"{}\" />", places.join(" "));
    }

    /// A dot for each point; those that would lie on each other are drawn once.
    pub(crate) fn dots(&mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let series = self.series(name);
        let places: BTreeSet<(i32, i32)> = points
            .into_iter()
            .map(|(x, y)| (self.at_x(x).round() as i32, self.at_y(y).round() as i32))
            .collect();
        let mut path = String::new();
        for (x, y) in places {
            let _ = write!(path, "M{x} {y}h0");
        }
        let _ = write!(self.body, "<path class=\"dots s{series}\" d=\"{path}\" />");
    }

    /// A name beside a point.
    pub(crate) fn label(&mut self, x: f64, y: f64, text: &str) {
        let (x, y) = (self.at_x(x) + 5.0, self.at_y(y) - 5.0);
        let _ = write!(self.body, "<text x={x:.1} y={y:.1}>{}</text>", escape(text));
    }

    /// A line across the chart at a time.
    pub(crate) fn mark(&mut self, x: f64, text: &str) {
        let at = self.at_x(x);
        let bottom = HEIGHT - BOTTOM;
        let _ = write!(self.body, "<line class=mark x1={at:.1} y1={TOP} x2={at:.1} y2={bottom} />");
        let _ = write!(
            self.body,
            "<text class=mark x={:.1} y={:.1}>{}</text>",
            at + 4.0,
            TOP + 10.0,
            escape(text)
        );
    }

    /// The figure with its title and the names of its series.
    pub(crate) fn html(self) -> String {
        let title = escape(&self.title);
        let names =
            self.names.iter().enumerate().map(|(series, name)| {
                format!("<span class=\"name s{series}\">&#9632; {}</span> ", escape(name))
            });
        format!(
            "<figure><figcaption>{title} {}</figcaption><svg role=img aria-label=\"{title}\" viewBox=\"0 0 {WIDTH} \
             {HEIGHT}\">{}</svg></figure>\n",
            names.collect::<String>(),
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_a_few_round_ticks() {
        assert_eq!(Axis::linear(0.0, [10.0, 29.0]).ticks(), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        let log = Axis::log([0.0, 2.0, 350.0]);
        assert_eq!(log.ticks(), [1.0, 10.0, 100.0, 1000.0]);
        assert!((log.share(10.0) - 1.0 / 3.0).abs() < 1e-9 && log.share(0.0) == 0.0);
        assert_eq!(Axis::log([]).ticks(), [1.0, 10.0]);
    }

    #[test]
    fn dots_on_each_other_are_one() {
        let mut chart = Chart::new("t", "x", Axis::linear(0.0, [1.0]), "y", Axis::linear(0.0, [1.0]));
        chart.dots("d", (0..1000).map(|_| (0.5, 0.5)));
        assert_eq!(chart.html().matches("h0").count(), 1);
    }

    #[test]
    fn what_others_wrote_is_escaped() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}

//! Charts as SVG. Colours are classes of the style sheet, so that one chart serves light, dark and paper.

use riskstream_events::display::number;
use std::fmt::Write;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;
/// Colours of the style sheet.
pub(super) const COLOURS: usize = 6;

/// How values are placed along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Equal steps are equally long.
    Linear,
    /// Equal factors of the value + 1 are equally long, so that 0 has a place.
    Logarithmic,
}

/// An axis from `low` to `high`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub label: &'static str,
    pub low: f64,
    pub high: f64,
    pub scale: Scale,
}

impl Axis {
    /// From 0 to 1.
    pub fn share(label: &'static str) -> Axis {
        Axis {
            label,
            low: 0.0,
            high: 1.0,
            scale: Scale::Linear,
        }
    }

    /// From 0 to the largest of the values.
    pub fn up_to(label: &'static str, values: impl Iterator<Item = f64>, scale: Scale) -> Axis {
        let highest = values.fold(0.0, f64::max);
        Axis {
            label,
            low: 0.0,
            high: if highest > 0.0 { highest } else { 1.0 },
            scale,
        }
    }

    /// The place of a value, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let measure = |value: f64| match self.scale {
            Scale::Linear => value - self.low,
            Scale::Logarithmic => (value - self.low).max(0.0).ln_1p(),
        };
        (measure(value) / measure(self.high)).clamp(0.0, 1.0)
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = round_step((self.high - self.low) / 4.0);
                let first = (self.low / step).ceil() as i64;
                let ticks = (first..).map(|tick| tick as f64 * step);
                ticks
                    .take_while(|tick| *tick <= self.high + step * 1e-9)
                    .take(12)
                    .collect()
            }
            Scale::Logarithmic => {
                let powers = (0..)
                    .map(|power| 10f64.powi(power))
                    .take_while(|tick| *tick <= self.high);
                let powers: Vec<f64> = powers.take(16).collect();
                let every = powers.len().div_ceil(6).max(1);
                std::iter::once(0.0).chain(powers.into_iter().step_by(every)).collect()
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A number on an axis: 1.2M, 45k, 0.25.
fn short(value: f64) -> String {
    match value.abs() {
        1e6.. => format!("{}M", number(value / 1e6)),
        1e4.. => format!("{}k", number(value / 1e3)),
        _ => number(value),
    }
}

fn frame(x: &Axis, y: &Axis, x_ticks: &[(f64, String)], content: &str) -> String {
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for tick in y.ticks() {
        let at = y.y(tick);
        write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            short(tick)
        )
        .expect("writing to a string");
    }
    // A text is about 6 units a character wide; one that would be cut off is left out.
    let fits = |(at, text): &&(f64, String)| at + 3.0 * text.chars().count() as f64 <= WIDTH;
    for (at, text) in x_ticks.iter().filter(fits) {
        let label = bottom + 15.0;
        write!(
            svg,
            "<text x=\"{at:.1}\" y=\"{label}\" text-anchor=\"middle\">{text}</text>"
        )
        .expect("writing to a string");
    }
    let (middle, foot) = ((LEFT + right) / 2.0, HEIGHT - 6.0);
    let centre = (TOP + bottom) / 2.0;
    write!(
        svg,
        "<text x=\"{middle}\" y=\"{foot}\" text-anchor=\"middle\">{}</text>\
         <text x=\"12\" y=\"{centre}\" text-anchor=\"middle\" transform=\"rotate(-90 12 {centre})\">{}</text>{content}</svg>",
        x.label, y.label
    )
    .expect("writing to a string");
    svg
}

/// Lines, each through its points, with another one for comparison.
pub(super) fn lines(x: Axis, y: Axis, ideal: &[(f64, f64)], series: &[Vec<(f64, f64)>]) -> String {
    let path = |points: &[(f64, f64)]| {
        let points = points
            .iter()
            .map(|(across, up)| format!("{:.1},{:.1}", x.x(*across), y.y(*up)));
        points.collect::<Vec<_>>().join(" ")
    };
    let mut content = String::new();
    if !ideal.is_empty() {
        content += &format!("<polyline class=\"ideal\" points=\"{}\"/>", path(ideal));
    }
    for (number, points) in series.iter().enumerate() {
        content += &format!(
            "<polyline class=\"l l{}\" points=\"{}\"/>",
            number % COLOURS,
            path(points)
        );
    }
    let ticks: Vec<_> = x.ticks().into_iter().map(|tick| (x.x(tick), short(tick))).collect();
    frame(&x, &y, &ticks, &content)
}

/// A bar for each label, with its parts one above the other.
pub(super) fn bars(x_label: &'static str, y: Axis, labels: &[String], bars: &[Vec<f64>]) -> String {
    let x = Axis {
        label: x_label,
        low: 0.0,
        high: labels.len().max(1) as f64,
        scale: Scale::Linear,
    };
    let width = (x.x(1.0) - x.x(0.0)) * 0.82;
    let mut content = String::new();
    for (place, parts) in bars.iter().enumerate() {
        let left = x.x(place as f64) + width * 0.11;
        let mut below = 0.0;
        for (part, value) in parts.iter().enumerate() {
            let (low, high) = (y.y(below), y.y(below + value));
            below += value;
            if low - high > 0.05 {
                content += &format!(
                    "<rect class=\"f{}\" x=\"{left:.1}\" y=\"{high:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
                    part % COLOURS,
                    low - high
                );
            }
        }
    }
    let every = labels.len().div_ceil(6).max(1);
    let named = labels.iter().enumerate().step_by(every);
    let ticks: Vec<_> = named
        .map(|(place, label)| (x.x(place as f64 + 0.5), super::escape(label)))
        .collect();
    frame(&x, &y, &ticks, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_lie_within_the_axis() {
        let ticks = |high, scale| Axis::up_to("", [high].into_iter(), scale).ticks();
        assert_eq!(ticks(1.0, Scale::Linear), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(37_000.0, Scale::Linear), [0.0, 10_000.0, 20_000.0, 30_000.0]);
        assert_eq!(ticks(0.0, Scale::Linear), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(5_000.0, Scale::Logarithmic), [0.0, 1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!(
            [short(1_250_000.0), short(45_000.0), short(0.25)],
            ["1.25M", "45k", "0.25"]
        );
    }

    #[test]
    fn lines_end_at_the_corners() {
        let svg = lines(Axis::share("x"), Axis::share("y"), &[], &[vec![(0.0, 0.0), (1.0, 1.0)]]);
        assert!(svg.contains("points=\"58.0,240.0 508.0,10.0\""), "{svg}");
    }
}

//! Live progress on a terminal; without one, a line now and then.

use super::results::Results;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use riskstream_pipeline::Tally;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

pub struct Display {
    bar: ProgressBar,
    terminal: bool,
    began: Instant,
    shown: Instant,
    latencies: Vec<i64>,
}

/// Latencies that the shown quantiles are taken from.
const RECENT: usize = 20_000;

impl Display {
    /// `days`: how many days of payments there will be, if that is known.
    pub fn new(days: Option<u32>) -> Display {
        let terminal = std::io::stderr().is_terminal();
        let (bar, template) = match days {
            _ if !terminal => (ProgressBar::hidden(), "{msg}"),
            Some(days) => (
                ProgressBar::new(days.into()),
                "{spinner} [{bar:30}] day {pos} of {len}, {elapsed}\n  {msg}",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        };
        let bar = bar.with_style(ProgressStyle::with_template(template).expect("the template is fixed"));
        let now = Instant::now();
        Display {
            bar,
            terminal,
            began: now,
            shown: now,
            latencies: Vec::new(),
        }
    }

    /// Takes note of a round and shows where things stand, some times a second.
    pub fn update(&mut self, tally: &Tally, results: &Results) {
        self.latencies.extend_from_slice(&tally.latencies);
        let interval = if self.terminal {
            Duration::from_millis(150)
        } else {
            Duration::from_secs(5)
        };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let excess = self.latencies.len().saturating_sub(RECENT);
        self.latencies.drain(..excess);
        let line = self.line(results);
        if self.terminal {
            let declines: String = results.latest_declines().map(|line| format!("\n    {line}")).collect();
            self.bar.set_position(results.days());
            self.bar.set_message(format!("{line}\n  latest declines{declines}"));
            self.bar.tick();
        } else {
            eprintln!("{line}");
        }
    }

    fn line(&mut self, results: &Results) -> String {
        let [approve, review, decline] = results.outcomes();
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = (results.decided() as f64 / seconds) as u64;
        self.latencies.sort_unstable();
        let quantile = |q: f64| {
            let at = ((self.latencies.len() as f64 - 1.0) * q).max(0.0) as usize;
            self.latencies.get(at).map_or(0.0, |micros| *micros as f64 / 1000.0)
        };
        format!(
            "{}  {} decisions, {}/s   approve {}  review {}  decline {}   p50 {:.0} ms p99 {:.0} ms",
            results.day(),
            HumanCount(results.decided()),
            HumanCount(rate),
            HumanCount(approve),
            HumanCount(review),
            HumanCount(decline),
            quantile(0.5),
            quantile(0.99),
        )
    }

    pub fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

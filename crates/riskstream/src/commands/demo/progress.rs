//! Progress: a live display on a terminal, otherwise a line every five seconds.

use super::results::Results;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The display.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    began: Instant,
    updated: Instant,
    latencies: Vec<i64>,
}

/// The quantiles are those of so many of the latest latencies.
const RECENT: usize = 20_000;
/// Interval of updates on a terminal.
const INTERVAL: Duration = Duration::from_millis(150);
/// Interval of lines without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

impl Progress {
    /// A display for so many days of payments; `None` if their number is not known.
    pub(super) fn new(days: Option<u32>) -> Progress {
        let is_terminal = std::io::stderr().is_terminal();
        let (bar, template) = match days {
            _ if !is_terminal => (ProgressBar::hidden(), "{msg}"),
            Some(days) => (
                ProgressBar::new(days.into()),
                "{spinner} [{bar:30}] day {pos} of {len}, {elapsed}\n  {msg}",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        };
        let bar = bar.with_style(ProgressStyle::with_template(template).expect("the template is fixed"));
        let now = Instant::now();
        Progress {
            bar,
            is_terminal,
            began: now,
            updated: now,
            latencies: Vec::new(),
        }
    }

    /// Adds latencies (microseconds), and updates the display if it is due.
    pub(super) fn update(&mut self, latencies: &[i64], results: &Results) {
        self.latencies.extend_from_slice(latencies);
        let interval = if self.is_terminal { INTERVAL } else { LINE_INTERVAL };
        if self.updated.elapsed() < interval {
            return;
        }
        self.updated = Instant::now();
        let excess = self.latencies.len().saturating_sub(RECENT);
        self.latencies.drain(..excess);
        let line = self.line(results);
        if self.is_terminal {
            let latest: String = results.severest().map(|line| format!("\n    {line}")).collect();
            let outcome = results.outcomes().next_back().map_or("", |(word, _)| word);
            self.bar.set_position(results.days());
            self.bar
                .set_message(format!("{line}\n  latest with outcome {outcome}{latest}"));
            self.bar.tick();
        } else {
            eprintln!("{line}");
        }
    }

    fn line(&mut self, results: &Results) -> String {
        let outcomes: Vec<String> = results
            .outcomes()
            .map(|(word, count)| format!("{word} {}", HumanCount(count)))
            .collect();
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = (results.decided() as f64 / seconds) as u64;
        self.latencies.sort_unstable();
        format!(
            "{}  {} decisions, {}/s   {}{}",
            results.day(),
            HumanCount(results.decided()),
            HumanCount(rate),
            outcomes.join("  "),
            self.quantiles(),
        )
    }

    /// The median and the 99th percentile of the latencies, if there are any: files have none.
    fn quantiles(&self) -> String {
        let Some(last) = self.latencies.len().checked_sub(1) else {
            return String::new();
        };
        let quantile = |q: f64| self.latencies[(last as f64 * q) as usize] as f64 / 1000.0;
        format!("   p50 {:.0} ms p99 {:.0} ms", quantile(0.5), quantile(0.99))
    }

    /// Removes the live display.
    pub(super) fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

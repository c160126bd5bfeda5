//! Keeps track of how the partitions of a worker are read. A round looks at the partitions that it has read from; the others
//! change only as time passes, and are looked at now and then.
//!
//! A source is idle if nothing has come for a while *since history began to be read*, here or by another worker. When history is
//! written to topics to which nothing came before, rows wait for all sources again, since any of them may send older rows.
//! A worker sees that others read history by the marks in the repartition partitions that it reads, or that another worker of
//! its process reads. When sources begin to catch up in such a partition, its readers wait for those that were idle until they
//! are heard again (merge.rs): all workers of the process then tell again how far their sources are.

use crate::liveness::{LivenessOptions, PartitionLiveness};
use crate::log::Log;
use crate::partition_reader::PartitionReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Microseconds between two looks at all partitions.
const LOOK_AT_ALL_EVERY: i64 = 100_000;

/// What the workers of a process tell each other: when one of them has looked at a repartition partition, and when one has seen
/// that history is read (wall clock, microseconds); and how often sources have begun to catch up.
#[derive(Clone, Debug, Default)]
pub struct HistorySignal(Arc<Times>);

#[derive(Debug, Default)]
struct Times {
    looked: AtomicI64,
    seen: AtomicI64,
    catch_ups: AtomicU64,
}

impl HistorySignal {
    fn look(&self, now: i64, sees_history: bool) {
        self.0.looked.fetch_max(now, Ordering::Relaxed);
        if sees_history {
            self.0.seen.fetch_max(now, Ordering::Relaxed);
        }
    }

    fn begin_catch_up(&self) {
        self.0.catch_ups.fetch_add(1, Ordering::Relaxed);
    }

    fn catch_ups(&self) -> u64 {
        self.0.catch_ups.load(Ordering::Relaxed)
    }

    fn is_watched(&self, now: i64) -> bool {
        now - self.0.looked.load(Ordering::Relaxed) < WATCH_LASTS
    }

    fn sees_history(&self, now: i64) -> bool {
        now - self.0.seen.load(Ordering::Relaxed) < SIGNAL_LASTS
    }
}

/// Microseconds for which history that was seen counts.
const SIGNAL_LASTS: i64 = 1_000_000;

/// Microseconds for which a look counts: longer than a worker may be held up by a commit.
const WATCH_LASTS: i64 = 60_000_000;

/// See the module.
pub(crate) struct Phases {
    options: LivenessOptions,
    signal: HistorySignal,
    /// When all partitions were looked at last, by the wall clock in microseconds; none: all have to be looked at now.
    looked_at: Option<i64>,
    /// Whether some input of the worker was in real time then.
    among_real_time: bool,
    /// Whether history is being read.
    has_history: bool,
    /// When history began to be read for the last time, by the wall clock in microseconds.
    history_since: Option<i64>,
    /// The number of catch-ups of sources that were seen, and of those for which readers were told again how far the worker's
    /// sources are.
    asked: u64,
    answered: u64,
    /// When the last one was seen, by the wall clock in microseconds.
    asked_at: Option<i64>,
}

impl Phases {
    pub(crate) fn new(options: LivenessOptions, signal: HistorySignal) -> Phases {
        Phases {
            options,
            signal,
            looked_at: None,
            among_real_time: false,
            has_history: false,
            history_since: None,
            asked: 0,
            answered: 0,
            asked_at: None,
        }
    }

    /// Partitions were opened, or what was announced of them is to be announced again.
    pub(crate) fn reset(&mut self) {
        self.looked_at = None;
    }

    /// Updates the phases, as of `now`. Gives the partitions that were looked at.
    pub(crate) fn update<'r, L: Log>(
        &mut self,
        readers: &'r mut [PartitionReader],
        log: &L,
        now: i64,
    ) -> impl Iterator<Item = &'r mut PartitionReader> {
        let mut looks_at_all = self.looked_at.is_none_or(|at| now - at >= LOOK_AT_ALL_EVERY);
        let mut seen = look(readers, |reader| looks_at_all || reader.has_news(log), log, now);
        let mut reads_history = self.reads_history(readers, &seen, now);
        if readers.iter().any(PartitionReader::begins_catch_up) {
            self.signal.begin_catch_up();
        }
        self.asked = self.signal.catch_ups();
        if self.is_asked() {
            self.asked_at = Some(now);
        }
        if (reads_history && !self.has_history) || self.is_asked() {
            self.history_since = Some(now);
            if !looks_at_all {
                looks_at_all = true;
                seen = look(readers, |_| true, log, now);
            }
        }
        if looks_at_all {
            self.looked_at = Some(now);
            self.among_real_time = false;
            self.has_history = false;
            if readers.iter().any(|reader| !reader.reads_input()) {
                let sees_history = readers.iter().any(PartitionReader::awaits_history);
                self.signal.look(now, sees_history);
                reads_history |= sees_history;
            }
        }
        self.has_history |= reads_history;
        let is_real_time = |liveness: &PartitionLiveness| liveness.is_real_time(&self.options, now);
        self.among_real_time |= seen.iter().flatten().any(is_real_time);
        let (inputs_idle_from, stages_idle_from) = (self.inputs_idle_from(now), self.stages_idle_from());
        for (reader, liveness) in readers.iter_mut().zip(&seen) {
            let Some(mut liveness) = *liveness else { continue };
            liveness.among_real_time = self.among_real_time;
            let idle_from = match reader.reads_input() {
                true => inputs_idle_from,
                false => stages_idle_from,
            };
            reader.set_phase(liveness.phase(&self.options, idle_from, now));
            reader.looked_at();
        }
        let looked_at = readers.iter_mut().zip(seen).filter(|(_, liveness)| liveness.is_some());
        looked_at.map(|(reader, _)| reader)
    }

    /// Whether sources have begun to catch up since readers were told how far the worker's sources are.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked != self.answered
    }

    /// Readers are told how far the worker's sources are.
    pub(crate) fn answer(&mut self) {
        self.answered = self.asked;
    }

    /// Whether history is read, as far as the partitions that were looked at tell, or another worker of the process.
    fn reads_history(&self, readers: &[PartitionReader], seen: &[Option<PartitionLiveness>], now: i64) -> bool {
        let reads_history = |(reader, liveness): (&PartitionReader, &Option<PartitionLiveness>)| {
            let Some(liveness) = liveness else { return false };
            reader.awaits_history() || liveness.has_history(&self.options, now)
        };
        self.signal.sees_history(now) || readers.iter().zip(seen).any(reads_history)
    }

    /// From when on inputs without records are idle.
    fn inputs_idle_from(&self, now: i64) -> i64 {
        match self.history_since {
            Some(since) => since.saturating_add(self.idle_after()),
            None if self.signal.is_watched(now) => i64::MAX,
            // Nothing would tell this worker that others read history.
            None => i64::MIN,
        }
    }

    /// From when on partitions of stages are idle whose sources are. Some of what made others catch up may be on its way here.
    fn stages_idle_from(&self) -> i64 {
        let from = |asked_at: i64| asked_at.saturating_add(self.idle_after());
        self.asked_at.map_or(i64::MIN, from)
    }

    fn idle_after(&self) -> i64 {
        i64::try_from(self.options.idle_after.as_micros()).unwrap_or(i64::MAX)
    }
}

/// What is known of the chosen partitions now.
fn look<L: Log>(
    readers: &mut [PartitionReader],
    is_chosen: impl Fn(&PartitionReader) -> bool,
    log: &L,
    now: i64,
) -> Vec<Option<PartitionLiveness>> {
    let look = |reader: &mut PartitionReader| is_chosen(reader).then(|| reader.liveness(log, now));
    readers.iter_mut().map(look).collect()
}

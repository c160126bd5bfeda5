//! Keeps track of how the partitions of a worker are read. A round checks the partitions that it has read from; the others
//! change only as time passes, and are checked every 100 ms.
//!
//! A source is idle if nothing has come for a while *since history began to be read*, here or by another worker. When history is
//! written to topics to which nothing came before, rows wait for all sources again, since any of them may send older rows.
//! A worker sees that others read history by the marks in the repartition partitions that it reads, or that another worker of
//! its process reads. When sources begin to catch up in such a partition, its readers wait for those that were idle until they
//! are announced again (merge.rs): all workers of the process then announce again how far their sources are.

use crate::liveness::{LivenessOptions, PartitionLiveness};
use crate::log::Log;
use crate::partition_reader::PartitionReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Microseconds between two checks of all partitions.
const CHECK_INTERVAL: i64 = 100_000;

/// Shared by the workers of a process: when one of them last checked a repartition partition, and when one last saw a source that
/// is catching up (wall clock, microseconds); and how often sources have begun to catch up.
#[derive(Clone, Debug, Default)]
pub struct CatchUpSignal(Arc<Times>);

#[derive(Debug, Default)]
struct Times {
    checked: AtomicI64,
    catching_up: AtomicI64,
    catch_ups: AtomicU64,
}

impl CatchUpSignal {
    fn record(&self, now: i64, sees_history: bool) {
        self.0.checked.fetch_max(now, Ordering::Relaxed);
        if sees_history {
            self.0.catching_up.fetch_max(now, Ordering::Relaxed);
        }
    }

    fn begin_catch_up(&self) {
        self.0.catch_ups.fetch_add(1, Ordering::Relaxed);
    }

    fn catch_ups(&self) -> u64 {
        self.0.catch_ups.load(Ordering::Relaxed)
    }

    fn was_checked(&self, now: i64) -> bool {
        now - self.0.checked.load(Ordering::Relaxed) < CHECK_VALIDITY
    }

    fn is_catching_up(&self, now: i64) -> bool {
        now - self.0.catching_up.load(Ordering::Relaxed) < SIGNAL_VALIDITY
    }
}

/// Microseconds for which it counts that a source was catching up.
const SIGNAL_VALIDITY: i64 = 1_000_000;

/// Microseconds for which a check counts: longer than a worker may be held up by a commit.
const CHECK_VALIDITY: i64 = 60_000_000;

/// Microseconds after which an input without records is idle although no history was seen. Another worker's history may wait for
/// it in a partition that nobody in this process reads.
const UNSEEN_HISTORY: i64 = 15_000_000;

/// See the module.
pub(crate) struct SourcePhases {
    options: LivenessOptions,
    signal: CatchUpSignal,
    /// When all partitions were checked last, by the wall clock in microseconds; none: all have to be checked now.
    checked_at: Option<i64>,
    /// The time of the last update, by the wall clock in microseconds.
    updated_at: i64,
    /// Since when the partitions are those that they are, by the wall clock in microseconds.
    opened_at: Option<i64>,
    /// Whether some input of the worker was in real time then.
    among_real_time: bool,
    /// Whether history is being read.
    has_history: bool,
    /// When history began to be read for the last time, by the wall clock in microseconds.
    history_since: Option<i64>,
    /// How often sources have begun to catch up, as of the last check; and as of the last time at which the worker has announced
    /// all its sources.
    catch_ups: u64,
    announced: u64,
    /// When they did last, by the wall clock in microseconds.
    catch_up_since: Option<i64>,
}

impl SourcePhases {
    pub(crate) fn new(options: LivenessOptions, signal: CatchUpSignal) -> SourcePhases {
        SourcePhases {
            options,
            signal,
            checked_at: None,
            updated_at: i64::MIN,
            opened_at: None,
            among_real_time: false,
            has_history: false,
            history_since: None,
            catch_ups: 0,
            announced: 0,
            catch_up_since: None,
        }
    }

    /// Partitions were opened, or what was announced of them is to be announced again.
    pub(crate) fn reset(&mut self) {
        self.checked_at = None;
        self.opened_at = None;
    }

    /// Updates the phases, as of `now`. Gives the partitions that were checked.
    pub(crate) fn update<'r, L: Log>(
        &mut self,
        readers: &'r mut [PartitionReader],
        log: &L,
        now: i64,
    ) -> impl Iterator<Item = &'r mut PartitionReader> {
        if now < self.updated_at {
            self.set_back(readers, self.updated_at - now);
        }
        self.updated_at = now;
        self.opened_at.get_or_insert(now);
        let mut checks_all = self.checked_at.is_none_or(|at| now - at >= CHECK_INTERVAL);
        let mut seen = check(readers, |reader| checks_all || reader.has_changed(log), log, now);
        let mut reads_history = self.reads_history(readers, &seen, now);
        if readers.iter().any(PartitionReader::begins_catch_up) {
            self.signal.begin_catch_up();
        }
        self.catch_ups = self.signal.catch_ups();
        if self.has_to_announce() {
            self.catch_up_since = Some(now);
        }
        if (reads_history && !self.has_history) || self.has_to_announce() {
            self.history_since = Some(now);
            if !checks_all {
                checks_all = true;
                seen = check(readers, |_| true, log, now);
            }
        }
        if checks_all {
            self.checked_at = Some(now);
            self.among_real_time = false;
            self.has_history = false;
            if readers.iter().any(|reader| !reader.reads_input()) {
                let sees_history = readers.iter().any(PartitionReader::awaits_history);
                self.signal.record(now, sees_history);
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
            reader.set_phase(match reader.reads_input() {
                true => liveness.phase(&self.options, inputs_idle_from, now),
                false => liveness.phase_of_stage(&self.options, stages_idle_from, now),
            });
            reader.end_check();
        }
        let checked = readers.iter_mut().zip(seen).filter(|(_, liveness)| liveness.is_some());
        checked.map(|(reader, _)| reader)
    }

    /// The wall clock was set back: without this, nothing would be due until it is again where it was.
    fn set_back(&mut self, readers: &mut [PartitionReader], by: i64) {
        self.checked_at = None;
        for since in [&mut self.opened_at, &mut self.history_since, &mut self.catch_up_since] {
            *since = since.map(|since| since.saturating_sub(by));
        }
        readers.iter_mut().for_each(|reader| reader.set_back(by));
    }

    /// Whether sources have begun to catch up since the worker has announced all its sources.
    pub(crate) fn has_to_announce(&self) -> bool {
        self.catch_ups != self.announced
    }

    /// The worker announces all its sources.
    pub(crate) fn announces(&mut self) {
        self.announced = self.catch_ups;
    }

    /// Whether one of the partitions that were checked reads history, or another worker of the process does.
    fn reads_history(&self, readers: &[PartitionReader], seen: &[Option<PartitionLiveness>], now: i64) -> bool {
        let reads_history = |(reader, liveness): (&PartitionReader, &Option<PartitionLiveness>)| {
            let Some(liveness) = liveness else { return false };
            reader.awaits_history() || liveness.has_history(&self.options, now)
        };
        self.signal.is_catching_up(now) || readers.iter().zip(seen).any(reads_history)
    }

    /// From when on inputs without records are idle.
    fn inputs_idle_from(&self, now: i64) -> i64 {
        match self.history_since {
            Some(since) => since.saturating_add(self.idle_after()),
            None if self.signal.was_checked(now) => self.opened_at.unwrap_or(now).saturating_add(UNSEEN_HISTORY),
            // This worker has no way to see that others read history.
            None => i64::MIN,
        }
    }

    /// From when on partitions of stages are idle whose sources are. Some of what made others catch up may be on its way here.
    fn stages_idle_from(&self) -> i64 {
        let from = |since: i64| since.saturating_add(self.idle_after());
        self.catch_up_since.map_or(i64::MIN, from)
    }

    fn idle_after(&self) -> i64 {
        i64::try_from(self.options.idle_after.as_micros()).unwrap_or(i64::MAX)
    }
}

/// What is known of the chosen partitions now.
fn check<L: Log>(
    readers: &mut [PartitionReader],
    is_chosen: impl Fn(&PartitionReader) -> bool,
    log: &L,
    now: i64,
) -> Vec<Option<PartitionLiveness>> {
    let check = |reader: &mut PartitionReader| is_chosen(reader).then(|| reader.liveness(log, now));
    readers.iter_mut().map(check).collect()
}

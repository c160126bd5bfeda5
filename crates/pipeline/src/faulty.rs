//! A log that fails, from a seed: aborted transactions, commits and acknowledgements whose result stays unknown, a log that
//! cannot be reached. The same seed fails at the same calls. For simulation.

use crate::log::{AssignmentChange, Committed, Log, LogError, LogTopic, Outputs, RecordRef, TopicPartition};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often what fails, in thousandths of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Where the sequence of faults begins.
    pub seed: u64,
    /// Transactions that are aborted: nothing was written.
    pub aborted: u16,
    /// Commits that happened, though the member gets the error that it is fenced.
    pub committed_unknown: u16,
    /// Commits that did not happen, and the member gets the error that it is fenced.
    pub lost_unknown: u16,
    /// Appended records of which a part was written. The member gets an error at its next commit, or some time later in a wait, that
    /// they were not acknowledged; what it appends until then is not written, so there is no gap.
    pub unacknowledged: u16,
    /// Appended records that a member writes only after it was taken for dead and another owns its partitions.
    pub late: u16,
    /// Waits during which the log cannot be reached.
    pub unavailable: u16,
}

impl Faults {
    /// Each kind so often that a run of some hundred calls meets all of them.
    pub fn of_each_kind(seed: u64) -> Faults {
        Faults {
            seed,
            aborted: 60,
            committed_unknown: 40,
            lost_unknown: 40,
            unacknowledged: 60,
            late: 30,
            unavailable: 30,
        }
    }
}

/// What the logs of a group share: records that paused members will write late, and whether faults have ended.
#[derive(Clone, Debug, Default)]
pub struct LateRecords {
    records: Arc<Mutex<VecDeque<Outputs>>>,
    has_ended: Arc<AtomicBool>,
}

impl LateRecords {
    fn push(&self, records: Outputs) {
        self.lock().push_back(records);
    }

    fn pop(&self) -> Option<Outputs> {
        self.lock().pop_front()
    }

    /// Nothing fails from now on, and no record comes late any more.
    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Outputs>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wraps a log and makes it fail.
pub struct FaultyLog<L> {
    log: L,
    faults: Faults,
    late: LateRecords,
    state: u64,
    /// Whether appended records were lost since the last commit.
    is_broken: bool,
}

/// How often a wait reports appended records that were lost, in thousandths.
const LOSS_IS_NOTICED: u16 = 200;

/// How often late records are written, in thousandths of the appends.
const LATE_RECORDS_COME: u16 = 200;

impl<L> FaultyLog<L> {
    /// A log that fails as `faults` say.
    pub fn new(log: L, faults: Faults, late: LateRecords) -> FaultyLog<L> {
        FaultyLog {
            log,
            faults,
            late,
            state: faults.seed,
            is_broken: false,
        }
    }

    /// A number below 1000 (SplitMix64, Steele, Lea and Flood 2014); 1000 once faults have ended.
    fn draw(&mut self) -> u16 {
        if self.late.has_ended() {
            return 1000;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % 1000) as u16
    }
}

impl<L: Log> Log for FaultyLog<L> {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<AssignmentChange>, LogError> {
        if self.draw() < self.faults.unavailable {
            return Err(LogError::Unavailable("simulated".into()));
        }
        // A client hears of every loss in the end.
        if self.is_broken && (self.late.has_ended() || self.draw() < LOSS_IS_NOTICED) {
            self.is_broken = false;
            return Err(LogError::Fenced("simulated: not acknowledged".into()));
        }
        self.log.wait(timeout)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        self.log.committed(partitions)
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        self.log.bounds(partition)
    }

    fn start(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.log.start(positions)
    }

    fn stop(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.log.stop(partitions)
    }

    fn take(&mut self, partition: &TopicPartition) -> Result<Option<RecordRef<'_>>, LogError> {
        self.log.take(partition)
    }

    fn has_records(&self, partition: &TopicPartition) -> bool {
        self.log.has_records(partition)
    }

    fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.log.position(partition)
    }

    fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        self.log.lag(partition)
    }

    fn written_until(&self, partition: &TopicPartition) -> Option<i64> {
        self.log.written_until(partition)
    }

    fn topic(&mut self, topic: &str) -> Result<LogTopic, LogError> {
        self.log.topic(topic)
    }

    fn generation(&self) -> u64 {
        self.log.generation()
    }

    fn is_transactional(&self) -> bool {
        self.log.is_transactional()
    }

    fn append(&mut self, records: &Outputs) -> Result<(), LogError> {
        if self.draw() < LATE_RECORDS_COME
            && let Some(late) = self.late.pop()
        {
            self.log.append(&late)?;
        }
        if self.draw() < self.faults.late {
            // Never without the records before them.
            if !self.is_broken {
                self.late.push(records.first(records.records().len()));
            }
            return Err(LogError::Fenced("simulated: paused for too long".into()));
        }
        if self.draw() < self.faults.unacknowledged && !self.is_broken {
            let written = usize::from(self.draw()) % (records.records().len() + 1);
            self.is_broken = true;
            return self.log.append(&records.first(written));
        }
        if self.is_broken {
            return Ok(());
        }
        self.log.append(records)
    }

    fn commit(&mut self, outputs: &Outputs, positions: &[(TopicPartition, Committed)]) -> Result<(), LogError> {
        if std::mem::take(&mut self.is_broken) {
            return Err(LogError::Aborted("simulated: not acknowledged".into()));
        }
        let drawn = self.draw();
        let Faults {
            aborted,
            committed_unknown,
            lost_unknown,
            ..
        } = self.faults;
        if drawn < aborted {
            return Err(LogError::Aborted("simulated".into()));
        }
        if drawn < aborted + lost_unknown {
            return Err(LogError::Fenced("simulated: nothing was committed".into()));
        }
        self.log.commit(outputs, positions)?;
        if drawn < aborted + lost_unknown + committed_unknown {
            return Err(LogError::Fenced("simulated: it was committed all the same".into()));
        }
        Ok(())
    }
}

//! Keeps track of how the partitions of a worker are read. A round looks at the partitions that it has read from; the others
//! change only as time passes, and are looked at now and then.

use crate::liveness::LivenessOptions;
use crate::log::Log;
use crate::partition_reader::PartitionReader;

/// Microseconds between two looks at all partitions.
const LOOK_AT_ALL_EVERY: i64 = 100_000;

/// See the module.
pub(crate) struct Phases {
    options: LivenessOptions,
    /// When all partitions were looked at last, by the wall clock in microseconds; none: all have to be looked at now.
    looked_at: Option<i64>,
    /// Whether some input of the worker was in real time then.
    among_real_time: bool,
}

impl Phases {
    pub(crate) fn new(options: LivenessOptions) -> Phases {
        Phases {
            options,
            looked_at: None,
            among_real_time: false,
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
        let is_due = self.looked_at.is_none_or(|at| now - at >= LOOK_AT_ALL_EVERY);
        if is_due {
            self.looked_at = Some(now);
            self.among_real_time = false;
        }
        let is_looked_at = move |reader: &PartitionReader| is_due || reader.taken() > 0;
        let mut seen = Vec::new();
        for reader in readers.iter_mut().filter(|reader| is_looked_at(reader)) {
            let liveness = reader.liveness(log, now);
            self.among_real_time |= liveness.is_real_time(&self.options, now);
            seen.push(liveness);
        }
        for (reader, mut liveness) in readers.iter_mut().filter(|reader| is_looked_at(reader)).zip(seen) {
            liveness.among_real_time = self.among_real_time;
            reader.set_phase(liveness.phase(&self.options, now));
        }
        readers.iter_mut().filter(move |reader| is_looked_at(reader))
    }
}

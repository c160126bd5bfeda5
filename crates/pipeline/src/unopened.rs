//! Assigned partitions that could not be opened. They are tried again, as the cause may be gone later: a lock may be released, a
//! disk have space, or a state be restored.

use crate::log::TopicPartition;

/// Microseconds between two attempts.
const OPEN_AGAIN_AFTER: i64 = 5_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Unopened {
    partitions: Vec<TopicPartition>,
    /// Those of them whose state is being restored, and from what.
    restoring: Vec<(TopicPartition, String)>,
    again_at: i64,
}

impl Unopened {
    /// The partitions to try again at `now`. `has_restored`: whether a restoration has ended.
    pub(crate) fn due(&self, now: i64, has_restored: bool) -> Vec<TopicPartition> {
        // The clock may have been set back.
        let is_due = now >= self.again_at || now < self.again_at.saturating_sub(OPEN_AGAIN_AFTER);
        if is_due || (has_restored && !self.restoring.is_empty()) {
            return self.partitions.clone();
        }
        Vec::new()
    }

    /// These are tried again, or are no longer assigned.
    pub(crate) fn remove(&mut self, partitions: &[TopicPartition]) {
        self.partitions.retain(|partition| !partitions.contains(partition));
        self.restoring.retain(|(partition, _)| !partitions.contains(partition));
    }

    /// When the last attempt was.
    pub(crate) fn set_tried(&mut self, now: i64) {
        self.again_at = now + OPEN_AGAIN_AFTER;
    }

    pub(crate) fn add(&mut self, partition: &TopicPartition) {
        self.partitions.push(partition.clone());
    }

    pub(crate) fn add_restoring(&mut self, partition: &TopicPartition, from: String) {
        self.add(partition);
        self.restoring.push((partition.clone(), from));
    }

    /// Those whose state is being restored, and from what.
    pub(crate) fn restoring(&self) -> impl Iterator<Item = (&TopicPartition, &str)> {
        self.restoring
            .iter()
            .map(|(partition, from)| (partition, from.as_str()))
    }
}

//! In which order the records of files are applied, and where they would be on topics.

/// The order of the records of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By event time; those of the same event time in the order of the file.
    EventTime,
    /// In the order of the file, as if that were the order of arrival: what has a smaller event time than a record before it
    /// comes late.
    Arrival,
}

/// The topics that the service would read: how many partitions each has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// Of each input, in the plan's order.
    pub inputs: Vec<i32>,
    /// Of the topic in front of each stage; `None` if the stage reads the transactions' own topic.
    pub stages: Vec<Option<i32>>,
}

impl Partitions {
    /// How many partitions a stage has.
    pub(super) fn of_stage(&self, stage: usize) -> usize {
        self.stages[stage].unwrap_or(self.inputs[0]) as usize
    }
}

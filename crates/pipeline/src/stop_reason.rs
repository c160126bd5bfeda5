//! Why a partition is not read: a closed set of codes, and the reason that carries one.

use riskstream_features::state::StateError;

/// Declares each code together with its word, what has happened, and what to do.
macro_rules! stop_codes {
    ($($(#[doc = $meaning:literal])+ $name:ident = $word:literal => $remedy:literal,)+) => {
        /// The stable name of a circumstance because of which a partition is not read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum StopCode {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl StopCode {
            /// Every code, in the order of the reference table.
            pub const ALL: &'static [StopCode] = &[$(StopCode::$name,)+];

            /// The word in `/readyz`, logs and metrics. It is part of the contract and does not change.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(StopCode::$name => $word,)+
                }
            }

            /// What has happened, for the reference table.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(StopCode::$name => concat!($($meaning),+).trim_ascii(),)+
                }
            }

            /// What to do, for the reference table.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(StopCode::$name => $remedy,)+
                }
            }
        }
    };
}

stop_codes! {
    /// Retention has removed records that were not read yet.
    PositionGone = "position_gone" =>
        "Give the topic a longer retention. To go on with the hole, set the group's offset of this partition to the log's first and \
         remove its state directory: its features then know nothing of what came before. With checkpoints of a later position the \
         partition goes on by itself.",
    /// The position lies beyond the end of the partition: records were lost on the broker, or the offsets were set forward.
    PositionBeyondEnd = "position_beyond_end" =>
        "Restore the log or the offsets. An input can be read again from its beginning: `riskstream state reset`.",
    /// There is no state, and the log begins after records that belong in it.
    StateLost = "state_lost" =>
        "Restore the state directory or a checkpoint. Or start from nothing: `riskstream state repeat`, or the group's offset set to \
         the log's first.",
    /// The state has read further than the group has committed: the offsets were set back.
    StateAhead = "state_ahead" =>
        "Restore the offsets. Or remove this task's state directory: decisions are then repeated, with the flag `repeated`.",
    /// Another topic has the name of the one that was read: it was deleted and created again, or the pipeline file names another one.
    OtherTopic = "other_topic" =>
        "An input is read from its beginning after `riskstream state reset`. After a change of a repartition topic, give the pipeline \
         another name, so that it builds new state.",
    /// The topic has another number of partitions, and its partitions are those of the state.
    PartitionsChanged = "partitions_changed" =>
        "Give the pipeline another name, or create the topic again with its former number of partitions.",
    /// The pipeline file has other entities, keys or inputs than the one that made the positions and states.
    OtherChain = "other_chain" =>
        "Restore the pipeline file, or give the changed pipeline another name.",
    /// A record of a repartition topic cannot be read: it is damaged, or another version has written it.
    UnreadableRecord = "unreadable_record" =>
        "Run the version that can read it; the partition then goes on. If another program writes to the topic, end that program and \
         give the pipeline another name.",
    /// A record of an input is not keyed as `key:` says, and `on_key_mismatch: stop` is set.
    KeyMismatch = "key_mismatch" =>
        "Key the topic by the field. For the records that it holds: `on_key_mismatch: warn` decides them on features that may be \
         wrong; without `key:` and under another name the pipeline decides all of them again on right ones.",
    /// The roll-out in force names a model that is missing on this copy or is another file, or cannot be used by this version.
    RolloutNotReady = "rollout_not_ready" =>
        "Put the model file back, or roll back: `riskstream rollout back`. The partition goes on within seconds.",
    /// Another process has the state open.
    StateInUse = "state_in_use" =>
        "End the other process, for example one that hangs. The partition goes on within seconds.",
    /// No space is left on the disk of the state, or in the user's quota.
    DiskFull = "disk_full" =>
        "Make room. The partition goes on within seconds.",
    /// The state directory cannot be written.
    StateNotWritable = "state_not_writable" =>
        "Check the owner and the mode of the directory, and whether the disk is mounted read-only.",
    /// Files of the state are missing or damaged.
    StateDamaged = "state_damaged" =>
        "Move the task's state directory away: the state is built again from the log or a checkpoint.",
    /// The state belongs to other features, entities or windows, or an earlier version has written it.
    OtherLayout = "other_layout" =>
        "Restore the pipeline file, or give the changed pipeline another name.",
    /// The state cannot be opened for another reason.
    StateNotOpened = "state_not_opened" =>
        "The reason names the file and the error. It is tried again every 5 s.",
}

impl std::fmt::Display for StopCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a partition is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct StopReason {
    /// The stable code.
    pub code: StopCode,
    /// What has happened here, and what to do. Without the partition, which is shown with it.
    pub detail: String,
}

impl StopCode {
    /// The reason with this code.
    pub fn because(self, detail: impl ToString) -> StopReason {
        StopReason {
            code: self,
            detail: detail.to_string(),
        }
    }
}

impl From<StateError> for StopReason {
    fn from(error: StateError) -> StopReason {
        let code = match error {
            StateError::Store(_) => StopCode::StateNotOpened,
            StateError::Corrupt { .. } => StopCode::StateDamaged,
        };
        code.because(error)
    }
}

/// The reference page, docs/errors.md.
pub fn reference() -> String {
    let row = |code: &StopCode| format!("| `{code}` | {} | {} |\n", code.meaning(), code.remedy());
    let rows: String = StopCode::ALL.iter().map(row).collect();
    format!("{HEAD}{rows}")
}

const HEAD: &str = "# Why a partition is not read

A partition that cannot be read without a hole, or without wrong features, is not read. The others go on. `/readyz` answers with 503
and `TOPIC[PARTITION]: CODE: REASON`, where the reason gives offsets and files; the log says the same, once;
`riskstream_stopped_partitions{code}` counts. Opening is tried again every 5 s, so most go on by themselves once the cause is gone. What
ends or delays the whole process: [operations.md](operations.md#failures). Records that cannot be used:
[dead letters](metrics.md#reason-codes-of-dead-letters).

This page is generated from the table in crates/pipeline/src/stop_reason.rs by `RISKSTREAM_WRITE_DOCS=1 cargo test --release
--workspace --lib`.

| code | what has happened | what to do |
| --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_say_what_to_do() {
        let words: HashSet<_> = StopCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), StopCode::ALL.len());
        for code in StopCode::ALL {
            assert!(code.meaning().ends_with('.') && code.remedy().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        if std::env::var_os("RISKSTREAM_WRITE_DOCS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == reference(),
            "docs/errors.md is not current: write it with RISKSTREAM_WRITE_DOCS=1"
        );
    }
}

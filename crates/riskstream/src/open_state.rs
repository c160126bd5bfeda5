//! Why a task's RocksDB cannot be opened, as a reason with a code.

use riskstream_pipeline::stop_reason::{StopCode, StopReason};
use riskstream_store::OpenError;

/// Why the task of this state is not read.
pub fn stop_reason(error: OpenError) -> StopReason {
    let code = match error {
        OpenError::Locked { .. } => StopCode::StateInUse,
        OpenError::NotWritable { .. } => StopCode::StateNotWritable,
        OpenError::NoSpace { .. } => StopCode::DiskFull,
        OpenError::Corrupt { .. } => StopCode::StateDamaged,
        OpenError::OtherLayout { .. } => StopCode::OtherLayout,
        OpenError::Other { .. } => StopCode::StateNotOpened,
    };
    code.because(error)
}

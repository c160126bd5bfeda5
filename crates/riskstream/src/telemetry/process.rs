//! The process itself, as Linux tells.

use super::metrics::{CPU_SECONDS, RESIDENT_BYTES, START_TIME};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Linux counts CPU time in these for everybody, whatever the kernel's own clock.
const TICKS_PER_SECOND: u64 = 100;
const PAGE_BYTES: u64 = 4096;

/// Sets the metrics of the process. On a system without /proc only the start time is known.
pub(super) fn publish() {
    if let Some(pages) = resident_pages() {
        RESIDENT_BYTES.gauge(&[]).set((pages * PAGE_BYTES) as f64);
    }
    if let Some(ticks) = cpu_ticks() {
        CPU_SECONDS.counter(&[]).absolute(ticks / TICKS_PER_SECOND);
    }
    START_TIME.gauge(&[]).set(started());
}

/// Notes when the process began, on the first call.
pub(super) fn started() -> f64 {
    static STARTED: OnceLock<f64> = OnceLock::new();
    *STARTED.get_or_init(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
    })
}

fn resident_pages() -> Option<u64> {
    std::fs::read_to_string("/proc/self/statm")
        .ok()?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()
}

/// User and system time: fields 14 and 15 of /proc/self/stat; the second, the command, may hold spaces.
fn cpu_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

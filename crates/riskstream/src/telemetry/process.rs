//! Metrics of the process, from /proc.

use super::metrics::{CPU_SECONDS, RESIDENT_BYTES, START_TIME};
use crate::clock::SystemClock;
use riskstream_pipeline::Clock;
use std::sync::OnceLock;

/// The unit of CPU times in /proc is 10 ms on every Linux.
const TICKS_PER_SECOND: u64 = 100;
const PAGE_BYTES: u64 = 4096;

/// Sets the metrics of the process. Without /proc only the start time is known.
pub(super) fn publish() {
    if let Some(pages) = resident_pages() {
        RESIDENT_BYTES.gauge(&[]).set((pages * PAGE_BYTES) as f64);
    }
    if let Some(ticks) = cpu_ticks() {
        CPU_SECONDS.counter(&[]).absolute(ticks / TICKS_PER_SECOND);
    }
    START_TIME.gauge(&[]).set(start_time());
}

/// The time of the first call, in seconds since the epoch. The recorder calls it when it is installed.
pub(super) fn start_time() -> f64 {
    static START_TIME: OnceLock<f64> = OnceLock::new();
    *START_TIME.get_or_init(|| SystemClock.now() as f64 / 1e6)
}

fn resident_pages() -> Option<u64> {
    std::fs::read_to_string("/proc/self/statm")
        .ok()?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()
}

/// User and system time: fields 14 and 15 of /proc/self/stat. Field 2, the command in parentheses, may hold spaces.
fn cpu_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

//! Whether a recording can be continued.

use super::ends::{Recorded, RecordedSpans};
use anyhow::{bail, ensure};
use riskstream_kafka::Span;
use riskstream_offline::recording::{Manifest, Partition, Pipeline};

/// Whether what is there belongs to these topics, and nothing would be missing in between.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn check(
    manifest: &Manifest,
    head: &Pipeline,
    topics: &[Recorded],
    ends: &RecordedSpans,
) -> anyhow::Result<()> {
    let last = manifest.pipelines.last();
    if let Some(before) = last.filter(|before| (&before.name, &before.chain) != (&head.name, &head.chain)) {
        bail!(
            "the recording is of the pipeline {} with the tasks {}, and not of {} with {}: {ANOTHER}",
            before.name,
            before.chain,
            head.name,
            head.chain
        );
    }
    if let Some(before) = last.filter(|before| before.secret != head.secret) {
        let was = before.secret.as_ref().map_or("none", |_| "another one");
        bail!("the secret for pseudonyms was {was} when the recording was begun: {ANOTHER}");
    }
    for recorded in topics {
        let Some(topic) = manifest.topic(&recorded.name) else {
            continue;
        };
        let name = &recorded.name;
        ensure!(
            topic.id.is_none() || recorded.topic.id.is_none() || topic.id.as_deref() == recorded.topic.id.as_deref(),
            "{name} is another topic than the one that was recorded: it was deleted and created again. {ANOTHER}"
        );
        ensure!(
            topic.left_out.is_some() == recorded.left_out.is_some(),
            "{name} was {} so far: {} --personal-data, or {ANOTHER}",
            if topic.left_out.is_some() {
                "not recorded"
            } else {
                "recorded"
            },
            if topic.left_out.is_some() { "leave out" } else { "add" },
        );
        if topic.left_out.is_none() {
            let partitions = topic.partitions.iter().zip(ends.all_of(name));
            for (number, (partition, span)) in partitions.enumerate() {
                check_partition(&format!("{name}[{number}]"), partition, *span)?;
            }
        }
    }
    Ok(())
}

fn check_partition(name: &str, partition: &Partition, span: Span) -> anyhow::Result<()> {
    let position = partition.end();
    ensure!(
        position >= span.begin,
        "{name}: the recording ends at offset {position}, and the topic now begins at {}: what was in between was deleted by retention. \
         {ANOTHER}; give the topic a longer retention, or record more often",
        span.begin
    );
    ensure!(
        position <= span.end,
        "{name}: the recording ends at offset {position}, and the topic at {}: records were lost on the broker. {ANOTHER}",
        span.end
    );
    Ok(())
}

const ANOTHER: &str = "record into another directory";

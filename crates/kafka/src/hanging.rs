//! Aborts what a transaction has left open in partitions whose brokers say that it is over: a hanging transaction (KIP-664).
//!
//! Since the Java version of `KRaftMetadataCache.getPartitionLeaderEndpoint` (seen in Kafka 4.3), a transaction's coordinator takes
//! a partition without a leader for a deleted one. It writes no marker there and takes the transaction for ended. So it is after all
//! brokers have been away: partitions have no leader yet when the coordinator aborts what has timed out. From then on
//! readers of committed records wait in that partition for ever, and so does who asks for positions that the transaction has sent.
//! And the next commit of the same producer commits with its own what was to be aborted: positions of records whose decisions
//! were lost. The abort of another transaction of the same producer ends both.
//!
//! If the commit of the transaction was asked for and the answer did not come, the group's positions tell what became of it. Those
//! that are not there were aborted, or hang with everything else of the transaction, and nobody has seen any of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings::rd_kafka_IsolationLevel_t as Isolation;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use riskstream_pipeline::log::LogError;

use crate::consumer::GroupConsumer;
use crate::native::{CommittedPositions, Ends};
use crate::producer::RecordProducer;
use crate::requests::REQUEST_TIMEOUT;

/// Why positions are not given, and what to do.
pub(crate) const POSITIONS_ARE_HELD: &str = "a transaction holds them that has not ended for so long. If it never does \
    (a hanging transaction), docs/operations.md, section \"A transaction that hangs\", says how to end it";

/// How long the coordinator may take to answer whether it gives positions that nothing has to wait for.
const ANSWER: Duration = Duration::from_secs(2);

/// Whether the group's coordinator answers. If it gives no positions that are stable, a transaction holds them.
pub(crate) fn holds(consumer: &Arc<GroupConsumer>, group: &str, partitions: &TopicPartitionList) -> bool {
    matches!(
        CommittedPositions::request(consumer, group, partitions).poll(ANSWER),
        Some(Ok(_))
    )
}

/// Whether a transaction that would commit these positions was committed: they, or later ones, are the group's.
///
/// # Errors
/// `Fenced`: the group's coordinator does not answer.
pub(crate) fn are_committed(
    consumer: &Arc<GroupConsumer>,
    group: &str,
    positions: &TopicPartitionList,
) -> Result<bool, LogError> {
    if positions.count() == 0 {
        // There is nothing to tell it by.
        return Ok(true);
    }
    let what = "looking for the positions of the last transaction";
    let committed = answer(
        what,
        CommittedPositions::request(consumer, group, positions).poll(REQUEST_TIMEOUT),
    )?;
    Ok(positions.elements().iter().all(|element| {
        let found = committed.find_partition(element.topic(), element.partition());
        let offset = |offset: Offset| offset.to_raw().unwrap_or(-1);
        found.is_some_and(|found| offset(found.offset()) >= offset(element.offset()))
    }))
}

/// The partitions of these topics in which somebody's transaction is open, or hangs.
///
/// # Errors
/// `Fenced`: the brokers do not answer.
pub(crate) fn unstable_partitions(
    consumer: &Arc<GroupConsumer>,
    records: &RecordProducer,
    deadline: Instant,
) -> Result<Vec<(String, i32)>, LogError> {
    let mut asked = TopicPartitionList::new();
    for topic in records.topics() {
        for partition in 0..records.partitions(topic, left(deadline))? {
            let mut element = asked.add_partition(topic, partition);
            // The kind of offset that is asked for. The latest can be set.
            let _ = element.set_offset(Offset::End);
        }
    }
    if asked.count() == 0 {
        return Ok(Vec::new());
    }
    // Both are sent before either is waited for, the end of committed records first: what is appended between the two is no harm.
    let [committed, all] = [
        Isolation::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
        Isolation::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
    ]
    .map(|isolation| Ends::request(consumer, &asked, isolation, left(deadline)));
    let what = "looking for transactions that are open";
    let committed = answer(what, committed.poll(left(deadline)))?;
    let all = answer(what, all.poll(left(deadline)))?;
    let is_unstable = |(topic, partition): &(String, i32)| {
        let end = |list: &TopicPartitionList| list.find_partition(topic, *partition).map(|element| element.offset());
        end(&committed) != end(&all)
    };
    let partitions = asked.elements().into_iter();
    Ok(partitions
        .map(|element| (element.topic().to_owned(), element.partition()))
        .filter(is_unstable)
        .collect())
}

fn answer(
    what: &str,
    answer: Option<Result<TopicPartitionList, RDKafkaErrorCode>>,
) -> Result<TopicPartitionList, LogError> {
    answer
        .unwrap_or(Err(RDKafkaErrorCode::OperationTimedOut))
        .map_err(|code| LogError::Fenced(format!("{what}: {code}")))
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

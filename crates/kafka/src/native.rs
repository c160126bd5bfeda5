//! Functions of librdkafka that rdkafka does not wrap. The only unsafe code of this crate.
//!
//! In each call the pointer to the client is valid because the client is borrowed, and librdkafka's functions may be
//! called from any thread.
#![allow(unsafe_code, reason = "rdkafka does not wrap these functions")]

use std::ffi::{CStr, c_int};
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_commit_transaction, rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_error_code, rd_kafka_error_destroy,
    rd_kafka_error_is_fatal, rd_kafka_error_is_retriable, rd_kafka_error_string, rd_kafka_error_t,
    rd_kafka_error_txn_requires_abort, rd_kafka_flush, rd_kafka_get_watermark_offsets, rd_kafka_position,
    rd_kafka_resp_err_t,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

/// Waits until all messages are delivered or have failed. Returns whether none is left. It returns as soon as the last
/// one is done; rdkafka's `flush` polls every 100 ms.
pub(crate) fn flush<C: ClientContext>(producer: &Client<C>, timeout: Duration) -> bool {
    let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: see the module; the pointer is a producer's.
    let error = unsafe { rd_kafka_flush(producer.native_ptr(), timeout) };
    error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// librdkafka's error for a transaction that was not committed.
#[derive(Debug)]
pub(crate) struct CommitError {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) text: String,
    /// Whether the producer cannot be used any more.
    pub(crate) is_fatal: bool,
    /// Whether the commit continues in the background; another call waits for its end.
    pub(crate) is_retriable: bool,
    /// Whether the transaction has to be aborted.
    pub(crate) requires_abort: bool,
}

/// Waits until all messages are delivered, then commits the transaction. rdkafka's function flushes once more before,
/// which wakes all of librdkafka's threads and waits for 100 ms at a time.
pub(crate) fn commit_transaction<C: ClientContext>(producer: &Client<C>, timeout: Duration) -> Result<(), CommitError> {
    let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: see the module; the pointer is a producer's.
    let error: *mut rd_kafka_error_t = unsafe { rd_kafka_commit_transaction(producer.native_ptr(), timeout) };
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is not null and owned here until it is destroyed, which happens once, after its last use;
    // its text ends with NUL, lives as long as the error, and is copied.
    unsafe {
        let copied = CommitError {
            code: rd_kafka_error_code(error).into(),
            text: CStr::from_ptr(rd_kafka_error_string(error))
                .to_string_lossy()
                .into_owned(),
            is_fatal: rd_kafka_error_is_fatal(error) != 0,
            is_retriable: rd_kafka_error_is_retriable(error) != 0,
            requires_abort: rd_kafka_error_txn_requires_abort(error) != 0,
        };
        rd_kafka_error_destroy(error);
        Err(copied)
    }
}

/// The position after the last record or transaction marker taken from a partition's queue, without a request to the
/// broker. rdkafka's `position` first requests the assignment from another thread.
pub(crate) fn position<C: ClientContext>(consumer: &Client<C>, topic: &str, partition: i32) -> Option<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    // SAFETY: see the module; the list is valid and borrowed during the call, which only fills in its offsets.
    let error = unsafe { rd_kafka_position(consumer.native_ptr(), list.ptr()) };
    if error != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return None;
    }
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// The number of the group's last rebalance that this member knows; 0 before it has joined.
pub(crate) fn generation<C: ClientContext>(consumer: &Client<C>) -> u64 {
    // SAFETY: see the module; the metadata is owned here until it is destroyed, after its last use.
    let generation = unsafe {
        let metadata = rd_kafka_consumer_group_metadata(consumer.native_ptr());
        if metadata.is_null() {
            return 0;
        }
        let generation = rd_kafka_consumer_group_metadata_generation_id(metadata);
        rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    };
    u64::try_from(generation).unwrap_or(0)
}

/// The end of a partition as of the last fetch, without a request to the broker; `None` before the first fetch.
pub(crate) fn cached_end<C: ClientContext>(consumer: &Client<C>, topic: &CStr, partition: i32) -> Option<i64> {
    let (mut low, mut high) = (-1, -1);
    // SAFETY: see the module; the name ends with NUL and the two numbers live as long as the call.
    let error = unsafe {
        rd_kafka_get_watermark_offsets(consumer.native_ptr(), topic.as_ptr(), partition, &mut low, &mut high)
    };
    (error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

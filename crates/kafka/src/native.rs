//! Functions of librdkafka that rdkafka does not wrap. The only unsafe code of this crate.
//!
//! In each call the pointer to the client is valid because the client is borrowed, and librdkafka's functions may be
//! called from any thread.
#![allow(unsafe_code, reason = "rdkafka does not wrap these functions")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_isolation_level,
    rd_kafka_AdminOptions_set_request_timeout, rd_kafka_AdminOptions_t, rd_kafka_DescribeTopics,
    rd_kafka_DescribeTopics_result_topics, rd_kafka_IsolationLevel_t, rd_kafka_ListConsumerGroupOffsets,
    rd_kafka_ListConsumerGroupOffsets_destroy, rd_kafka_ListConsumerGroupOffsets_new,
    rd_kafka_ListConsumerGroupOffsets_result_groups, rd_kafka_ListOffsets, rd_kafka_ListOffsets_result_infos,
    rd_kafka_ListOffsetsResultInfo_topic_partition, rd_kafka_TopicCollection_destroy,
    rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_name,
    rd_kafka_TopicDescription_partitions, rd_kafka_TopicDescription_t, rd_kafka_TopicDescription_topic_id,
    rd_kafka_Uuid_base64str, rd_kafka_Uuid_least_significant_bits, rd_kafka_Uuid_most_significant_bits,
    rd_kafka_admin_op_t, rd_kafka_brokers_add, rd_kafka_commit_queue, rd_kafka_commit_transaction,
    rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_error_code, rd_kafka_error_destroy,
    rd_kafka_error_is_fatal, rd_kafka_error_is_retriable, rd_kafka_error_string, rd_kafka_error_t,
    rd_kafka_error_txn_requires_abort, rd_kafka_event_DescribeTopics_result,
    rd_kafka_event_ListConsumerGroupOffsets_result, rd_kafka_event_ListOffsets_result, rd_kafka_event_destroy,
    rd_kafka_event_error, rd_kafka_event_t, rd_kafka_flush, rd_kafka_get_watermark_offsets,
    rd_kafka_group_result_partitions, rd_kafka_header_get_last, rd_kafka_message_headers, rd_kafka_position,
    rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_resp_err_t, rd_kafka_t,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use crate::consumer::GroupConsumer;

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

/// Adds brokers, `host:port` separated by commas, to those that the client knows. Those that it knows are left as they are.
pub(crate) fn add_brokers<C: ClientContext>(client: &Client<C>, servers: &str) {
    let servers = until_nul(servers);
    // SAFETY: see the module; the text ends with NUL and lives as long as the call that copies it.
    unsafe { rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
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

/// A topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicDescription {
    pub(crate) name: String,
    /// Its id in base64, as Kafka's tools show it; `None` before Kafka 2.8.
    pub(crate) id: Option<String>,
    pub(crate) partitions: i32,
    /// Why it is not described.
    pub(crate) error: Option<RDKafkaErrorCode>,
}

/// A request that was sent, and the queue on which its answer comes. Nothing waits for it unless it is told to.
struct Request {
    /// Keeps the client alive as long as the queue.
    _consumer: Arc<GroupConsumer>,
    queue: *mut rd_kafka_queue_t,
}

impl Request {
    /// Sends a request whose answer comes on the queue that `send` is given.
    fn new(consumer: &Arc<GroupConsumer>, send: impl FnOnce(*mut rd_kafka_t, *mut rd_kafka_queue_t)) -> Request {
        let client = consumer.client().native_ptr();
        // SAFETY: see the module; the queue lives until this value is dropped.
        let queue = unsafe { rd_kafka_queue_new(client) };
        send(client, queue);
        Request {
            _consumer: Arc::clone(consumer),
            queue,
        }
    }

    /// Sends an admin operation. The brokers have `timeout` to answer.
    ///
    /// # Safety
    /// `send` makes the operation on the client, with the options and the queue that it is given.
    unsafe fn admin(
        consumer: &Arc<GroupConsumer>,
        operation: rd_kafka_admin_op_t,
        timeout: Duration,
        send: impl FnOnce(*mut rd_kafka_t, *mut rd_kafka_AdminOptions_t, *mut rd_kafka_queue_t),
    ) -> Request {
        let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: see the module. The options are owned here until they are destroyed, after the call that copies them.
        Request::new(consumer, |client, queue| unsafe {
            let options = rd_kafka_AdminOptions_new(client, operation);
            rd_kafka_AdminOptions_set_request_timeout(options, timeout, ptr::null_mut(), 0);
            send(client, options, queue);
            rd_kafka_AdminOptions_destroy(options);
        })
    }

    /// What `read` makes of the answer, if it comes within `timeout`.
    ///
    /// # Safety
    /// `read` may be called with the answer of this operation. It copies what it keeps.
    unsafe fn poll<T>(
        &self,
        timeout: Duration,
        read: unsafe fn(*mut rd_kafka_event_t) -> Result<T, RDKafkaErrorCode>,
    ) -> Option<Result<T, RDKafkaErrorCode>> {
        let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the queue lives as long as this value; the event is owned here until it is destroyed, after everything
        // in it was copied.
        unsafe {
            let event = rd_kafka_queue_poll(self.queue, timeout);
            if event.is_null() {
                return None;
            }
            let error = rd_kafka_event_error(event);
            let answer = match error {
                rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => read(event),
                error => Err(error.into()),
            };
            rd_kafka_event_destroy(event);
            Some(answer)
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: it was created for this value, and the client is alive.
        unsafe { rd_kafka_queue_destroy(self.queue) };
    }
}

/// A request that describes topics (DescribeTopics).
pub(crate) struct TopicDescriptions(Request);

impl TopicDescriptions {
    /// Sends the request. The brokers have `timeout` to answer.
    pub(crate) fn request(consumer: &Arc<GroupConsumer>, names: &[String], timeout: Duration) -> TopicDescriptions {
        let names: Vec<CString> = names.iter().map(|name| until_nul(name)).collect();
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        // SAFETY: the names live as long as the call that copies them; the collection is owned here until it is destroyed,
        // after the call that copies it.
        let request = unsafe {
            Request::admin(consumer, operation, timeout, |client, options, queue| {
                let topics = rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
                rd_kafka_DescribeTopics(client, topics, options, queue);
                rd_kafka_TopicCollection_destroy(topics);
            })
        };
        TopicDescriptions(request)
    }

    /// The answer, if it comes within `timeout`.
    pub(crate) fn poll(&self, timeout: Duration) -> Option<Result<Vec<TopicDescription>, RDKafkaErrorCode>> {
        // SAFETY: this is the request that `descriptions` reads the answer of.
        unsafe { self.0.poll(timeout, descriptions) }
    }
}

/// The longest time that librdkafka lets an admin operation take.
///
/// If a request to a group's coordinator has timed out before the coordinator is found, librdkafka ends the process when it finds
/// it (`rd_kafka_admin_coord_request` and then `rd_kafka_admin_coord_response_parse` drop the same reference). So such a request does
/// not time out in an outage: whoever asks decides how long to wait.
const LONGEST_REQUEST: Duration = Duration::from_secs(3600);

/// A request for positions that a group has committed (OffsetFetch). It does not wait for those that are being committed.
pub(crate) struct CommittedPositions(Request);

impl CommittedPositions {
    /// Sends the request. There is at least one partition.
    pub(crate) fn request(
        consumer: &Arc<GroupConsumer>,
        group: &str,
        partitions: &TopicPartitionList,
    ) -> CommittedPositions {
        let group = until_nul(group);
        let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        // SAFETY: the name and the list live as long as the call that copies them; the question is owned here until it is
        // destroyed, after the call that copies it.
        let request = unsafe {
            Request::admin(consumer, operation, LONGEST_REQUEST, |client, options, queue| {
                let mut question = rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), partitions.ptr());
                rd_kafka_ListConsumerGroupOffsets(client, &mut question, 1, options, queue);
                rd_kafka_ListConsumerGroupOffsets_destroy(question);
            })
        };
        CommittedPositions(request)
    }

    /// The answer, if it comes within `timeout`: the partitions, with the metadata of their positions.
    pub(crate) fn poll(&self, timeout: Duration) -> Option<Result<TopicPartitionList, RDKafkaErrorCode>> {
        // SAFETY: this is the request that `committed_positions` reads the answer of.
        unsafe { self.0.poll(timeout, committed_positions) }
    }
}

/// A request for the ends of partitions (ListOffsets).
pub(crate) struct Ends(Request);

impl Ends {
    /// Sends the request: for the offset after the last record, or after the last one that no open transaction is before. The brokers
    /// have `timeout` to answer. There is at least one partition, and the offset of each is `End`.
    pub(crate) fn request(
        consumer: &Arc<GroupConsumer>,
        partitions: &TopicPartitionList,
        isolation: rd_kafka_IsolationLevel_t,
        timeout: Duration,
    ) -> Ends {
        let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        // SAFETY: the list lives as long as the call that copies it. The options are those of this operation, which takes an isolation
        // level: there is no error to destroy.
        let request = unsafe {
            Request::admin(consumer, operation, timeout, |client, options, queue| {
                rd_kafka_AdminOptions_set_isolation_level(options, isolation);
                rd_kafka_ListOffsets(client, partitions.ptr(), options, queue);
            })
        };
        Ends(request)
    }

    /// The answer, if it comes within `timeout`.
    pub(crate) fn poll(&self, timeout: Duration) -> Option<Result<TopicPartitionList, RDKafkaErrorCode>> {
        // SAFETY: this is the request that `ends` reads the answer of.
        unsafe { self.0.poll(timeout, ends) }
    }
}

/// A commit of positions (OffsetCommit) that was sent.
pub(crate) struct PositionCommit(Request);

impl PositionCommit {
    /// Sends the request.
    pub(crate) fn begin(
        consumer: &Arc<GroupConsumer>,
        positions: &TopicPartitionList,
    ) -> Result<PositionCommit, RDKafkaErrorCode> {
        let mut error = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        let request = Request::new(consumer, |client, queue| {
            // SAFETY: see the module; the list lives as long as the call that copies it. No function is to be called.
            error = unsafe { rd_kafka_commit_queue(client, positions.ptr(), queue, None, ptr::null_mut()) };
        });
        match error {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(PositionCommit(request)),
            error => Err(error.into()),
        }
    }

    /// The answer, if it comes within `timeout`.
    pub(crate) fn poll(&self, timeout: Duration) -> Option<Result<(), RDKafkaErrorCode>> {
        // SAFETY: nothing is read of the answer but its error.
        unsafe { self.0.poll(timeout, |_| Ok(())) }
    }
}

/// A name that holds NUL is that of nothing: the brokers say so of the part before it.
fn until_nul(name: &str) -> CString {
    let bytes = name.split('\0').next().unwrap_or_default();
    CString::new(bytes).unwrap_or_default()
}

/// # Safety
/// The event is the answer to a request of topics' descriptions.
unsafe fn descriptions(event: *mut rd_kafka_event_t) -> Result<Vec<TopicDescription>, RDKafkaErrorCode> {
    // SAFETY: by contract; the result and its topics live as long as the event.
    unsafe {
        let result = rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::BadMessage);
        }
        let mut count = 0;
        let topics = rd_kafka_DescribeTopics_result_topics(result, &mut count);
        Ok((0..count).map(|index| description(*topics.add(index))).collect())
    }
}

/// # Safety
/// The topic lives as long as the call.
unsafe fn description(topic: *const rd_kafka_TopicDescription_t) -> TopicDescription {
    // SAFETY: by contract; the texts end with NUL, live as long as the topic, and are copied.
    unsafe {
        let text = |text: *const c_char| CStr::from_ptr(text).to_string_lossy().into_owned();
        let error = rd_kafka_TopicDescription_error(topic);
        let error = (!error.is_null()).then(|| rd_kafka_error_code(error).into());
        let id = rd_kafka_TopicDescription_topic_id(topic);
        let has_id = !id.is_null()
            && (
                rd_kafka_Uuid_most_significant_bits(id),
                rd_kafka_Uuid_least_significant_bits(id),
            ) != (0, 0);
        let mut partitions = 0;
        rd_kafka_TopicDescription_partitions(topic, &mut partitions);
        TopicDescription {
            name: text(rd_kafka_TopicDescription_name(topic)),
            id: has_id.then(|| text(rd_kafka_Uuid_base64str(id))),
            partitions: partitions as i32,
            error: error.filter(|code| *code != RDKafkaErrorCode::NoError),
        }
    }
}

/// # Safety
/// The event is the answer to a request of a group's positions.
unsafe fn committed_positions(event: *mut rd_kafka_event_t) -> Result<TopicPartitionList, RDKafkaErrorCode> {
    // SAFETY: by contract; the result, its group and its list live as long as the event. The list has as many elements as it
    // says; their names end with NUL, their metadata has as many bytes as they say, and both are copied.
    unsafe {
        let result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::BadMessage);
        }
        let mut groups = 0;
        let group = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &mut groups);
        let mut committed = TopicPartitionList::new();
        for index in 0..groups {
            let found = rd_kafka_group_result_partitions(*group.add(index));
            let count = found.as_ref().map_or(0, |list| usize::try_from(list.cnt).unwrap_or(0));
            for element in (0..count).map(|index| &*(*found).elems.add(index)) {
                let topic = CStr::from_ptr(element.topic).to_string_lossy();
                let mut copy = committed.add_partition(&topic, element.partition);
                if element.offset >= 0 {
                    // An offset that is not negative can be set.
                    let _ = copy.set_offset(Offset::Offset(element.offset));
                }
                if !element.metadata.is_null() {
                    let metadata = std::slice::from_raw_parts(element.metadata.cast(), element.metadata_size);
                    copy.set_metadata(String::from_utf8_lossy(metadata));
                }
            }
        }
        Ok(committed)
    }
}

/// # Safety
/// The event is the answer to a request of partitions' ends.
unsafe fn ends(event: *mut rd_kafka_event_t) -> Result<TopicPartitionList, RDKafkaErrorCode> {
    // SAFETY: by contract; the result and its partitions live as long as the event. The names end with NUL and are copied.
    unsafe {
        let result = rd_kafka_event_ListOffsets_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::BadMessage);
        }
        let mut count = 0;
        let infos = rd_kafka_ListOffsets_result_infos(result, &mut count);
        let mut ends = TopicPartitionList::new();
        for index in 0..count {
            let end = &*rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index));
            if end.err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(end.err.into());
            }
            let topic = CStr::from_ptr(end.topic).to_string_lossy();
            // An offset that is not negative can be set.
            let _ = ends.add_partition_offset(&topic, end.partition, Offset::Offset(end.offset));
        }
        Ok(ends)
    }
}

/// The value of the message's last header with this name. rdkafka's own reader of headers panics on a name that is not
/// UTF-8. A message without headers costs one call.
pub(crate) fn last_header<'m>(message: &'m BorrowedMessage<'_>, name: &CStr) -> Option<&'m [u8]> {
    let no_error = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let (mut headers, mut value, mut length) = (ptr::null_mut(), ptr::null(), 0);
    // SAFETY: the message is borrowed, and headers and values live as long as it does. A value that is not null has
    // `length` bytes.
    unsafe {
        if rd_kafka_message_headers(message.ptr(), &mut headers) != no_error
            || rd_kafka_header_get_last(headers, name.as_ptr(), &mut value, &mut length) != no_error
            || value.is_null()
        {
            return None;
        }
        Some(std::slice::from_raw_parts(value.cast(), length))
    }
}

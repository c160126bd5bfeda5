//! Sends the positions of a transaction on a thread of its own, so that a call that does not return can be given up.
//!
//! librdkafka looks at such a request when a broker of the client comes or goes, and at no other time. If the broker that
//! coordinates the group dies, and the group moves to another broker of which the client has a connection already, that may be
//! never: neither the timeout nor the new coordinator ends the call (its issues 5456 and 5511). Whoever gives the call up gives the
//! producer up. The thread keeps the producer until the call returns. It sends no end of the transaction, and a successor with the
//! same transactional id has fenced it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

struct Request {
    positions: TopicPartitionList,
    group: ConsumerGroupMetadata,
    timeout: Duration,
}

/// See the module.
pub(crate) struct PositionSender {
    /// None if a call was given up.
    requests: Option<SyncSender<Request>>,
    results: Receiver<Result<(), KafkaError>>,
    thread: Option<JoinHandle<()>>,
}

impl PositionSender {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn new<C: ProducerContext + 'static>(producer: Arc<BaseProducer<C>>) -> std::io::Result<Self> {
        let (requests, to_do) = sync_channel::<Request>(1);
        let (done, results) = sync_channel(1);
        let send = move || {
            for request in to_do {
                let result = producer.send_offsets_to_transaction(&request.positions, &request.group, request.timeout);
                if done.send(result).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("positions".to_owned()).spawn(send)?;
        Ok(Self {
            requests: Some(requests),
            results,
            thread: Some(thread),
        })
    }

    /// Sends positions with a timeout that librdkafka may ignore, and waits for so long. None: the call has not returned, and the
    /// producer cannot be used any more.
    pub(crate) fn send(
        &mut self,
        positions: &TopicPartitionList,
        group: ConsumerGroupMetadata,
        timeout: Duration,
        patience: Duration,
    ) -> Option<Result<(), KafkaError>> {
        let request = Request {
            positions: positions.clone(),
            group,
            timeout,
        };
        self.requests.as_ref()?.send(request).ok()?;
        match self.results.recv_timeout(patience) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.requests = None;
                self.thread = None;
                None
            }
        }
    }

    /// Whether a call was given up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.requests.is_none()
    }
}

impl Drop for PositionSender {
    /// Waits until the thread has let go of the producer, unless its call was given up.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

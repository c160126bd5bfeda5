//! Describes and creates topics.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext, DefaultClientContext};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::LogError;

use crate::errors;
use crate::groupless;
use crate::options::KafkaOptions;
use crate::rights::Right;

const TIMEOUT: Duration = Duration::from_secs(20);
/// The pause between look-ups of topics that were just created.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);

/// A topic, which may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicLookup {
    /// Its name.
    pub name: String,
    /// The number of its partitions; `None` if there is no such topic.
    pub partitions: Option<i32>,
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// The number of its partitions.
    pub partitions: i32,
    /// How many brokers hold each partition; `None`: the brokers' default.
    pub replication: Option<i32>,
    /// The topic's settings, such as `retention.ms`.
    pub settings: BTreeMap<String, String>,
}

/// The result of creating a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was created.
    New,
    /// It existed already; nothing was changed.
    Existed,
}

/// Looks topics up, in the order of `names`. Creates nothing.
///
/// # Errors
/// `Unavailable`: no broker answers. `Fatal`: a setting is wrong, or this client may not see a topic.
pub fn describe(options: &KafkaOptions, names: &[&str]) -> Result<Vec<TopicLookup>, LogError> {
    let mut config = options.client()?;
    config.set("allow.auto.create.topics", "false");
    let client = groupless::create(&config, options)?;
    groupless::reach(&client)?;
    names
        .iter()
        .map(|name| {
            let partitions = partitions(client.client(), name, Right::Describe, TIMEOUT)?;
            Ok(TopicLookup {
                name: (*name).to_owned(),
                partitions,
            })
        })
        .collect()
}

/// Creates topics that do not exist yet, and waits until the brokers list them. The results are in the order of
/// `specs`.
///
/// # Errors
/// `Unavailable`: no broker answers, or the topics are not listed within 20 s. `Fatal`: the first topic that the
/// brokers refuse, and why.
pub fn create(options: &KafkaOptions, specs: &[TopicSpec]) -> Result<Vec<Created>, LogError> {
    let client: AdminClient<DefaultClientContext> = options
        .client()?
        .create()
        .map_err(|error| errors::configuration_error(&error))?;
    let topics: Vec<_> = specs.iter().map(new_topic).collect();
    let limits = AdminOptions::new()
        .operation_timeout(Some(TIMEOUT))
        .request_timeout(Some(TIMEOUT));
    let results = block_on(client.create_topics(&topics, &limits))
        .map_err(|error| errors::request_error("creating topics", &error))?;
    let created = results
        .into_iter()
        .map(|result| match result {
            Ok(_) => Ok(Created::New),
            Err((_, Code::TopicAlreadyExists)) => Ok(Created::Existed),
            Err((name, Code::InvalidTopic)) => Err(LogError::Fatal(invalid_topic(&client, &name))),
            Err((name, code)) => Err(LogError::Fatal(format!("topic {name}: {code}"))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    wait_until_shown(options, &names)?;
    Ok(created)
}

/// Why the brokers refuse the name of a topic that is right for itself: they take no two that differ only in `.` and `_`.
fn invalid_topic(client: &AdminClient<DefaultClientContext>, name: &str) -> String {
    let metadata = client.inner().fetch_metadata(None, TIMEOUT);
    let topics = metadata.as_ref().map_or(&[][..], |metadata| metadata.topics());
    let names = topics.iter().map(|topic| topic.name());
    match colliding(name, names) {
        Some(other) => format!(
            "topic {name}: there is a topic {other}, and Kafka takes no two whose names differ only in `.` and `_`, as its metrics \
             do not tell them apart. Give one of them, or the pipeline whose name they begin with, another name"
        ),
        None => format!("topic {name}: {}", Code::InvalidTopic),
    }
}

/// The topic whose name differs from `name` only in `.` and `_`.
fn colliding<'t>(name: &str, mut topics: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let normal = |name: &str| name.replace('.', "_");
    topics.find(|topic| *topic != name && normal(topic) == normal(name))
}

/// Waits until the brokers list the topics. The controller reports a topic as created before the other brokers list it.
fn wait_until_shown(options: &KafkaOptions, names: &[&str]) -> Result<(), LogError> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let why = match describe(options, names) {
            Ok(topics) => match topics.into_iter().find(|topic| topic.partitions.is_none()) {
                None => return Ok(()),
                Some(topic) => format!("topic {} was created, but the brokers do not list it", topic.name),
            },
            // Such as a partition that has no leader yet.
            Err(LogError::Unavailable(why)) => why,
            Err(error) => return Err(error),
        };
        if Instant::now() >= deadline {
            return Err(LogError::Unavailable(why));
        }
        std::thread::sleep(LOOK_UP_INTERVAL);
    }
}

fn new_topic(spec: &TopicSpec) -> NewTopic<'_> {
    let replication = TopicReplication::Fixed(spec.replication.unwrap_or(-1));
    let topic = NewTopic::new(&spec.name, spec.partitions, replication);
    spec.settings
        .iter()
        .fold(topic, |topic, (name, value)| topic.set(name, value))
}

/// The number of partitions of a topic; `None` if it does not exist. `right` is what the caller needs the topic for.
pub(crate) fn partitions<'a, C: ClientContext>(
    client: &Client<C>,
    name: &'a str,
    right: fn(&'a str) -> Right<'a>,
    timeout: Duration,
) -> Result<Option<i32>, LogError> {
    let what = format!("looking up topic {name}");
    let metadata = client
        .fetch_metadata(Some(name), timeout)
        .map_err(|error| errors::request_error(&what, &error))?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
        return Ok(None);
    };
    match topic.error().map(Code::from) {
        None => Ok(Some(topic.partitions().len() as i32)),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
        Some(code) => Err(right(name).request_error(&what, &KafkaError::MetadataFetch(code))),
    }
}

/// Blocks until a future is ready that a thread of librdkafka completes.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_dots_and_underscores_collide() {
        let topics = ["a.b-hop-card", "a_b-hop-card", "ab-hop-card"];
        for (name, expected) in [
            ("a.b-hop-card", Some("a_b-hop-card")),
            ("a_b-hop-card", Some("a.b-hop-card")),
            ("a-b-hop-card", None),
        ] {
            assert_eq!(colliding(name, topics.into_iter()), expected);
        }
    }
}

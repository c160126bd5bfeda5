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
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::LogError;

use crate::failure;
use crate::options::KafkaOptions;
use crate::quiet::Quiet;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Between two looks at topics that were just created.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
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

/// What became of a topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    New,
    /// It was there before; nothing was changed.
    Existed,
}

/// Looks topics up, in the order of `names`. Creates nothing.
///
/// # Errors
/// `Unavailable`: no broker answers. `Fatal`: settings, or a topic that this client may not see.
pub fn describe(options: &KafkaOptions, names: &[&str]) -> Result<Vec<Topic>, LogError> {
    let mut config = options.client()?;
    config.set("allow.auto.create.topics", "false");
    let client: BaseConsumer<Quiet> = config
        .create_with_context(Quiet)
        .map_err(|error| failure::of_configuration(&error))?;
    names
        .iter()
        .map(|name| {
            let partitions = partitions(client.client(), name, TIMEOUT)?;
            Ok(Topic {
                name: (*name).to_owned(),
                partitions,
            })
        })
        .collect()
}

/// Creates topics that do not exist yet, and waits until the brokers show them; the results are in the order of `specs`.
///
/// # Errors
/// `Unavailable`: no broker answers, or none shows the topics within 20 s. `Fatal`: the first topic that the brokers refuse, and why.
pub fn create(options: &KafkaOptions, specs: &[TopicSpec]) -> Result<Vec<Created>, LogError> {
    let client: AdminClient<DefaultClientContext> = options
        .client()?
        .create()
        .map_err(|error| failure::of_configuration(&error))?;
    let topics: Vec<_> = specs.iter().map(new_topic).collect();
    let limits = AdminOptions::new()
        .operation_timeout(Some(TIMEOUT))
        .request_timeout(Some(TIMEOUT));
    let results = block_on(client.create_topics(&topics, &limits))
        .map_err(|error| failure::of_request("creating topics", &error))?;
    let created = results
        .into_iter()
        .map(|result| match result {
            Ok(_) => Ok(Created::New),
            Err((_, Code::TopicAlreadyExists)) => Ok(Created::Existed),
            Err((name, code)) => Err(LogError::Fatal(format!("topic {name}: {code}"))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    wait_until_shown(options, &names)?;
    Ok(created)
}

/// The controller says that a topic is created before a broker shows it: whoever looked for it at once would miss it.
fn wait_until_shown(options: &KafkaOptions, names: &[&str]) -> Result<(), LogError> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let why = match describe(options, names) {
            Ok(topics) => match topics.into_iter().find(|topic| topic.partitions.is_none()) {
                None => return Ok(()),
                Some(topic) => format!("topic {} was created, but the brokers do not show it", topic.name),
            },
            // A partition has no leader yet.
            Err(LogError::Unavailable(why)) => why,
            Err(error) => return Err(error),
        };
        if Instant::now() >= deadline {
            return Err(LogError::Unavailable(why));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn new_topic(spec: &TopicSpec) -> NewTopic<'_> {
    let replication = TopicReplication::Fixed(spec.replication.unwrap_or(-1));
    let topic = NewTopic::new(&spec.name, spec.partitions, replication);
    spec.settings
        .iter()
        .fold(topic, |topic, (name, value)| topic.set(name, value))
}

/// The number of a topic's partitions, `None` if it does not exist.
pub(crate) fn partitions<C: ClientContext>(
    client: &Client<C>,
    name: &str,
    timeout: Duration,
) -> Result<Option<i32>, LogError> {
    let what = format!("looking up topic {name}");
    let metadata = client
        .fetch_metadata(Some(name), timeout)
        .map_err(|error| failure::of_request(&what, &error))?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
        return Ok(None);
    };
    match topic.error().map(Code::from) {
        None => Ok(Some(topic.partitions().len() as i32)),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
        Some(code) => Err(failure::of_request(&what, &KafkaError::MetadataFetch(code))),
    }
}

/// Runs a future whose result comes from librdkafka's thread.
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

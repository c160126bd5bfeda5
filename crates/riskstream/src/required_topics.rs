//! The topics that a pipeline needs, and their settings.

use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_engine::plan::InputKind;
use riskstream_kafka::KafkaOptions;
use riskstream_kafka::topics::{self, TopicLookup, TopicSpec};
use riskstream_pipeline::log::LogError;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// `max.message.bytes` of the dead-letter topic: a dead letter is as large as the record that it was made from.
const DEAD_LETTER_BYTES: &str = "33554432";
/// `max.message.bytes` of repartition topics: a frame holds at least one row, and a row may hold a field nearly as
/// large as a record.
const FRAME_BYTES: &str = "4194304";

/// `min.compaction.lag.ms` of lists, and how long tombstones stay: a week. For so long every version can be made again.
const LIST_LAG_MS: &str = "604800000";

/// The role of a topic in a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicRole {
    /// An input, with its name in the pipeline file.
    Input(String),
    /// An input of `kind: table`, with its name in the pipeline file.
    Rows(String),
    /// The repartition topic of a stage, with the stage's entity.
    Repartition(String),
    /// The topic of decisions.
    Decisions,
    /// The topic of a further output, with its name in the pipeline file.
    Output(String),
    /// The topic of dead letters.
    DeadLetters,
    /// The topic of roll-outs.
    Rollouts,
    /// The topic of approvals of roll-outs.
    Approvals,
    /// The topic of a list, with its name in the pipeline file.
    List(String),
    /// The topic of a table, with its name in the pipeline file.
    Table(String),
}

impl fmt::Display for TopicRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopicRole::Input(name) | TopicRole::Rows(name) => write!(f, "input: {name}"),
            TopicRole::Repartition(entity) => write!(f, "repartition: {entity}"),
            TopicRole::Decisions => f.write_str("decisions"),
            TopicRole::Output(name) => write!(f, "output: {name}"),
            TopicRole::DeadLetters => f.write_str("dead letters"),
            TopicRole::Rollouts => f.write_str("roll-outs"),
            TopicRole::Approvals => f.write_str("approvals"),
            TopicRole::List(name) => write!(f, "list: {name}"),
            TopicRole::Table(name) => write!(f, "table: {name}"),
        }
    }
}

/// A topic that a pipeline needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredTopic {
    /// The topic's name.
    pub name: String,
    /// Its role.
    pub role: TopicRole,
}

/// The topics that a pipeline needs, in the order of the data flow.
pub fn required_topics(compiled: &Compiled) -> Vec<RequiredTopic> {
    let topic = |name: &str, role| RequiredTopic {
        name: name.to_owned(),
        role,
    };
    let inputs = compiled.inputs.iter().zip(&compiled.plan.inputs);
    let mut topics: Vec<RequiredTopic> = inputs
        .map(|(input, plan)| {
            let role = match plan.kind {
                InputKind::Table => TopicRole::Rows,
                _ => TopicRole::Input,
            };
            topic(&input.topic, role(input.name.clone()))
        })
        .collect();
    let stages = compiled.repartition_topics.iter().zip(&compiled.plan.stages);
    topics.extend(stages.filter_map(|(name, stage)| {
        let role = TopicRole::Repartition(stage.entity.clone());
        name.as_ref().map(|name| topic(name, role))
    }));
    topics.push(topic(&compiled.decisions, TopicRole::Decisions));
    let outputs = compiled.further_outputs.iter();
    topics.extend(outputs.map(|output| topic(&output.topic, TopicRole::Output(output.name.clone()))));
    topics.push(topic(&compiled.dead_letters, TopicRole::DeadLetters));
    topics.extend(compiled.rollout_topic().map(|name| topic(name, TopicRole::Rollouts)));
    let settings = compiled.rollout_settings.as_ref();
    let approvals = settings.and_then(|settings| settings.approvals_topic.as_ref());
    topics.extend(approvals.map(|name| topic(name, TopicRole::Approvals)));
    topics.extend(compiled.lists.iter().map(|list| {
        let role = match list.keys_of_entries() {
            Some(_) => TopicRole::List,
            None => TopicRole::Table,
        };
        topic(&list.topic, role(list.name.clone()))
    }));
    topics
}

/// The topics as Kafka describes them, in the order of `required`.
///
/// # Errors
/// Kafka cannot be reached, or refuses.
pub fn describe(kafka: &KafkaOptions, required: &[RequiredTopic]) -> Result<Vec<TopicLookup>, LogError> {
    let names: Vec<&str> = required.iter().map(|topic| topic.name.as_str()).collect();
    topics::describe(kafka, &names)
}

/// The topics that do not exist.
///
/// # Errors
/// Kafka cannot be reached, or refuses.
pub fn missing_topics(kafka: &KafkaOptions, required: &[RequiredTopic]) -> Result<Vec<RequiredTopic>, LogError> {
    let described = describe(kafka, required)?;
    let pairs = required.iter().zip(described);
    Ok(pairs
        .filter(|(_, topic)| topic.partitions.is_none())
        .map(|(required, _)| required.clone())
        .collect())
}

/// An error that lists the missing topics of the pipeline file `file`, and the command that creates them.
pub fn missing_error(file: &str, missing: &[RequiredTopic]) -> anyhow::Error {
    let width = missing.iter().map(|topic| topic.name.len()).max().unwrap_or_default();
    let list: String = missing
        .iter()
        .map(|topic| format!("\n  {:width$}  {}", topic.name, topic.role))
        .collect();
    let count = if missing.len() == 1 {
        "1 topic is missing".to_owned()
    } else {
        format!("{} topics are missing", missing.len())
    };
    anyhow!("{count}:{list}\ncreate with: riskstream topics create {file}")
}

/// How topics are created.
#[derive(Clone, Copy, Debug)]
pub struct TopicOptions {
    /// Partitions of each topic. Those of roll-outs, lists and tables always have one: its order is the order of the changes.
    pub partitions: i32,
    /// Brokers that hold each topic; `None` for the brokers' default.
    pub replication: Option<i32>,
    /// How long repartition topics keep records; `None` for unlimited.
    pub repartition_retention: Option<Duration>,
}

/// The topic with the settings of its role.
pub fn specification(topic: &RequiredTopic, options: &TopicOptions) -> TopicSpec {
    let partitions = match topic.role {
        TopicRole::Rollouts | TopicRole::Approvals | TopicRole::List(_) | TopicRole::Table(_) => 1,
        _ => options.partitions,
    };
    TopicSpec {
        name: topic.name.clone(),
        partitions,
        replication: options.replication,
        settings: settings(&topic.role, options.repartition_retention),
    }
}

fn settings(role: &TopicRole, repartition_retention: Option<Duration>) -> BTreeMap<String, String> {
    let retention = repartition_retention.map_or("-1".to_owned(), |time| time.as_millis().to_string());
    let settings: &[(&str, &str)] = match role {
        TopicRole::Repartition(_) => &[
            ("cleanup.policy", "delete"),
            ("retention.ms", retention.as_str()),
            ("retention.bytes", "-1"),
            ("max.message.bytes", FRAME_BYTES),
        ],
        TopicRole::DeadLetters => &[("max.message.bytes", DEAD_LETTER_BYTES)],
        // `rollout back` needs the earlier roll-outs.
        TopicRole::Rollouts | TopicRole::Approvals => &[("cleanup.policy", "delete"), ("retention.ms", "-1")],
        // A copy that continues from an offset in a task's state needs the entries as they were there.
        // A pipeline that begins later reads the rows that hold, however old they are.
        TopicRole::List(_) | TopicRole::Table(_) | TopicRole::Rows(_) => &[
            ("cleanup.policy", "compact"),
            ("min.compaction.lag.ms", LIST_LAG_MS),
            ("delete.retention.ms", LIST_LAG_MS),
        ],
        TopicRole::Input(_) | TopicRole::Decisions | TopicRole::Output(_) => &[],
    };
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    settings.iter().map(owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, role: TopicRole) -> RequiredTopic {
        RequiredTopic {
            name: name.to_owned(),
            role,
        }
    }

    #[test]
    fn missing_topics_are_listed_with_the_command_that_creates_them() {
        let expected = "\
2 topics are missing:
  transactions         input: transactions
  card-fraud.terminal  repartition: terminal
create with: riskstream topics create pipelines/card-fraud.yaml";
        let missing = [
            topic("transactions", TopicRole::Input("transactions".into())),
            topic("card-fraud.terminal", TopicRole::Repartition("terminal".into())),
        ];
        let error = missing_error("pipelines/card-fraud.yaml", &missing);
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn repartition_topics_keep_records_unless_a_retention_is_given() {
        let options = TopicOptions {
            partitions: 3,
            replication: Some(1),
            repartition_retention: None,
        };
        let repartition = topic("card-fraud.terminal", TopicRole::Repartition("terminal".into()));
        assert_eq!(specification(&repartition, &options).settings["retention.ms"], "-1");
        let bounded = TopicOptions {
            repartition_retention: Some(Duration::from_secs(86_400)),
            ..options
        };
        assert_eq!(
            specification(&repartition, &bounded).settings["retention.ms"],
            "86400000"
        );
    }

    #[test]
    fn other_topics_have_the_settings_of_their_role() {
        let options = TopicOptions {
            partitions: 3,
            replication: Some(1),
            repartition_retention: None,
        };
        let specification = |role| specification(&topic("topic", role), &options);
        let input = specification(TopicRole::Input("transactions".into()));
        assert!(input.settings.is_empty() && input.partitions == 3);
        let dead_letters = specification(TopicRole::DeadLetters);
        assert_eq!(dead_letters.settings["max.message.bytes"], DEAD_LETTER_BYTES);
        assert_eq!(specification(TopicRole::Rollouts).partitions, 1);
        let list = specification(TopicRole::List("blocked_cards".into()));
        assert_eq!(
            (list.partitions, list.settings["cleanup.policy"].as_str()),
            (1, "compact")
        );
        assert_eq!(list.settings["min.compaction.lag.ms"], LIST_LAG_MS);
        let rows = specification(TopicRole::Rows("merchants".into()));
        assert_eq!((rows.partitions, rows.settings), (3, list.settings));
    }
}

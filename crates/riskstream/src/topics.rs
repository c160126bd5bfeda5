//! The topics that a pipeline needs.

use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_kafka::KafkaOptions;
use riskstream_kafka::topics::{self, Topic, TopicSpec};
use riskstream_pipeline::log::LogError;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A dead letter is as large as the record that it was made of.
const LARGEST_DEAD_LETTER: &str = "33554432";
/// A frame holds at least one row, and a row may hold a field nearly as large as a record.
const LARGEST_FRAME: &str = "4194304";

/// What a topic is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An input; its name in the pipeline file.
    Input(String),
    /// In front of a stage; its entity.
    Repartition(String),
    /// Decisions.
    Decisions,
    /// Dead letters.
    DeadLetters,
    /// Roll-outs.
    Rollouts,
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Purpose::Input(name) => write!(f, "input: {name}"),
            Purpose::Repartition(entity) => write!(f, "hop to: {entity}"),
            Purpose::Decisions => f.write_str("decisions"),
            Purpose::DeadLetters => f.write_str("dead letters"),
            Purpose::Rollouts => f.write_str("roll-outs"),
        }
    }
}

/// A topic that a pipeline needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
}

/// The topics that a pipeline needs, in the order of the flow.
pub fn needed(compiled: &Compiled) -> Vec<Needed> {
    let mut all = Vec::new();
    for input in &compiled.inputs {
        all.push(Needed {
            name: input.topic.to_string(),
            purpose: Purpose::Input(input.name.clone()),
        });
    }
    for (hop, stage) in compiled.repartition_topics.iter().zip(&compiled.plan.stages) {
        if let Some(hop) = hop {
            all.push(Needed {
                name: hop.to_string(),
                purpose: Purpose::Repartition(stage.entity.clone()),
            });
        }
    }
    all.push(Needed {
        name: compiled.decisions.to_string(),
        purpose: Purpose::Decisions,
    });
    all.push(Needed {
        name: compiled.dead_letters.to_string(),
        purpose: Purpose::DeadLetters,
    });
    if let Some(topic) = compiled.rollout_topic() {
        all.push(Needed {
            name: topic.to_string(),
            purpose: Purpose::Rollouts,
        });
    }
    all
}

/// What Kafka knows of the topics, in their order.
///
/// # Errors
/// Kafka cannot be reached or does not tell.
pub fn describe(kafka: &KafkaOptions, needed: &[Needed]) -> Result<Vec<Topic>, LogError> {
    let names: Vec<&str> = needed.iter().map(|topic| topic.name.as_str()).collect();
    topics::describe(kafka, &names)
}

/// The topics that are not there.
///
/// # Errors
/// Kafka cannot be reached or does not tell.
pub fn missing(kafka: &KafkaOptions, needed: &[Needed]) -> Result<Vec<Needed>, LogError> {
    let described = describe(kafka, needed)?;
    let pairs = needed.iter().zip(described);
    Ok(pairs
        .filter(|(_, topic)| topic.partitions.is_none())
        .map(|(needed, _)| needed.clone())
        .collect())
}

/// Names the missing topics, and the command that makes them.
pub fn missing_error(file: &Path, missing: &[Needed]) -> anyhow::Error {
    let width = missing.iter().map(|topic| topic.name.len()).max().unwrap_or_default();
    let list: String = missing
        .iter()
        .map(|topic| format!("\n  {:width$}  {}", topic.name, topic.purpose))
        .collect();
    let count = if missing.len() == 1 {
        "1 topic is missing".to_owned()
    } else {
        format!("{} topics are missing", missing.len())
    };
    anyhow!(
        "{count}:{list}\ncreate with: riskstream topics create {}",
        file.display()
    )
}

/// How topics are to be created.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    /// Partitions of each.
    pub partitions: i32,
    /// Brokers that hold each; `None`: the brokers' default.
    pub replication: Option<i32>,
    /// How long repartition topics keep records; `None`: for ever.
    pub hop_retention: Option<Duration>,
}

/// A topic with the settings that its purpose wants.
pub fn specification(topic: &Needed, creation: &Creation) -> TopicSpec {
    let mut settings = BTreeMap::new();
    match topic.purpose {
        Purpose::Repartition(_) => {
            let retention = creation
                .hop_retention
                .map_or("-1".to_owned(), |time| time.as_millis().to_string());
            settings.insert("cleanup.policy".to_owned(), "delete".to_owned());
            settings.insert("retention.ms".to_owned(), retention);
            settings.insert("retention.bytes".to_owned(), "-1".to_owned());
            settings.insert("max.message.bytes".to_owned(), LARGEST_FRAME.to_owned());
        }
        Purpose::DeadLetters => {
            settings.insert("max.message.bytes".to_owned(), LARGEST_DEAD_LETTER.to_owned());
        }
        // Its order is the order of the roll-outs, and rolling back needs the earlier ones.
        Purpose::Rollouts => {
            settings.insert("cleanup.policy".to_owned(), "delete".to_owned());
            settings.insert("retention.ms".to_owned(), "-1".to_owned());
        }
        Purpose::Input(_) | Purpose::Decisions => {}
    }
    let partitions = match topic.purpose {
        Purpose::Rollouts => 1,
        _ => creation.partitions,
    };
    TopicSpec {
        name: topic.name.clone(),
        partitions,
        replication: creation.replication,
        settings,
    }
}

/// A table of the topics and what Kafka knows of them.
pub fn table(needed: &[Needed], described: &[Topic]) -> String {
    let rows: Vec<[String; 4]> = needed
        .iter()
        .zip(described)
        .map(|(topic, found)| {
            let partitions = found.partitions.map_or("-".to_owned(), |count| count.to_string());
            let exists = if found.partitions.is_some() {
                "exists"
            } else {
                "missing"
            };
            [
                topic.name.clone(),
                partitions,
                topic.purpose.to_string(),
                exists.to_owned(),
            ]
        })
        .collect();
    let head = ["TOPIC", "PARTITIONS", "PURPOSE", "STATUS"].map(str::to_owned);
    let widths: [usize; 3] = std::array::from_fn(|column| {
        rows.iter()
            .chain([&head])
            .map(|row| row[column].len())
            .max()
            .unwrap_or_default()
    });
    let mut text = String::new();
    for [topic, partitions, purpose, status] in [&head].into_iter().chain(&rows) {
        let [topic_width, partitions_width, purpose_width] = widths;
        text.push_str(&format!(
            "{topic:topic_width$}  {partitions:>partitions_width$}  {purpose:purpose_width$}  {status}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Vec<Needed> {
        let topic = |name: &str, purpose| Needed {
            name: name.to_owned(),
            purpose,
        };
        vec![
            topic("transactions", Purpose::Input("transactions".into())),
            topic("card-fraud.terminal", Purpose::Repartition("terminal".into())),
            topic("dead-letters", Purpose::DeadLetters),
        ]
    }

    #[test]
    fn the_table_shows_what_is_there() {
        let found = |name: &str, partitions| Topic {
            name: name.to_owned(),
            partitions,
        };
        let described = [
            found("transactions", Some(12)),
            found("card-fraud.terminal", None),
            found("dead-letters", Some(1)),
        ];
        let expected = "\
TOPIC                PARTITIONS  PURPOSE              STATUS
transactions                 12  input: transactions  exists
card-fraud.terminal           -  hop to: terminal     missing
dead-letters                  1  dead letters         exists
";
        assert_eq!(table(&topics(), &described), expected);
    }

    #[test]
    fn missing_topics_are_named_with_the_command_that_makes_them() {
        let expected = "\
2 topics are missing:
  transactions         input: transactions
  card-fraud.terminal  hop to: terminal
create with: riskstream topics create pipelines/card-fraud.yaml";
        let error = missing_error(Path::new("pipelines/card-fraud.yaml"), &topics()[..2]);
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn hop_topics_keep_what_state_is_rebuilt_from() {
        let creation = Creation {
            partitions: 3,
            replication: Some(1),
            hop_retention: None,
        };
        let [input, hop, dead_letters] = topics().try_into().unwrap();
        assert_eq!(specification(&hop, &creation).settings["retention.ms"], "-1");
        let bounded = Creation {
            hop_retention: Some(Duration::from_secs(86_400)),
            ..creation
        };
        assert_eq!(specification(&hop, &bounded).settings["retention.ms"], "86400000");
        assert!(specification(&input, &creation).settings.is_empty());
        assert_eq!(
            specification(&dead_letters, &creation).settings["max.message.bytes"],
            LARGEST_DEAD_LETTER
        );
    }
}

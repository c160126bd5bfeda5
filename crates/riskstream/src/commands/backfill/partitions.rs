//! `--partitions` and `--key`: the records of files as they would be on topics with several partitions.

use super::super::error::CommandError;
use super::super::record_key::{key_of, keyed_fields, without_key};
use anyhow::{Context, anyhow};
use riskstream_definition::Compiled;
use riskstream_events::InputFields;
use riskstream_offline::backfill::{Partitions, RecordKey};

/// The arguments.
#[derive(clap::Args)]
pub(super) struct PartitionArgs {
    /// Apply records in the order in which the service applies them from topics with N partitions; NAME=N for the topic
    /// of the input NAME, or for the one in front of the stage of the entity NAME. Records are then in the order of the
    /// file unless --in-order says otherwise
    #[arg(long, value_name = "[NAME=]N")]
    partitions: Vec<String>,
    /// The field that is the Kafka key of the transactions, NAME=FIELD for another input. Default: `key:` of the input
    #[arg(long = "key", value_name = "[NAME=]FIELD", requires = "partitions")]
    keys: Vec<String>,
}

impl PartitionArgs {
    /// The partitions of all topics; none if the argument was not given.
    ///
    /// # Errors
    /// A number is missing or wrong, or a name is not known.
    pub(super) fn partitions(&self, compiled: &Compiled) -> Result<Option<Partitions>, CommandError> {
        if self.partitions.is_empty() {
            return Ok(None);
        }
        let mut inputs = vec![None; compiled.inputs.len()];
        let mut stages: Vec<Option<i32>> = vec![None; compiled.plan.stages.len()];
        let mut others = None;
        for argument in &self.partitions {
            let Some((name, count)) = argument.split_once('=') else {
                others = Some(count(argument)?);
                continue;
            };
            let input = compiled.inputs.iter().position(|input| input.name == name);
            let stage = compiled.plan.stages.iter().position(|stage| stage.entity == name);
            let place = match (input, stage) {
                (Some(input), _) => &mut inputs[input],
                (_, Some(stage)) => &mut stages[stage],
                (None, None) => {
                    let what = "names neither an input nor an entity of the pipeline";
                    return Err(CommandError::configuration(anyhow!("--partitions {argument}: {what}")));
                }
            };
            *place = Some(self::count(count)?);
        }
        let complete = |counts: Vec<Option<i32>>| -> Option<Vec<i32>> {
            counts.into_iter().map(|count| count.or(others)).collect()
        };
        let (Some(inputs), Some(stages)) = (complete(inputs), complete(stages)) else {
            let what = "add --partitions N for the topics that are not named";
            return Err(CommandError::configuration(anyhow!(what)));
        };
        let has_topic = compiled.repartition_topics.iter().map(Option::is_some);
        Ok(Some(Partitions {
            inputs,
            stages: stages
                .into_iter()
                .zip(has_topic)
                .map(|(count, has_topic)| has_topic.then_some(count))
                .collect(),
        }))
    }

    /// The fields to read of an input, and the key of its records.
    ///
    /// # Errors
    /// The key is not known or is no text and no integer, or there is no secret for personal fields.
    pub(super) fn keyed_fields(
        &self,
        compiled: &Compiled,
        input: usize,
        secret: Option<&[u8]>,
    ) -> Result<(InputFields, Option<RecordKey>), CommandError> {
        if self.partitions.is_empty() {
            let fields = compiled.input_fields(input, secret);
            return Ok((fields.map_err(CommandError::configuration)?, None));
        }
        let name = key_of(&self.keys, compiled, input)?.ok_or_else(|| without_key(compiled, input))?;
        let (fields, key) = keyed_fields(compiled, input, secret, &name)?;
        Ok((fields, Some(key)))
    }
}

fn count(text: &str) -> Result<i32, CommandError> {
    let count: i32 = text
        .parse()
        .with_context(|| format!("--partitions {text}: a number of partitions is expected"))
        .map_err(CommandError::configuration)?;
    match count {
        1.. => Ok(count),
        _ => Err(CommandError::configuration(anyhow!(
            "--partitions {text}: a topic has at least one partition"
        ))),
    }
}

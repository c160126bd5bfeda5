//! The result of compiling a pipeline file: the plan, the models, topics and settings.

use super::lists::EntryListSettings;
use super::rollout_scope::RolloutScope;
use super::tables::TableSummary;
use crate::diagnostics::{Diagnostic, Diagnostics, Findings, Report};
use crate::syntax::{Delivery, Envelope, Example, Format, KeyMismatch, KeyVariables, SubjectStrategy};
use riskstream_engine::plan::{InputPlan, Plan};
use riskstream_events::{DerivedField, Field, Slot};
use riskstream_scoring::DecisionSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A valid pipeline file.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The computation.
    pub plan: Arc<Plan>,
    /// What the pipeline file says about deciding. A roll-out replaces it.
    pub decision: Arc<DecisionSet>,
    /// The inputs, in the plan's order.
    pub inputs: Vec<InputSettings>,
    /// The topic in front of each stage; `None` if the stage reads the transactions' own topic.
    pub repartition_topics: Vec<Option<Arc<str>>>,
    /// The topic of the decisions.
    pub decisions: Arc<str>,
    /// The topic of the dead letters.
    pub dead_letters: Arc<str>,
    /// The topics of further outputs, in the plan's order.
    pub further_outputs: Vec<OutputTopic>,
    /// The encoding of decisions.
    pub decision_format: Format,
    /// What roll-outs are compiled against.
    pub rollout: RolloutScope,
    /// The section `rollout:`, if there is one.
    pub rollout_settings: Option<RolloutSettings>,
    /// The lists whose entries change, in the plan's order.
    pub lists: Vec<EntryListSettings>,
    /// The reference tables.
    pub tables: Vec<TableSummary>,
    /// Kafka, the registry, state, the HTTP server and the secret.
    pub settings: Settings,
    /// The file's examples.
    pub examples: Vec<Example>,
    /// What the values that the stages compute depend on, as text.
    pub(crate) stage_values: String,
    /// What is probably not meant.
    pub(crate) warnings: Arc<[Diagnostic]>,
    /// The name of the file in messages.
    pub file: Arc<str>,
    /// The text of the file, for the places of examples.
    pub source: Arc<str>,
}

/// An input topic and its decoded fields.
#[derive(Clone, Debug)]
pub struct InputSettings {
    /// `transactions`, `labels`, …
    pub name: String,
    /// The topic.
    pub topic: Arc<str>,
    /// The encoding.
    pub format: Format,
    /// What the records are wrapped in.
    pub envelope: Option<Envelope>,
    /// The text of the schema file, if there is one.
    pub schema: Option<Arc<str>>,
    /// The field that is the records' Kafka key, if the file says so.
    pub key: Option<String>,
    /// What is done about records with another key.
    pub on_key_mismatch: KeyMismatch,
    /// The fields that the plan uses.
    pub fields: Vec<Field>,
    /// The fields that the plan uses and that are derived from personal ones.
    pub derived: Vec<DerivedField>,
}

/// A further topic of decisions.
#[derive(Clone, Debug)]
pub struct OutputTopic {
    /// Its name in the pipeline file.
    pub name: String,
    /// The topic.
    pub topic: Arc<str>,
}

/// The sources of roll-outs.
#[derive(Clone, Debug)]
pub struct RolloutSettings {
    /// The file to watch, relative to the pipeline file.
    pub file: Option<String>,
    /// The topic to follow.
    pub topic: Option<Arc<str>>,
    /// How many people other than its author must approve a roll-out.
    pub approvals: u32,
    /// The topic of approvals, if it is another one.
    pub approvals_topic: Option<Arc<str>>,
}

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The delivery guarantee.
    pub delivery: Delivery,
    /// Kafka, if the file has the section.
    pub kafka: Option<KafkaSettings>,
    /// The schema registry, if there is one.
    pub registry: Option<RegistrySettings>,
    /// The directory of state.
    pub state_directory: PathBuf,
    /// Memory for decoded entities of each task, in bytes.
    pub cache_bytes: usize,
    /// Checkpoints of the state, if there are to be any.
    pub checkpoints: Option<CheckpointSettings>,
    /// How many copies of each state other members keep.
    pub standby: usize,
    /// The address of the HTTP server.
    pub listen: SocketAddr,
    /// The environment variables with the secrets for pseudonyms.
    pub key_env: Option<KeyVariables>,
    /// Whether any field is personal data.
    pub personal: bool,
}

/// Checkpoints of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointSettings {
    /// The directory that holds them.
    pub directory: PathBuf,
    /// The time between two checkpoints of a task.
    pub every: Duration,
    /// How many checkpoints of a task are kept.
    pub keep: usize,
}

/// How to reach Kafka. Debug output has no values of properties, since they may be passwords.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port,host:port`.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// librdkafka's properties.
    pub properties: Vec<(String, String)>,
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.properties.iter().map(|(key, _)| key.as_str()).collect();
        write!(
            f,
            "KafkaSettings {{ brokers: {:?}, group: {:?}, properties: {keys:?} }}",
            self.brokers, self.group
        )
    }
}

/// How to reach the registry. Debug output has no password.
#[derive(Clone)]
pub struct RegistrySettings {
    /// Its URL without a slash at the end.
    pub url: String,
    /// How subjects are named.
    pub subject_strategy: SubjectStrategy,
    /// For HTTP basic authentication.
    pub username: Option<String>,
    /// For HTTP basic authentication.
    pub password: Option<String>,
}

impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RegistrySettings {{ url: {:?}, username: {:?} }}",
            self.url, self.username
        )
    }
}

impl Compiled {
    /// What is probably not meant, although the file is valid.
    pub fn warnings(&self) -> Option<Report> {
        let mut diagnostics = Diagnostics::default();
        self.warnings
            .iter()
            .for_each(|warning| diagnostics.add(warning.clone()));
        (!diagnostics.is_empty()).then(|| Report::new(Findings::Warnings, diagnostics, &self.file, &self.source))
    }

    /// The Avro schema of the decisions.
    pub fn decision_avro_schema(&self) -> String {
        riskstream_events::decision_avro_schema(self.plan.decide.policy.outcomes())
    }

    /// The JSON Schema of the decisions.
    pub fn decision_json_schema(&self) -> String {
        riskstream_events::decision_json_schema(self.plan.decide.policy.outcomes())
    }

    /// Whether transactions have the same features, under the same names, in both pipelines, and whether both refuse the same
    /// records. It may say no although they do.
    pub fn shares_features_with(&self, other: &Compiled) -> bool {
        let fingerprints = self.plan.stages.iter().map(|stage| &stage.fingerprint);
        self.stage_values == other.stage_values
            && fingerprints.eq(other.plan.stages.iter().map(|stage| &stage.fingerprint))
            && self.inputs_as_text() == other.inputs_as_text()
    }

    /// What is read of each input, without slots.
    fn inputs_as_text(&self) -> Vec<String> {
        let name = |slot: Slot| &self.plan.slots[slot].name;
        let input = |(settings, plan): (&InputSettings, &InputPlan)| {
            let mut parts: Vec<String> = vec![format!(
                "{} {:?} {:?} {:?}",
                plan.name, plan.kind, plan.min_time, plan.arrives_within
            )];
            parts.extend(settings.fields.iter().map(|field| {
                format!(
                    "{:?}",
                    Field {
                        slot: 0,
                        ..field.clone()
                    }
                )
            }));
            let derived = settings.derived.iter();
            parts
                .extend(derived.map(|field| format!("{} {} {:?}", name(field.from), name(field.to), field.derivation)));
            parts.extend(plan.required.iter().map(|slot| format!("required {}", name(*slot))));
            parts.extend(plan.any_of.iter().map(|slot| format!("or {}", name(*slot))));
            let numbers = plan.numbers.iter();
            parts.extend(numbers.map(|(slot, precision)| format!("{} {precision:?}", name(*slot))));
            parts.push(
                plan.filter
                    .as_ref()
                    .map(|filter| filter.source().to_owned())
                    .unwrap_or_default(),
            );
            let deletion = plan.rows.as_ref().and_then(|rows| rows.deletion.as_ref());
            parts.extend(deletion.map(|deletion| format!("deletes {}", deletion.source())));
            parts.sort_unstable();
            parts.join("\n")
        };
        self.inputs.iter().zip(&self.plan.inputs).map(input).collect()
    }

    /// The roll-out file to watch, if the file names one.
    pub fn rollout_file(&self) -> Option<PathBuf> {
        let file = self.rollout_settings.as_ref()?.file.as_ref()?;
        Some(self.rollout.places.directory.join(file))
    }

    /// The topic of roll-outs, if the file names one.
    pub fn rollout_topic(&self) -> Option<&Arc<str>> {
        self.rollout_settings.as_ref()?.topic.as_ref()
    }
}

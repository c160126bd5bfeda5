//! `--labels` and the arguments beside it.

use crate::commands::error::CommandError;
use crate::commands::input_files::{FileArgs, Given};
use crate::commands::run_report::RunReport;
use crate::commands::time::time;
use anyhow::{Context, anyhow};
use riskstream_backtest::{AsOf, LabelSlots, Labels};
use riskstream_definition::{Compiled, duration};
use riskstream_engine::plan::InputKind;
use riskstream_events::{Field, InputFields, Pseudonymizer, PublishedPseudonyms, Row, Slot, ValueType};
use riskstream_offline::read::{Next, ReadError, Rows, Source};
use std::path::PathBuf;
use std::sync::Arc;

/// Which labels are read.
#[derive(clap::Args)]
pub(super) struct LabelFiles {
    /// A file of labels: which payments were fraud. If features use labels and --input names no file for them, they are read from
    /// here as well. May be repeated
    #[arg(long = "labels", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl LabelFiles {
    /// The files.
    pub(super) fn sources(&self) -> Vec<Source> {
        self.files.iter().cloned().map(Source::File).collect()
    }
}

/// What labels say.
#[derive(clap::Args)]
pub(super) struct LabelArgs {
    /// The column with the payment's id. Default: that of the pipeline's labels, or else of its transactions
    #[arg(long, value_name = "COLUMN")]
    label_id: Option<String>,
    /// The column that is true for fraud. Default: the first bool of the pipeline's labels, or else `fraud`
    #[arg(long, value_name = "COLUMN")]
    label_fraud: Option<String>,
    /// The column with the time at which a label became known. Default: the event time of the pipeline's labels
    #[arg(long, value_name = "COLUMN")]
    label_time: Option<String>,
    /// Without such a column: how long after its payment a label becomes known, such as 7d
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with = "label_time")]
    label_delay: Option<i64>,
    /// Only what was known by then counts: 2026-03-14 or 2026-03-14T09:30:00Z. Later payments are left out
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<i64>,
    /// A payment without a label is genuine once it is so old, such as 60d. Without this it is not judged
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    genuine_after: Option<i64>,
}

const ID: Slot = 0;
const FRAUD: Slot = 1;
const KNOWN_AT: Slot = 2;

impl LabelArgs {
    /// When labels count.
    pub(super) fn as_of(&self) -> AsOf {
        AsOf {
            time: self.as_of,
            delay: self.label_delay.unwrap_or(0),
            genuine_after: self.genuine_after,
        }
    }

    /// Reads all labels.
    ///
    /// # Errors
    /// A file cannot be read or lacks a column, or --as-of needs times of labels.
    pub(super) fn read(
        &self,
        compiled: &Compiled,
        sources: &[Source],
        files: &FileArgs,
        secret: Option<&[u8]>,
        report: &mut RunReport,
    ) -> Result<Labels, CommandError> {
        let fields = self.fields(compiled)?;
        let known_at = fields.iter().any(|field| field.slot == KNOWN_AT).then_some(KNOWN_AT);
        if self.as_of.is_some() && known_at.is_none() && self.label_delay.is_none() {
            return Err(CommandError::configuration(anyhow!(
                "--as-of needs to know when labels became known: add --label-time COLUMN or --label-delay DURATION"
            )));
        }
        let fields = InputFields::new(fields, secret.map(Pseudonymizer::new));
        let fields = fields.context("--labels").map_err(CommandError::configuration)?;
        let slots = LabelSlots {
            id: ID,
            fraud: FRAUD,
            known_at,
        };
        let mut labels = Labels::default();
        for source in sources {
            if matches!(source, Source::File(path) if !path.is_file()) {
                return Err(CommandError::configuration(anyhow!("--labels {source}: no such file")));
            }
            files.check_columns(source, &fields)?;
            let name = source.to_string();
            let rows = source.open(&fields).map_err(CommandError::failed)?;
            let mut rows = PublishedIds {
                rows,
                published: compiled.plan.published.as_ref(),
                is_personal: fields.is_personal(ID),
            };
            let mut rejected = |number, rejection: &riskstream_events::Rejection| {
                report.rejected(
                    &format!("labels {name}"),
                    number,
                    rejection.code.as_str(),
                    &rejection.detail,
                );
            };
            let read = labels.read(&name, &mut rows, slots, self.as_of(), &mut rejected);
            read.map_err(CommandError::failed)?;
        }
        if labels.is_empty() {
            return Err(anyhow!("there is no label in the files of --labels: nothing can be judged").into());
        }
        Ok(labels)
    }

    /// The fields of a label: those of the pipeline's labels, with the columns that the arguments name.
    fn fields(&self, compiled: &Compiled) -> Result<Vec<Field>, CommandError> {
        let of_labels = label_input(compiled);
        let input = &compiled.inputs[of_labels.unwrap_or(0)];
        let plan = &compiled.plan.inputs[of_labels.unwrap_or(0)];
        let field = |slot: Slot| input.fields.iter().find(|field| field.slot == slot).cloned();
        let id = field(plan.id).ok_or_else(|| anyhow!("the pipeline's ids are not read from a column"))?;
        let fraud = input
            .fields
            .iter()
            .find(|field| field.value_type == ValueType::Bool && of_labels.is_some());
        let fraud = fraud
            .cloned()
            .unwrap_or_else(|| Field::at("fraud", ValueType::Bool, FRAUD));
        let known_at = match (of_labels, &self.label_time, self.label_delay) {
            (_, Some(column), _) => Some(Field::at(column, ValueType::Timestamp, KNOWN_AT)),
            (Some(_), None, None) => field(plan.event_time),
            _ => None,
        };
        let placed = |field: Field, slot: Slot, column: &Option<String>| match column {
            None => Field {
                slot,
                required: false,
                ..field
            },
            Some(column) => Field {
                name: column.clone(),
                path: Field::at(column, field.value_type, slot).path,
                slot,
                required: false,
                ..field
            },
        };
        let mut fields = vec![placed(id, ID, &self.label_id), placed(fraud, FRAUD, &self.label_fraud)];
        fields.extend(known_at.map(|field| placed(field, KNOWN_AT, &self.label_time)));
        Ok(fields)
    }
}

/// `inputs`, and labels as the input of labels, if the pipeline needs one and nothing is given for it.
pub(super) fn with_labels(compiled: &Compiled, inputs: &[Given], labels: &[Source]) -> Vec<Given> {
    let mut inputs = inputs.to_vec();
    let Some(index) = label_input(compiled) else {
        return inputs;
    };
    let name = &compiled.inputs[index].name;
    if !inputs.iter().any(|input| input.name() == Some(name)) {
        inputs.extend(labels.iter().map(|source| match source {
            Source::File(path) => Given::Argument(format!("{name}={}", path.display())),
            Source::Table(table) => Given::Table(Some(name.clone()), Arc::clone(table)),
        }));
    }
    inputs
}

/// Labels with the ids that decisions carry.
struct PublishedIds<'p> {
    rows: Box<dyn Rows>,
    published: Option<&'p PublishedPseudonyms>,
    is_personal: bool,
}

impl Rows for PublishedIds<'_> {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        let next = self.rows.next(row)?;
        if let (Next::Row, Some(published), true) = (&next, self.published, self.is_personal) {
            row[ID] = published.publish_value(&row[ID]);
        }
        Ok(next)
    }
}

/// The pipeline's first input of labels that says what was fraud.
fn label_input(compiled: &Compiled) -> Option<usize> {
    let kinds = compiled.plan.inputs.iter().map(|input| input.kind);
    let inputs = compiled.inputs.iter().zip(kinds).enumerate();
    let is_fraud = |field: &Field| field.value_type == ValueType::Bool;
    inputs
        .filter(|(_, (input, kind))| *kind == InputKind::Labels && input.fields.iter().any(is_fraud))
        .map(|(index, _)| index)
        .next()
}

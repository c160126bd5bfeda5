//! Files in place of topics: `--input [NAME=]FILE` and the arguments beside it.

use super::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::{Compiled, nearest};
use riskstream_engine::plan::{InputKind, WRITTEN_AT};
use riskstream_events::InputFields;
use riskstream_offline::backfill::{InputFile, Order, RecordKey, Summary};
use riskstream_offline::read::{ENDINGS, Source};
use std::path::PathBuf;
#[cfg(feature = "parquet")]
use {riskstream_offline::read::Table, std::sync::Arc};

/// Which files are read.
#[derive(clap::Args)]
pub struct InputArgs {
    #[arg(long = "input", value_name = "[NAME=]FILE", required = true, help = format!(
        "A file as an input: FILE is the transactions, NAME=FILE any input of the pipeline. Its name ends in {ENDINGS}"
    ))]
    inputs: Vec<String>,
}

impl InputArgs {
    /// The inputs.
    pub fn given(&self) -> Vec<Given> {
        self.inputs.iter().cloned().map(Given::Argument).collect()
    }
}

/// An input as it is given.
#[derive(Clone)]
pub enum Given {
    /// `[NAME=]FILE`.
    Argument(String),
    /// A table for the input of this name; without one, for the transactions.
    #[cfg(feature = "parquet")]
    Table(Option<String>, Arc<dyn Table>),
}

impl Given {
    /// The name of the input.
    pub fn name(&self) -> Option<&str> {
        match self {
            Given::Argument(argument) => argument.split_once('=').map(|(name, _)| name),
            #[cfg(feature = "parquet")]
            Given::Table(name, _) => name.as_deref(),
        }
    }

    /// The input's index, and what is read.
    ///
    /// # Errors
    /// The pipeline has no such input, or there is no such file.
    fn source(&self, compiled: &Compiled) -> Result<(usize, Source), CommandError> {
        match self {
            Given::Argument(argument) => {
                let (input, path) = of_input(argument, compiled)?;
                file(PathBuf::from(path)).map(|source| (input, source))
            }
            #[cfg(feature = "parquet")]
            Given::Table(name, table) => {
                let input = name.as_deref().map_or(Ok(0), |name| input(name, compiled))?;
                Ok((input, Source::Table(Arc::clone(table))))
            }
        }
    }
}

/// How files are read.
#[derive(clap::Args)]
pub struct FileArgs {
    /// The order of the records of an input: by event time, or in the order of the file as if they had arrived so
    #[arg(long, value_name = "ORDER", value_enum)]
    in_order: Option<InOrder>,
    /// Go on without the input or column NAME: what it would hold is null. May be repeated
    #[arg(long, value_name = "NAME")]
    allow_missing: Vec<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum InOrder {
    EventTime,
    Arrival,
}

impl FileArgs {
    /// The order that was asked for.
    pub(super) fn order(&self) -> Option<Order> {
        self.in_order.map(|order| match order {
            InOrder::EventTime => Order::EventTime,
            InOrder::Arrival => Order::Arrival,
        })
    }

    /// Opens the files of these arguments. `reading` gives the fields to read of an input, and its records' key if it is
    /// needed.
    ///
    /// # Errors
    /// A file cannot be read, or an input or a column is missing that was not allowed to be.
    pub(super) fn open(
        &self,
        compiled: &Compiled,
        inputs: &[Given],
        reading: impl Fn(usize) -> Result<(InputFields, Option<RecordKey>), CommandError>,
    ) -> Result<Vec<InputFile>, CommandError> {
        self.check_allowed(compiled)?;
        let files = inputs.iter().map(|given| given.source(compiled));
        let files = files.collect::<Result<Vec<_>, CommandError>>()?;
        self.check_inputs(compiled, &files)?;
        let mut opened = Vec::new();
        for (input, source) in files {
            check_time(compiled, input)?;
            let (fields, key) = reading(input)?;
            self.check_columns(&source, &fields)?;
            let rows = source.open(&fields).map_err(CommandError::failed)?;
            opened.push(InputFile {
                input: input as u8,
                rows,
                key,
            });
        }
        Ok(opened)
    }

    fn allows(&self, name: &str) -> bool {
        self.allow_missing.iter().any(|allowed| allowed == name)
    }

    /// Every name that may be missing has to be known.
    fn check_allowed(&self, compiled: &Compiled) -> Result<(), CommandError> {
        let names = names(compiled);
        let known = |name: &&String| names.contains(*name);
        match self.allow_missing.iter().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => Err(CommandError::configuration(anyhow!(
                "--allow-missing {name}: the pipeline uses no input and no column of this name{}",
                suggestion(name, &names)
            ))),
        }
    }

    fn check_inputs(&self, compiled: &Compiled, files: &[(usize, Source)]) -> Result<(), CommandError> {
        for (index, input) in compiled.inputs.iter().enumerate() {
            let name = &input.name;
            if files.iter().any(|(input, _)| *input == index) {
                continue;
            }
            if index == 0 {
                return Err(CommandError::configuration(anyhow!(
                    "there are no transactions among the inputs: add --input FILE"
                )));
            }
            if !self.allows(name) {
                return Err(CommandError::configuration(anyhow!(
                    "features use the input `{name}`, for which there is no file: add --input {name}=FILE; or add \
                     --allow-missing {name}, then features are computed as if it had no record"
                )));
            }
        }
        Ok(())
    }

    /// Every column that is read has to be there, unless it may be missing.
    ///
    /// # Errors
    /// A column is missing, or the file cannot be read.
    pub(super) fn check_columns(&self, source: &Source, fields: &InputFields) -> Result<(), CommandError> {
        let Some(names) = source.names().map_err(CommandError::failed)? else {
            return Ok(());
        };
        for field in fields.fields.iter() {
            let column = field.path.join(".");
            let is_in_wrapper = fields.has_wrapper() && names.contains(&format!("payload.{column}"));
            if is_in_wrapper || names.contains(&column) || self.allows(&column) || self.allows(&field.name) {
                continue;
            }
            if names.is_empty() {
                return Err(CommandError::configuration(anyhow!(
                    "{source}: the file is empty, without a line of column names"
                )));
            }
            return Err(CommandError::configuration(anyhow!(
                "{source}: there is no column `{column}`{}; it has {}. Correct the name here or in the pipeline file; or add \
                 --allow-missing {column}, then it is null in every record",
                suggestion(&column, &names),
                names.join(", "),
            )));
        }
        Ok(())
    }
}

/// A file has no timestamps of records.
fn check_time(compiled: &Compiled, input: usize) -> Result<(), CommandError> {
    if compiled.plan.inputs[input].event_time != WRITTEN_AT {
        return Ok(());
    }
    Err(CommandError::configuration(anyhow!(
        "the input `{}` has the event time of Kafka's records (`event_time: {{from: record}}`), which a file lacks: write the \
         timestamps into a column and name it in a copy of the pipeline file",
        compiled.inputs[input].name
    )))
}

/// The names that may be allowed to be missing: inputs, fields, and columns where these are called otherwise.
fn names(compiled: &Compiled) -> Vec<String> {
    let fields = compiled.inputs.iter().flat_map(|input| &input.fields);
    let fields = fields.flat_map(|field| [field.name.clone(), field.path.join(".")]);
    let inputs = compiled.inputs.iter().map(|input| input.name.clone());
    inputs.chain(fields).collect()
}

fn suggestion(name: &str, names: &[String]) -> String {
    let nearest = nearest(name, names.iter().map(String::as_str));
    nearest.map_or(String::new(), |nearest| format!(" (did you mean `{nearest}`?)"))
}

/// Splits `[NAME=]VALUE`, where the name is that of an input, by default that of the transactions; the input's index and the
/// value.
///
/// # Errors
/// The pipeline has no input of this name.
pub(super) fn of_input<'a>(argument: &'a str, compiled: &Compiled) -> Result<(usize, &'a str), CommandError> {
    let Some((name, value)) = argument.split_once('=') else {
        return Ok((0, argument));
    };
    Ok((input(name, compiled)?, value))
}

/// The index of an input.
fn input(name: &str, compiled: &Compiled) -> Result<usize, CommandError> {
    let input = compiled.inputs.iter().position(|input| input.name == name);
    input.ok_or_else(|| {
        let names: Vec<&str> = compiled.inputs.iter().map(|input| input.name.as_str()).collect();
        CommandError::configuration(anyhow!(
            "the pipeline uses no input `{name}`; it has {}",
            names.join(", ")
        ))
    })
}

/// A file as a source.
fn file(path: PathBuf) -> Result<Source, CommandError> {
    match path.is_file() {
        true => Ok(Source::File(path)),
        false => Err(CommandError::configuration(anyhow!("{}: no such file", path.display()))),
    }
}

/// Remarks on a run over files that decides: those on its records, and on tables without rows.
pub fn notes(summary: &Summary, compiled: &Compiled) -> Vec<String> {
    let mut notes = record_notes(summary, compiled);
    for table in compiled.lists.iter().filter(|list| list.keys_of_entries().is_none()) {
        notes.push(format!(
            "the table {} is from a topic and has no rows here: what is looked up in it is null, in features too",
            table.name
        ));
    }
    notes
}

/// Remarks on the records of files: late events, records that were left out, and event times that are probably in another unit.
pub(super) fn record_notes(summary: &Summary, compiled: &Compiled) -> Vec<String> {
    let mut notes = Vec::new();
    if summary.late > 0 {
        notes.push(format!(
            "{} transactions came after a later one in the order of arrival, {} of them later than the `lateness` of an \
             entity, whose features do not count them. Without --in-order arrival, records are sorted by event time",
            summary.late, summary.too_late
        ));
    }
    for (stage, labels) in &summary.too_late_labels {
        notes.push(format!(
            "{labels} labels came later than the `lateness` of `{}`, whose features do not count them",
            compiled.plan.stages[*stage].entity
        ));
    }
    for (input, stage, counts) in summary.other_events.iter().filter(|(.., counts)| counts.too_late > 0) {
        let (name, entity) = (
            &compiled.plan.inputs[usize::from(input)].name,
            &compiled.plan.stages[stage].entity,
        );
        let too_late = counts.too_late;
        notes.push(match compiled.plan.kind(input) {
            InputKind::Table => format!(
                "{too_late} rows of `{name}` came later than the `lateness` of `{entity}` and after the rows that took their place"
            ),
            _ => format!(
                "{too_late} events of `{name}` came later than the `lateness` of `{entity}`, whose features do not count them"
            ),
        });
    }
    for (input, _, counts) in summary.other_events.iter().filter(|(.., counts)| counts.late > 0) {
        notes.push(format!(
            "{} rows of `{}` came after transactions from which on they hold, which do not see them",
            counts.late,
            compiled.plan.inputs[usize::from(input)].name
        ));
    }
    if summary.filtered > 0 {
        notes.push(format!(
            "{} records are no events: `where:` does not hold",
            summary.filtered
        ));
    }
    if let Some((input, number)) = summary.first_doubtful {
        notes.push(format!(
            "{} event times lie before the year 2000, the first in {}, record {number}: check the input's `unit:`; \
             `min_time:` refuses such times, or says that they are meant",
            summary.doubtful_times,
            compiled.inputs[usize::from(input)].name
        ));
    }
    notes
}

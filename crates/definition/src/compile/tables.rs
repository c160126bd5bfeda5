//! Phase `tables`: the reference tables, with the rows of their files.

use super::names::Names;
use super::table_file::{ReadTable, TableSource, read_file};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{List, Spanned};
use crate::syntax::{PipelineFile, TableSection};
use crate::text::Key;
use riskstream_events::ValueType;
use riskstream_lists::{Columns, MAX_COLUMNS, RowKeys, RowTable};
use std::path::Path;
use std::sync::Arc;

/// A table, with the rows of its file.
pub struct LoadedTable<'f> {
    /// Its name.
    pub name: String,
    /// What is looked up in it.
    pub key: &'f Spanned<String>,
    /// What is looked up besides.
    pub also: &'f List<String>,
    /// Its columns.
    pub columns: Vec<(String, ValueType)>,
    /// Its rows. There are none yet if they are in a topic.
    pub table: RowTable,
    /// Where its rows are.
    pub rows: RowsOf,
}

impl LoadedTable<'_> {
    /// Its file, if it has one.
    pub fn into_summary(self) -> Option<TableSummary> {
        match self.rows {
            RowsOf::File(summary) => Some(summary),
            RowsOf::Topic(_) => None,
        }
    }
}

/// Where the rows of a table are.
pub enum RowsOf {
    /// In a file, which was read.
    File(TableSummary),
    /// In a topic.
    Topic(Arc<str>),
}

/// A table for those who ask what a pipeline has.
#[derive(Clone, Debug)]
pub struct TableSummary {
    /// Its name.
    pub name: String,
    /// Its file, as the pipeline file names it.
    pub file: String,
    /// The SHA-256 of the file in hexadecimal digits.
    pub sha256: String,
    /// How many rows it has.
    pub rows: usize,
    /// Bytes of them in memory.
    pub memory: usize,
}

/// Reserves the names of the tables, and reads their files in `directory`. Those with errors are left out.
pub fn load<'f>(
    file: &'f PipelineFile,
    directory: &Path,
    names: &mut Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<LoadedTable<'f>> {
    let mut tables = Vec::new();
    for (name, section) in &file.tables.0 {
        if !names.check_free(&name.name, &name.span, diagnostics) {
            names.declare_broken(&name.name);
            continue;
        }
        names.declare_table(&name.name, name.span.clone());
        let section = section.as_ref();
        match section.and_then(|section| load_one(name, section, directory, diagnostics)) {
            Some(table) => tables.push(table),
            None => names.declare_broken(&name.name),
        }
    }
    tables
}

fn load_one<'f>(
    name: &Key,
    section: &'f TableSection,
    directory: &Path,
    diagnostics: &mut Diagnostics,
) -> Option<LoadedTable<'f>> {
    let (declared, columns) = columns(name, section, diagnostics)?;
    let keys = section.r#match.map_or(RowKeys::Exact, |word| word.0);
    let (table, rows) = match (&section.file, &section.topic) {
        (Some(file), None) => {
            let source = TableSource {
                file,
                path: directory.join(&file.value),
                keys,
                names: declared.iter().map(|(name, _)| name.as_str()).collect(),
            };
            let read = read_file(&source, columns, diagnostics)?;
            let summary = summary(name, file, &read, diagnostics);
            (read.table, RowsOf::File(summary))
        }
        (None, Some(topic)) => {
            let topic = RowsOf::Topic(topic.value.as_str().into());
            (RowTable::empty(keys, columns), topic)
        }
        (file, topic) => {
            refuse_source(name, file.as_ref().zip(topic.as_ref()), section.is_flawed, diagnostics);
            return None;
        }
    };
    Some(LoadedTable {
        name: name.name.clone(),
        key: section.key.0.as_ref()?,
        also: &section.also,
        columns: declared,
        table,
        rows,
    })
}

fn summary(name: &Key, file: &Spanned<String>, read: &ReadTable, diagnostics: &mut Diagnostics) -> TableSummary {
    if read.table.is_empty() {
        diagnostics.warn(
            Diagnostic::new(format!("the table `{}` has no rows", name.name), file.span.clone())
                .help("every look-up in it gives null"),
        );
    }
    TableSummary {
        name: name.name.clone(),
        file: file.value.clone(),
        sha256: read.sha256.clone(),
        rows: read.table.len(),
        memory: read.table.memory(),
    }
}

/// A table has both a file and a topic, or none.
fn refuse_source(
    name: &Key,
    both: Option<(&Spanned<String>, &Spanned<String>)>,
    is_flawed: bool,
    diagnostics: &mut Diagnostics,
) {
    match both {
        Some((file, topic)) => diagnostics.add(
            Diagnostic::new(
                format!("the table `{}` has a file and a topic", name.name),
                topic.span.clone(),
            )
            .also(file.span.clone(), "its file")
            .help(
                "keep one of them: rows of a file change with the pipeline's version, those of a topic while it runs",
            ),
        ),
        None if is_flawed => {}
        None => diagnostics.add(
            Diagnostic::new(
                format!("the table `{}` does not say where its rows are", name.name),
                name.span.clone(),
            )
            .help(format!(
                "add `file: {}.csv` or `topic: {}`",
                name.name,
                name.name.replace('_', "-")
            )),
        ),
    }
}

/// The columns of a section. `None` if one is wrong, which is reported.
fn columns(
    name: &Key,
    section: &TableSection,
    diagnostics: &mut Diagnostics,
) -> Option<(Vec<(String, ValueType)>, Columns)> {
    let mut declared = Vec::new();
    let mut is_valid = true;
    for (key, value_type) in &section.columns.0 {
        let is_name = !key.name.contains('.') && super::names::is_identifier(&key.name);
        if !is_name {
            diagnostics.add(
                Diagnostic::new(format!("`{}` is not a valid name", key.name), key.span.clone())
                    .help("a column has a name of letters, digits and `_`, which does not begin with a digit: rename it in the file, too"),
            );
        }
        match value_type {
            Some(value_type) if is_name => declared.push((key.name.clone(), value_type.0)),
            _ => is_valid = false,
        }
    }
    if declared.len() > MAX_COLUMNS {
        let message = format!(
            "a table has at most {MAX_COLUMNS} columns, this one has {}",
            declared.len()
        );
        diagnostics.add(Diagnostic::new(message, name.span.clone()).help("declare only those that are read"));
        return None;
    }
    let columns = Columns::new(declared.iter().map(|(name, value_type)| (name.as_str(), *value_type)));
    match columns {
        Ok(columns) => is_valid.then_some((declared, columns)),
        Err(error) => {
            diagnostics.add(Diagnostic::new(error.to_string(), name.span.clone()));
            None
        }
    }
}

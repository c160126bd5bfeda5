//! The file of a reference table: CSV.

use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::files::read_table;
use crate::syntax::read::Spanned;
use csv::{Reader, ReaderBuilder, StringRecord};
use riskstream_lists::{
    Columns, RowChange, RowKey, RowKeyError, RowKeys, RowTable, exact_key, network_key, overlapping, range_key,
    repeated,
};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Mistakes of a file that are reported one by one.
const REPORTED: usize = 10;

/// What is read, and how.
pub struct TableSource<'f> {
    /// The file, as the pipeline file names it.
    pub file: &'f Spanned<String>,
    /// Where it is.
    pub path: PathBuf,
    /// How rows are found.
    pub keys: RowKeys,
    /// The names of the columns.
    pub names: Vec<&'f str>,
}

/// What was read.
pub struct ReadTable {
    /// The rows.
    pub table: RowTable,
    /// The SHA-256 of the file in hexadecimal digits.
    pub sha256: String,
}

/// The rows of a file so far.
#[derive(Default)]
struct Rows {
    changes: Vec<RowChange>,
    /// The line of each.
    lines: Vec<u64>,
    /// Lines that cannot be used, each with the reason.
    mistakes: Vec<(u64, String)>,
}

/// Where the parts of a row are in a record.
struct Layout {
    key: Vec<usize>,
    columns: Vec<usize>,
}

/// Reads a table. `None` if its file has a mistake; all are reported.
pub fn read_file(source: &TableSource<'_>, columns: Columns, diagnostics: &mut Diagnostics) -> Option<ReadTable> {
    let bytes = match read_table(&source.path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("cannot read the table {}: {error}", source.path.display());
            let unreadable = Diagnostic::new(message, source.file.span.clone());
            diagnostics.add(unreadable.help("the path is relative to the pipeline file"));
            return None;
        }
    };
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = ReaderBuilder::new().from_reader(text);
    let layout = layout(source, &mut reader, diagnostics)?;
    let mut rows = Rows::default();
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => rows.take(&record, source.keys, &layout, &columns),
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                rows.mistakes.push((line, what_is_wrong(&error)));
                if !matches!(
                    error.kind(),
                    csv::ErrorKind::UnequalLengths { .. } | csv::ErrorKind::Utf8 { .. }
                ) {
                    break;
                }
            }
        }
    }
    rows.find_conflicts(source);
    if !rows.mistakes.is_empty() {
        report(source, rows.mistakes, diagnostics);
        return None;
    }
    Some(ReadTable {
        table: RowTable::empty(source.keys, columns).with(&rows.changes),
        sha256: Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    })
}

/// The columns in which a row's key is.
fn key_columns(keys: RowKeys) -> &'static [&'static str] {
    match keys {
        RowKeys::Exact => &["key"],
        RowKeys::Range => &["from", "to"],
        RowKeys::Network => &["network"],
    }
}

fn key_help(keys: RowKeys) -> &'static str {
    match keys {
        RowKeys::Exact => "rows are found by `key`, or, as `match` says, by `from` and `to`, or by `network`",
        RowKeys::Range => "with `match: range` rows are found by `from` and `to`",
        RowKeys::Network => "with `match: network` rows are found by `network`",
    }
}

/// Finds the columns by the first line. `None` if one is missing, which is reported.
fn layout(source: &TableSource<'_>, reader: &mut Reader<&[u8]>, diagnostics: &mut Diagnostics) -> Option<Layout> {
    let name = &source.file.value;
    let mut report = |message: String, help: String| {
        diagnostics.add(Diagnostic::new(message, source.file.span.clone()).help(help));
    };
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            report(
                format!("{name}:1: {}", what_is_wrong(&error)),
                "the first line names the columns".to_owned(),
            );
            return None;
        }
    };
    let found: Vec<&str> = header.iter().map(str::trim).collect();
    if found.is_empty() {
        report(
            format!("{name} is empty"),
            "its first line names the columns".to_owned(),
        );
        return None;
    }
    let mut place = |wanted: &str| {
        let mut places = (0..found.len()).filter(|at| found[*at] == wanted);
        match (places.next(), places.next()) {
            (Some(place), None) => return Some(place),
            (Some(_), Some(_)) => report(
                format!("{name}:1: there are two columns `{wanted}`"),
                "rename one of them".to_owned(),
            ),
            (None, _) => report(
                format!("{name}:1: there is no column `{wanted}`"),
                format!(
                    "the first line names {}; {}",
                    enumerate(found.iter().copied()),
                    key_help(source.keys)
                ),
            ),
        }
        None
    };
    let key: Vec<Option<usize>> = key_columns(source.keys).iter().map(|name| place(name)).collect();
    let columns: Vec<Option<usize>> = source.names.iter().map(|name| place(name)).collect();
    Some(Layout {
        key: key.into_iter().collect::<Option<_>>()?,
        columns: columns.into_iter().collect::<Option<_>>()?,
    })
}

impl Rows {
    fn take(&mut self, record: &StringRecord, keys: RowKeys, layout: &Layout, columns: &Columns) {
        let line = record.position().map_or(0, csv::Position::line);
        let key = match key_of(record, keys, layout) {
            Ok(key) => key,
            Err(error) => return self.mistakes.push((line, error.to_string())),
        };
        let mut row = columns.empty_row();
        for (column, at) in layout.columns.iter().enumerate() {
            if let Err(rejection) = columns.read_cell(column, &record[*at], &mut row) {
                // It names the field, and no value.
                return self.mistakes.push((line, rejection.detail));
            }
        }
        self.lines.push(line);
        self.changes.push(RowChange {
            key,
            row: Some(row.into()),
        });
    }

    /// Adds rows of which only one could count.
    fn find_conflicts(&mut self, source: &TableSource<'_>) {
        let keys: Vec<RowKey> = self.changes.iter().map(|change| change.key).collect();
        let (conflicts, what) = match source.keys {
            RowKeys::Exact => (repeated(&keys), "has the key of"),
            RowKeys::Range => (overlapping(&keys), "overlaps the range of"),
            RowKeys::Network => (repeated(&keys), "has the network of"),
        };
        for (first, second) in conflicts {
            let message = format!("the row {what} {}:{}", source.file.value, self.lines[first]);
            self.mistakes.push((self.lines[second], message));
        }
    }
}

fn key_of(record: &StringRecord, keys: RowKeys, layout: &Layout) -> Result<RowKey, RowKeyError> {
    let part = |at: usize| &record[layout.key[at]];
    match keys {
        RowKeys::Exact => exact_key(part(0)),
        RowKeys::Range => range_key(part(0), part(1)),
        RowKeys::Network => network_key(part(0)),
    }
}

/// What is wrong with the form of a line, without its content.
fn what_is_wrong(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} values, the first line names {expected_len} columns")
        }
        csv::ErrorKind::Utf8 { .. } => "the line is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

/// Adds a diagnostic for each of the first mistakes, and one for the others.
fn report(source: &TableSource<'_>, mut mistakes: Vec<(u64, String)>, diagnostics: &mut Diagnostics) {
    mistakes.sort();
    let name = &source.file.value;
    for (line, what) in mistakes.iter().take(REPORTED) {
        diagnostics.add(Diagnostic::new(
            format!("{name}:{line}: {what}"),
            source.file.span.clone(),
        ));
    }
    if mistakes.len() > REPORTED {
        let more = mistakes.len() - REPORTED;
        diagnostics.add(Diagnostic::new(
            format!("{more} more mistakes in {name}"),
            source.file.span.clone(),
        ));
    }
}

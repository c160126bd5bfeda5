//! Entries as CSV.

use super::super::error::CommandError;
use anyhow::anyhow;
use compact_str::CompactString;
use csv::{Reader, StringRecord, Writer};
use riskstream_events::time;
use riskstream_lists::Entry;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

/// What the keys of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Values in clear, or keys of a list without pseudonyms.
    Key,
    /// Pseudonyms.
    Pseudonym,
}

/// The columns of a file besides that of the keys.
const FIELDS: [&str; 4] = ["value", "reason", "author", "until"];

/// A row of a file.
pub type Row = (Column, String, Entry);

/// Reads a file. `author` is that of entries without one.
///
/// # Errors
/// The file cannot be read, or a line is wrong.
pub fn read_file(path: &Path, author: Option<&str>) -> Result<Vec<Row>, CommandError> {
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|error| CommandError::configuration(anyhow!("{name}: {error}")))?;
    read(file, author).map_err(|error| CommandError::configuration(anyhow!("{name}: {error}")))
}

fn read(input: impl Read, author: Option<&str>) -> Result<Vec<Row>, anyhow::Error> {
    let mut reader = Reader::from_reader(input);
    let head = reader.headers()?.clone();
    let place = |name: &str| head.iter().position(|column| column.trim() == name);
    if let Some(unknown) = head
        .iter()
        .find(|name| !["key", "pseudonym"].contains(&name.trim()) && !FIELDS.contains(&name.trim()))
    {
        return Err(anyhow!(
            "unknown column `{unknown}`: the columns are key or pseudonym, {}",
            FIELDS.join(", ")
        ));
    }
    let (column, key) = match (place("key"), place("pseudonym")) {
        (Some(key), None) => (Column::Key, key),
        (None, Some(key)) => (Column::Pseudonym, key),
        _ => return Err(anyhow!("the first line must name one column `key`, or `pseudonym`")),
    };
    let fields = FIELDS.map(place);
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let entry = entry(&row, fields, author).map_err(|why| anyhow!("line {line}: {why}"))?;
        rows.push((column, row.get(key).unwrap_or_default().trim().to_owned(), entry));
    }
    Ok(rows)
}

/// An empty field is absent.
fn entry(row: &StringRecord, fields: [Option<usize>; 4], author: Option<&str>) -> Result<Entry, &'static str> {
    let texts = fields.map(|place| row.get(place?).map(str::trim).filter(|text| !text.is_empty()));
    let [value, reason, of_row, until] = texts;
    let until =
        until.map(|text| time::parse(text).ok_or("`until` is no time in RFC 3339, such as 2026-12-31T00:00:00Z"));
    Ok(Entry {
        value: value.map(Into::into),
        reason: reason.map(Into::into),
        author: of_row.or(author).map(Into::into),
        until: until.transpose()?,
    })
}

/// Writes entries in order of their keys.
///
/// # Errors
/// `out` cannot be written.
pub fn write_entries(
    out: impl Write,
    column: Column,
    entries: &BTreeMap<CompactString, Entry>,
) -> Result<(), csv::Error> {
    let mut writer = Writer::from_writer(out);
    let key = match column {
        Column::Key => "key",
        Column::Pseudonym => "pseudonym",
    };
    writer.write_record([key].into_iter().chain(FIELDS))?;
    for (key, entry) in entries {
        let mut until = Vec::new();
        if let Some(time) = entry.until {
            time::write(time, &mut until);
        }
        let text = |text: &Option<CompactString>| text.clone().unwrap_or_default();
        let until = String::from_utf8_lossy(&until).into_owned();
        let texts = [text(&entry.value), text(&entry.reason), text(&entry.author)];
        writer.write_field(key)?;
        for field in &texts {
            writer.write_field(field)?;
        }
        writer.write_record([until])?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let entry = Entry {
            value: None,
            reason: Some("stolen, \"twice\"".into()),
            author: Some("jane".into()),
            until: Some(1_798_761_600_000_000),
        };
        let entries = BTreeMap::from([("4000".into(), entry.clone()), ("4001".into(), Entry::default())]);
        let mut text = Vec::new();
        write_entries(&mut text, Column::Key, &entries).unwrap();
        let rows = read(&text[..], Some("joe")).unwrap();
        let by_joe = Entry {
            author: Some("joe".into()),
            ..Entry::default()
        };
        assert_eq!(
            rows,
            [
                (Column::Key, "4000".to_owned(), entry),
                (Column::Key, "4001".to_owned(), by_joe)
            ]
        );
    }

    #[test]
    fn mistakes_name_the_line() {
        for (text, expected) in [
            ("card,reason\n1,x\n", "unknown column `card`"),
            ("reason\nx\n", "one column `key`"),
            ("key,pseudonym\n1,2\n", "one column `key`"),
            ("key,until\n1,\n2,tomorrow\n", "line 3: `until` is no time"),
            ("key,reason\n1\n", "record 1"),
        ] {
            let error = read(text.as_bytes(), None).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}

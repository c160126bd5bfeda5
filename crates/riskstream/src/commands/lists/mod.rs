//! `riskstream lists`: changes and shows the entries of a pipeline's lists.

mod csv_file;
mod topic;

use super::argument_values;
use super::error::CommandError;
use super::target::Target;
use super::time::time;
use crate::clock::SystemClock;
use anyhow::anyhow;
use compact_str::CompactString;
use csv_file::{Column, read_file, write_entries};
use riskstream_definition::duration;
use riskstream_lists::Entry;
use riskstream_pipeline::Clock;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use topic::{EntryTopic, Key};

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// The arguments of `riskstream lists`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Put keys on a list, or change their entries
    Add {
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        keys: KeyArgs,
        /// A value that rules may use, such as a limit
        #[arg(long, value_name = "TEXT")]
        value: Option<String>,
        /// Why they are on the list
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Who puts them there; by default the user of this computer
        #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
        author: Option<String>,
        #[command(flatten)]
        ending: Expiry,
    },
    /// Take keys off a list
    Remove {
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Put the keys of a CSV file on a list
    ///
    /// The first line names the columns: `key` (in clear) or `pseudonym`, and any of `value`, `reason`, `author` and `until`.
    Import {
        #[command(flatten)]
        list: ListArgs,
        /// The CSV file
        file: PathBuf,
        /// Take the keys off that the file does not have
        #[arg(long)]
        replace: bool,
        /// Who puts them there, where the file does not say so; by default the user of this computer
        #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
        author: Option<String>,
    },
    /// Write a list to standard output, as a CSV file that `import` reads
    Export {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show how many entries the pipeline's lists have, or the entry of a key
    Show {
        #[command(flatten)]
        target: Target,
        /// The list's name in the pipeline file
        list: Option<String>,
        /// A key, in clear; `-` reads it from standard input
        #[arg(requires = "list")]
        key: Option<String>,
    },
    /// Remove entries whose `until` has passed
    Expire {
        #[command(flatten)]
        list: ListArgs,
        /// Remove those whose `until` lies before this time; by default a day ago, since events may come late
        #[arg(long, value_name = "TIME", value_parser = time)]
        before: Option<i64>,
    },
}

#[derive(clap::Args)]
struct ListArgs {
    #[command(flatten)]
    target: Target,
    /// The list's name in the pipeline file
    list: String,
}

#[derive(clap::Args)]
struct KeyArgs {
    /// Keys, in clear: pseudonyms are computed; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
}

/// When an entry ends.
#[derive(clap::Args)]
struct Expiry {
    /// The event time from which on it counts no longer: 2026-12-31T12:00:00Z, or 2026-12-31 for midnight UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<i64>,
    /// The same as a time from now: 30d, 12h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, conflicts_with = "until")]
    duration: Option<i64>,
}

/// Runs the action.
///
/// # Errors
/// The pipeline file or what was given is wrong, or Kafka cannot be reached or refuses.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match args.action {
        Action::Add {
            list,
            keys,
            value,
            reason,
            author,
            ending,
        } => {
            let topic = list.open()?;
            let text = |text: Option<String>| text.map(CompactString::from);
            let entry = Entry {
                value: text(value),
                reason: text(reason),
                author: text(author),
                until: ending.until(),
            };
            let keys = topic.keys(argument_values::values(keys.keys)?)?;
            topic.write(keys.into_iter().map(|key| (key, Some(entry.clone()))))?;
            report(&topic, "on its way to every copy");
            Ok(())
        }
        Action::Remove { list, keys } => {
            let topic = list.open()?;
            let keys = topic.keys(argument_values::values(keys.keys)?)?;
            topic.write(keys.into_iter().map(|key| (key, None)))?;
            report(&topic, "on its way to every copy");
            Ok(())
        }
        Action::Import {
            list,
            file,
            replace,
            author,
        } => import(&list.open()?, &file, replace, author.as_deref()),
        Action::Export { list } => export(&list.open()?),
        Action::Show { target, list, key } => show(&target, list.as_deref(), key),
        Action::Expire { list, before } => expire(&list.open()?, before.unwrap_or_else(|| SystemClock.now() - DAY)),
    }
}

impl ListArgs {
    fn open(&self) -> Result<EntryTopic, CommandError> {
        EntryTopic::open(&self.target, &self.list)
    }
}

impl Expiry {
    /// The time, in microseconds since the epoch.
    fn until(&self) -> Option<i64> {
        let from_now = self.duration.map(|duration| SystemClock.now().saturating_add(duration));
        self.until.or(from_now)
    }
}

fn report(topic: &EntryTopic, what: &str) {
    println!("{}: {} {what}", topic.name(), topic.written());
}

fn import(topic: &EntryTopic, file: &std::path::Path, replace: bool, author: Option<&str>) -> Result<(), CommandError> {
    let rows = read_file(file, author)?;
    let mut entries: BTreeMap<CompactString, Option<Entry>> = BTreeMap::new();
    for (column, key, entry) in rows {
        let key = match column {
            Column::Key => topic.key(&key)?,
            Column::Pseudonym => topic.pseudonym(&key)?,
        };
        entries.insert(key.0, Some(entry));
    }
    if replace {
        for key in topic.read()?.into_keys() {
            entries.entry(key).or_insert(None);
        }
    }
    topic.write(entries.into_iter().map(|(key, entry)| (Key(key), entry)))?;
    report(topic, "on its way to every copy");
    Ok(())
}

fn export(topic: &EntryTopic) -> Result<(), CommandError> {
    let column = if topic.holds_pseudonyms() {
        Column::Pseudonym
    } else {
        Column::Key
    };
    let mut out = std::io::stdout().lock();
    let entries = topic.read()?.into_iter();
    let published = entries.map(|(key, entry)| (topic.published(&key), entry)).collect();
    write_entries(&mut out, column, &published).map_err(CommandError::failed)?;
    out.flush().map_err(CommandError::failed)
}

fn show(target: &Target, list: Option<&str>, key: Option<String>) -> Result<(), CommandError> {
    let Some(list) = list else {
        let topics = EntryTopic::open_all(target)?;
        println!("{:<24}  {:>10}  {:>10}  TOPIC", "LIST", "ENTRIES", "EXPIRED");
        for topic in topics {
            let entries = topic.read()?;
            println!(
                "{:<24}  {:>10}  {:>10}  {}",
                topic.name(),
                entries.len(),
                expired(&entries, SystemClock.now()).count(),
                topic.topic()
            );
        }
        return Ok(());
    };
    let topic = EntryTopic::open(target, list)?;
    let entries = topic.read()?;
    let Some(key) = key else {
        println!(
            "{list}: {} entries, of which {} have expired",
            entries.len(),
            expired(&entries, SystemClock.now()).count()
        );
        return Ok(());
    };
    for key in topic.keys(argument_values::values(vec![key])?)? {
        match entries.get(&key.0) {
            Some(entry) => println!("on {list}: {}", described(entry)),
            None => println!("not on {list}"),
        }
    }
    Ok(())
}

/// An entry in a line, as its record says it.
fn described(entry: &Entry) -> String {
    String::from_utf8_lossy(&riskstream_lists::write_entry(entry)).into_owned()
}

fn expired(entries: &BTreeMap<CompactString, Entry>, before: i64) -> impl Iterator<Item = &CompactString> {
    let expired = entries
        .iter()
        .filter(move |(_, entry)| entry.until.is_some_and(|until| until < before));
    expired.map(|(key, _)| key)
}

fn expire(topic: &EntryTopic, before: i64) -> Result<(), CommandError> {
    let entries = topic.read()?;
    topic.write(expired(&entries, before).map(|key| (Key(key.clone()), None)))?;
    report(topic, "removed");
    Ok(())
}

/// An error about a key, which is not shown: it may be personal.
fn unusable(why: impl std::fmt::Display) -> CommandError {
    CommandError::configuration(anyhow!("a key cannot be used: {why}"))
}

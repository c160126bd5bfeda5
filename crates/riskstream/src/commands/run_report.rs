//! The summary of a run over files: records that could not be used, and flags of decisions, counted, with the first of each
//! kind.

use super::error::CommandError;
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What to do with records that cannot be used.
#[derive(clap::Args)]
pub struct ReportArgs {
    /// End with exit code 1 if any record could not be used
    #[arg(long)]
    strict: bool,
    /// A file for the records that could not be used: input, number, reason and detail, one JSON object a line
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,
}

/// The error of a run that decided nothing.
pub const NOTHING_DECIDED: &str = "nothing was decided";

/// How many records of each input and reason are named.
const NAMED: u64 = 3;

/// See the module.
pub struct RunReport {
    strict: bool,
    decided: u64,
    /// Decisions by the word of a flag.
    flags: BTreeMap<String, u64>,
    /// By input and the word of the reason.
    rejections: BTreeMap<(String, String), Rejections>,
    dead_letters: Option<DeadLetterFile>,
}

/// The rejections of one input for one reason.
#[derive(Default)]
struct Rejections {
    count: u64,
    /// The first of them.
    first: Vec<String>,
}

struct DeadLetterFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// Why the file could not be written on.
    error: Option<std::io::Error>,
}

impl RunReport {
    /// A report on nothing yet.
    ///
    /// # Errors
    /// The file for dead letters cannot be created.
    pub fn new(args: &ReportArgs) -> Result<RunReport, CommandError> {
        let dead_letters = args.dead_letters.as_deref().map(DeadLetterFile::create).transpose();
        Ok(RunReport {
            strict: args.strict,
            decided: 0,
            flags: BTreeMap::new(),
            rejections: BTreeMap::new(),
            dead_letters: dead_letters.map_err(CommandError::configuration)?,
        })
    }

    /// Counts a decision with these flags.
    pub fn decided<'f>(&mut self, flags: impl Iterator<Item = &'f str>) {
        self.decided += 1;
        for flag in flags {
            match self.flags.get_mut(flag) {
                Some(count) => *count += 1,
                None => {
                    self.flags.insert(flag.to_owned(), 1);
                }
            }
        }
    }

    /// Counts a record of `input` that could not be used: its number, and why.
    pub fn rejected(&mut self, input: &str, number: u64, reason: &str, detail: &str) {
        let key = (input.to_owned(), reason.to_owned());
        let rejections = self.rejections.entry(key).or_default();
        rejections.count += 1;
        if rejections.count <= NAMED {
            rejections.first.push(format!("record {number}: {detail}"));
        }
        if let Some(dead_letters) = &mut self.dead_letters {
            dead_letters.write(&serde_json::json!({
                "input": input,
                "record": number,
                "reason": reason,
                "detail": detail,
            }));
        }
    }

    /// How many records could not be used.
    pub fn rejections(&self) -> u64 {
        self.rejections.values().map(|rejections| rejections.count).sum()
    }

    /// The records that could not be used: input, reason, count, and the first of them.
    pub fn rejections_by_reason(&self) -> impl Iterator<Item = (&str, &str, u64, &[String])> {
        let rejections = self.rejections.iter();
        rejections.map(|((input, reason), of_reason)| (&**input, &**reason, of_reason.count, &*of_reason.first))
    }

    /// Decisions by the word of a flag.
    pub fn flags(&self) -> &BTreeMap<String, u64> {
        &self.flags
    }

    /// Prints the report and completes the file of dead letters.
    ///
    /// # Errors
    /// Nothing was decided; records were rejected although that was to be an error; or the file cannot be written.
    pub fn finish(self) -> Result<(), CommandError> {
        let decided = self.decided;
        self.finish_of(decided, NOTHING_DECIDED)
    }

    /// The same for a run in which so many transactions were used. `nothing`: the error if there are none.
    ///
    /// # Errors
    /// As for [`RunReport::finish`].
    pub fn finish_of(self, transactions: u64, nothing: &'static str) -> Result<(), CommandError> {
        print!("{}", self.text());
        self.end(transactions, nothing)
    }

    /// The same without printing: for who has shown [`RunReport::text`].
    ///
    /// # Errors
    /// As for [`RunReport::finish`].
    pub fn end(self, transactions: u64, nothing: &'static str) -> Result<(), CommandError> {
        let rejected = self.rejections();
        if let Some(dead_letters) = self.dead_letters {
            dead_letters.finish()?;
        }
        if transactions == 0 {
            return Err(anyhow!(nothing).into());
        }
        if self.strict && rejected > 0 {
            let count = HumanCount(rejected);
            return Err(anyhow!("--strict: {count} records could not be used").into());
        }
        Ok(())
    }

    /// The report, a line each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.rejections.is_empty() {
            text += &format!("{} records could not be used:\n", HumanCount(self.rejections()));
        }
        for ((input, reason), Rejections { count, first }) in &self.rejections {
            text += &format!("  {input}  {reason}  {}\n", HumanCount(*count));
            for rejection in first {
                text += &format!("    {rejection}\n");
            }
        }
        if let Some(dead_letters) = self.dead_letters.as_ref().filter(|_| !self.rejections.is_empty()) {
            text += &format!("  all of them: {}\n", dead_letters.path.display());
        }
        let flags: Vec<String> = self
            .flags
            .iter()
            .map(|(flag, count)| format!("{flag} {}", HumanCount(*count)))
            .collect();
        if !flags.is_empty() {
            text += &format!("decisions with flags: {}\n", flags.join(", "));
        }
        text
    }
}

impl DeadLetterFile {
    fn create(path: &Path) -> anyhow::Result<DeadLetterFile> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(DeadLetterFile {
            path: path.to_owned(),
            file: BufWriter::new(file),
            error: None,
        })
    }

    fn write(&mut self, letter: &serde_json::Value) {
        if self.error.is_none() {
            self.error = writeln!(self.file, "{letter}").err();
        }
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let written = match self.error.take() {
            Some(error) => Err(error),
            None => self.file.flush(),
        };
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(strict: bool, dead_letters: Option<PathBuf>) -> RunReport {
        RunReport::new(&ReportArgs { strict, dead_letters }).unwrap()
    }

    #[test]
    fn rejections_are_counted_by_input_and_reason_and_the_first_are_named() {
        let mut report = report(false, None);
        for number in 1..=1_200 {
            report.rejected("transactions", number, "wrong_type", "field a: text");
        }
        report.rejected("labels", 7, "missing_field", "field b is absent or null");
        report.decided(["late", "duplicate"].into_iter());
        report.decided(["late"].into_iter());
        report.decided(std::iter::empty());
        assert_eq!(
            report.text(),
            "1,201 records could not be used:\n  \
             labels  missing_field  1\n    record 7: field b is absent or null\n  \
             transactions  wrong_type  1,200\n    record 1: field a: text\n    record 2: field a: text\n    \
             record 3: field a: text\n\
             decisions with flags: duplicate 1, late 2\n"
        );
        assert!(report.finish().is_ok());
    }

    #[test]
    fn a_run_that_decided_nothing_failed() {
        let error = report(false, None).finish().unwrap_err();
        assert!(matches!(error, CommandError::Failed(_)), "{error:?}");
    }

    #[test]
    fn strict_runs_fail_if_anything_was_rejected() {
        for (strict, rejections, is_ok) in [(true, 0, true), (true, 1, false), (false, 1, true)] {
            let mut report = report(strict, None);
            report.decided(std::iter::empty());
            (0..rejections).for_each(|number| report.rejected("labels", number, "not_json", "at byte 3"));
            assert_eq!(report.finish().is_ok(), is_ok, "{strict} {rejections}");
        }
    }

    #[test]
    fn dead_letters_are_written() {
        let path = std::env::temp_dir().join(format!("riskstream-dead-letters-{}.jsonl", std::process::id()));
        let mut report = report(false, Some(path.clone()));
        report.decided(std::iter::empty());
        report.rejected("labels", 7, "not_json", "at byte 3: a \"quote\"");
        report.finish().unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            written,
            "{\"detail\":\"at byte 3: a \\\"quote\\\"\",\"input\":\"labels\",\"reason\":\"not_json\",\"record\":7}\n"
        );
    }
}

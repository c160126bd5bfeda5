//! The demo's decisions: written to a file, counted, and compared with the ground truth.

use crate::commands::error::CommandError;
use crate::commands::run_report::RunReport;
use anyhow::Context;
use indicatif::HumanCount;
use riskstream_events::{Outcome, Outcomes, OwnedDecisionRecord, OwnedReason, Rejection, dead_letter};
use riskstream_offline::evaluation::{DetectedCards, auc_roc, average_precision, card_precision_at_k};
use riskstream_pipeline::Topology;
use riskstream_pipeline::memory::Broker;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Whether each transaction, by its id, was fraud. Known after the run.
pub(super) type GroundTruth = HashMap<String, bool>;

/// What is kept of a decision for the comparison with the ground truth.
struct Decided {
    event_id: String,
    customer: String,
    day: i64,
    score: Option<f64>,
    outcome: Outcome,
}

/// The decisions so far.
pub(super) struct Results {
    file: BufWriter<File>,
    decided: Vec<Decided>,
    outcomes: Outcomes,
    /// Counts by the severity of outcomes.
    counts: Vec<u64>,
    report: RunReport,
    /// The latest decisions with the most severe outcome as text, the latest first.
    severest: Vec<String>,
    /// The event time of the newest decision.
    newest: String,
}

/// How many decisions the live display shows.
const SHOWN: usize = 5;
/// Days at the beginning that are not compared: no label is known yet, and windows are empty at first.
const WARM_UP_DAYS: i64 = 14;

/// A rule's name, or an input of the model with its contribution to the score. The input's text is that of the model's
/// card, or else its name.
fn reason(reason: &OwnedReason) -> String {
    let text = reason.description.as_ref().unwrap_or(&reason.name);
    match reason.contribution {
        Some(contribution) => format!("{text} ({contribution:+.2})"),
        None => reason.name.clone(),
    }
}

/// Why decisions on so many days cannot be compared with labels.
fn nothing_to_compare(days: i64) -> String {
    match days <= WARM_UP_DAYS {
        true => format!(
            "too few days to judge: there are {days}, and the first {WARM_UP_DAYS} only warm up, as no label is known yet"
        ),
        false => format!(
            "precision and recall are not known: no label is of a transaction that was decided after the first \
             {WARM_UP_DAYS} days, which only warm up"
        ),
    }
}

impl Results {
    /// No decisions yet; they will be written to the file at `path`.
    pub(super) fn create(path: &Path, outcomes: &Outcomes, report: RunReport) -> anyhow::Result<Results> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Results {
            file: BufWriter::new(file),
            decided: Vec::new(),
            outcomes: outcomes.clone(),
            counts: vec![0; outcomes.words().count()],
            report,
            severest: Vec::new(),
            newest: String::new(),
        })
    }

    /// Takes the decisions since the last call off the topic. Further outputs have copies of some, which are dropped.
    pub(super) fn take(&mut self, broker: &Broker, topology: &Topology) -> anyhow::Result<()> {
        for letter in broker.drain(&topology.dead_letters) {
            let header = |wanted: &str| {
                let header = letter.headers.iter().find(|(name, _)| name == wanted);
                header.map_or(String::new(), |(_, value)| String::from_utf8_lossy(value).into_owned())
            };
            let number = header(dead_letter::OFFSET).parse().unwrap_or_default();
            let (topic, reason) = (header(dead_letter::TOPIC), header(dead_letter::REASON));
            self.report
                .rejected(&topic, number, &reason, &header(dead_letter::DETAIL));
        }
        for topic in &topology.further_outputs {
            broker.drain(topic);
        }
        for record in broker.drain(&topology.decisions) {
            let json = record.value.context("a decision without a value")?;
            self.decision(&json)?;
        }
        Ok(())
    }

    /// Takes a decision.
    pub(super) fn decision(&mut self, json: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(json)?;
        self.file.write_all(b"\n")?;
        self.add(OwnedDecisionRecord::from_json(json)?)
    }

    /// Counts a record of a file that cannot be used.
    pub(super) fn rejected(&mut self, input: &str, number: u64, rejection: &Rejection) {
        self.report
            .rejected(input, number, rejection.code.as_str(), &rejection.detail);
    }

    fn add(&mut self, decision: OwnedDecisionRecord) -> anyhow::Result<()> {
        let outcome = self.outcomes.find(&decision.outcome);
        let outcome = outcome.with_context(|| format!("unknown outcome {}", decision.outcome))?;
        self.counts[outcome.severity()] += 1;
        self.report.decided(decision.flags.iter().map(String::as_str));
        let customer = decision
            .entities
            .first()
            .map(|(_, key)| key.clone())
            .unwrap_or_default();
        if outcome.severity() + 1 == self.counts.len() {
            let reasons: Vec<String> = decision.reasons.iter().map(reason).collect();
            let score = decision
                .score
                .map_or("no score".to_owned(), |score| format!("score {score:.3}"));
            let time = decision.event_time.get(..19).unwrap_or_default().replace('T', " ");
            self.severest
                .push(format!("{time}  {customer}  {score}  {}", reasons.join(", ")));
            // Partitions are read one after the other, so they are sorted by time.
            self.severest.sort_unstable_by(|a, b| b.cmp(a));
            self.severest.truncate(SHOWN);
        }
        self.newest.clone_from(&decision.event_time);
        self.decided.push(Decided {
            event_id: decision.event_id,
            customer,
            day: day(&decision.event_time),
            score: decision.score,
            outcome,
        });
        Ok(())
    }

    /// The outcomes, the mildest first, and how many decisions have them.
    pub(super) fn outcomes(&self) -> impl DoubleEndedIterator<Item = (&str, u64)> {
        self.outcomes.words().zip(self.counts.iter().copied())
    }

    /// How many decisions there are.
    pub(super) fn decided(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The date of the newest decision.
    pub(super) fn day(&self) -> &str {
        self.newest.get(..10).unwrap_or("          ")
    }

    /// How many days the decisions span, the first and the last included.
    pub(super) fn days(&self) -> u64 {
        let (first, last) = (self.decided.first(), self.decided.last());
        let span = first.zip(last).map_or(0, |(first, last)| last.day - first.day + 1);
        u64::try_from(span).unwrap_or(0)
    }

    /// The latest decisions with the most severe outcome, as text.
    pub(super) fn severest(&self) -> impl Iterator<Item = &str> {
        self.severest.iter().map(String::as_str)
    }

    /// Completes the file, prints the comparison with the ground truth, and reports on what could not be used.
    ///
    /// # Errors
    /// The file cannot be written, or the report is one of failure.
    pub(super) fn finish(mut self, truth: Option<&GroundTruth>, path: &Path) -> Result<(), CommandError> {
        self.file
            .flush()
            .with_context(|| format!("cannot write {}", path.display()))?;
        let counts: Vec<String> = self
            .outcomes()
            .map(|(word, count)| format!("{} {}", HumanCount(count), participle(word)))
            .collect();
        println!(
            "{} decisions: {}; {} dead letters",
            HumanCount(self.decided()),
            counts.join(", "),
            HumanCount(self.report.rejections()),
        );
        match truth {
            Some(truth) => self.compare(truth)?,
            None => println!("no labels were given: precision and recall are not known"),
        }
        println!("every decision with its features and reasons: {}", path.display());
        self.report.finish()
    }

    fn compare(&self, truth: &GroundTruth) -> anyhow::Result<()> {
        let first = self.decided.iter().map(|decided| decided.day).min().unwrap_or_default();
        let compared = self
            .decided
            .iter()
            .filter(|decided| decided.day >= first + WARM_UP_DAYS);
        let compared: Vec<(&Decided, bool)> = compared
            .filter_map(|decided| Some((decided, *truth.get(&decided.event_id)?)))
            .collect();
        let frauds = compared.iter().filter(|(_, fraud)| *fraud).count() as u64;
        if compared.is_empty() {
            let last = self.decided.iter().map(|decided| decided.day).max().unwrap_or_default();
            println!("{}", nothing_to_compare(last - first + 1));
            return Ok(());
        }
        println!(
            "against the truth, from day {} on: {} transactions, {} frauds",
            WARM_UP_DAYS + 1,
            HumanCount(compared.len() as u64),
            HumanCount(frauds)
        );
        if frauds == 0 || frauds == compared.len() as u64 {
            return Ok(());
        }
        for (outcome, word) in self.outcomes.iter().skip(1).rev() {
            print_outcome(&compared, frauds, outcome, participle(word));
        }
        print_scores(&compared)
    }
}

/// The default outcomes as participles, others as they are.
fn participle(outcome: &str) -> &str {
    match outcome {
        "approve" => "approved",
        "review" => "to review",
        "decline" => "declined",
        other => other,
    }
}

/// Prints the precision and recall of an outcome.
fn print_outcome(compared: &[(&Decided, bool)], frauds: u64, outcome: Outcome, words: &str) {
    let chosen = compared.iter().filter(|(decided, _)| decided.outcome == outcome);
    let (count, right) = chosen.fold((0u64, 0u64), |(n, hit), (_, fraud)| (n + 1, hit + u64::from(*fraud)));
    println!(
        "  {words:<14} {:>9}   of them fraud {:>5.1} %   of all frauds {:>5.1} %",
        HumanCount(count).to_string(),
        percent(right, count),
        percent(right, frauds)
    );
}

/// Prints how well the scores separate fraud, if there are scores.
fn print_scores(compared: &[(&Decided, bool)]) -> anyhow::Result<()> {
    if compared.iter().all(|(decided, _)| decided.score.is_none()) {
        return Ok(());
    }
    let scores: Vec<f64> = compared
        .iter()
        .map(|(decided, _)| decided.score.unwrap_or(0.0))
        .collect();
    let labels: Vec<bool> = compared.iter().map(|(_, fraud)| *fraud).collect();
    let days: Vec<i64> = compared.iter().map(|(decided, _)| decided.day).collect();
    let cards: Vec<&str> = compared.iter().map(|(decided, _)| decided.customer.as_str()).collect();
    let cards_at_100 = card_precision_at_k(&scores, &labels, &days, &cards, 100, DetectedCards::Remove)?;
    println!(
        "  average precision          {:.3}",
        average_precision(&scores, &labels)?
    );
    println!("  AUC                        {:.3}", auc_roc(&scores, &labels)?);
    println!("  precision of the 100 highest cards a day  {:.3}", cards_at_100.mean);
    Ok(())
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

/// The day of an RFC 3339 time, in days since 1970-01-01.
fn day(time: &str) -> i64 {
    time.get(..10)
        .and_then(|date| date.parse::<jiff::civil::Date>().ok())
        .map_or(0, |date| {
            let epoch = jiff::civil::date(1970, 1, 1);
            i64::from((date - epoch).get_days())
        })
}

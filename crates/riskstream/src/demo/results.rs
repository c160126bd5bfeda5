//! The demo's decisions: to a file, and how well they did against the truth.

use super::feed::Truth;
use anyhow::Context;
use indicatif::HumanCount;
use riskstream_events::{Outcome, OwnedDecisionRecord, OwnedReason};
use riskstream_offline::evaluation::{DetectedCards, auc_roc, average_precision, card_precision_at_k};
use riskstream_pipeline::Topology;
use riskstream_pipeline::memory::Broker;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// What is kept of a decision to judge it by afterwards.
struct Judged {
    event_id: String,
    customer: String,
    day: i64,
    score: Option<f64>,
    outcome: Outcome,
}

pub struct Results {
    file: BufWriter<File>,
    judged: Vec<Judged>,
    outcomes: [u64; 3],
    dead_letters: u64,
    declines: Vec<String>,
    newest: String,
}

/// Declines shown while the demo runs.
const SHOWN: usize = 5;
/// Days at the beginning that are not judged: no verdict is known yet and windows are empty.
const WARM_UP_DAYS: i64 = 14;

/// A rule's name; or what the model's card says of an input, else its name, with what it added to the score.
fn reason(reason: &OwnedReason) -> String {
    let told = reason.description.as_ref().unwrap_or(&reason.name);
    match reason.contribution {
        Some(contribution) => format!("{told} ({contribution:+.2})"),
        None => reason.name.clone(),
    }
}

impl Results {
    pub fn create(path: &Path) -> anyhow::Result<Results> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Results {
            file: BufWriter::new(file),
            judged: Vec::new(),
            outcomes: [0; 3],
            dead_letters: 0,
            declines: Vec::new(),
            newest: String::new(),
        })
    }

    /// Takes the decisions made since the last call off the topic.
    pub fn take(&mut self, broker: &Broker, topology: &Topology) -> anyhow::Result<()> {
        self.dead_letters += broker.drain(&topology.dead_letters).len() as u64;
        for record in broker.drain(&topology.decisions) {
            let json = record.value.context("a decision without a value")?;
            self.file.write_all(&json)?;
            self.file.write_all(b"\n")?;
            self.note(OwnedDecisionRecord::from_json(&json)?);
        }
        Ok(())
    }

    fn note(&mut self, decision: OwnedDecisionRecord) {
        self.outcomes[decision.outcome as usize] += 1;
        let customer = decision
            .entities
            .first()
            .map(|(_, key)| key.clone())
            .unwrap_or_default();
        if decision.outcome == Outcome::Decline {
            let reasons: Vec<String> = decision.reasons.iter().map(reason).collect();
            let score = decision
                .score
                .map_or("no score".to_owned(), |score| format!("score {score:.3}"));
            let time = decision.event_time.get(..19).unwrap_or_default().replace('T', " ");
            self.declines
                .push(format!("{time}  {customer}  {score}  {}", reasons.join(", ")));
            // Partitions are read one after the other; people read by time.
            self.declines.sort_unstable_by(|a, b| b.cmp(a));
            self.declines.truncate(SHOWN);
        }
        self.newest.clone_from(&decision.event_time);
        self.judged.push(Judged {
            event_id: decision.event_id,
            customer,
            day: day(&decision.event_time),
            score: decision.score,
            outcome: decision.outcome,
        });
    }

    pub fn outcomes(&self) -> [u64; 3] {
        self.outcomes
    }

    pub fn decided(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// The day that the newest decision is about.
    pub fn day(&self) -> &str {
        self.newest.get(..10).unwrap_or("          ")
    }

    /// How many days the decisions span, the first and the last included.
    pub fn days(&self) -> u64 {
        let (first, last) = (self.judged.first(), self.judged.last());
        let span = first.zip(last).map_or(0, |(first, last)| last.day - first.day + 1);
        u64::try_from(span).unwrap_or(0)
    }

    pub fn latest_declines(&self) -> impl Iterator<Item = &str> {
        self.declines.iter().map(String::as_str)
    }

    /// Completes the file and prints how good the decisions were.
    pub fn finish(mut self, truth: &Truth, path: &Path) -> anyhow::Result<()> {
        self.file.flush()?;
        let [approve, review, decline] = self.outcomes;
        println!(
            "{} decisions: {} approved, {} to review, {} declined; {} dead letters",
            HumanCount(self.decided()),
            HumanCount(approve),
            HumanCount(review),
            HumanCount(decline),
            HumanCount(self.dead_letters),
        );
        match truth {
            Some(truth) => self.judge(truth)?,
            None => println!("no labels were given, so how good they are is not known"),
        }
        println!("every decision with its features and reasons: {}", path.display());
        Ok(())
    }

    fn judge(&self, truth: &std::collections::HashMap<String, bool>) -> anyhow::Result<()> {
        let first = self.judged.iter().map(|judged| judged.day).min().unwrap_or_default();
        let known = self.judged.iter().filter(|judged| judged.day >= first + WARM_UP_DAYS);
        let known: Vec<(&Judged, bool)> = known
            .filter_map(|judged| Some((judged, *truth.get(&judged.event_id)?)))
            .collect();
        let frauds = known.iter().filter(|(_, fraud)| *fraud).count() as u64;
        if known.is_empty() {
            println!("too few days to judge: the first {WARM_UP_DAYS} only warm up, as no verdict is known yet");
            return Ok(());
        }
        println!(
            "against the truth, from day {} on: {} transactions, {} frauds",
            WARM_UP_DAYS + 1,
            HumanCount(known.len() as u64),
            HumanCount(frauds)
        );
        if frauds == 0 || frauds == known.len() as u64 {
            return Ok(());
        }
        for (outcome, word) in [(Outcome::Decline, "declined"), (Outcome::Review, "sent to review")] {
            let chosen = known.iter().filter(|(judged, _)| judged.outcome == outcome);
            let (count, right) = chosen.fold((0u64, 0u64), |(n, hit), (_, fraud)| (n + 1, hit + u64::from(*fraud)));
            println!(
                "  {word:<14} {:>9}   of them fraud {:>5.1} %   of all frauds {:>5.1} %",
                HumanCount(count).to_string(),
                percent(right, count),
                percent(right, frauds)
            );
        }
        if known.iter().all(|(judged, _)| judged.score.is_none()) {
            return Ok(());
        }
        let scores: Vec<f64> = known.iter().map(|(judged, _)| judged.score.unwrap_or(0.0)).collect();
        let labels: Vec<bool> = known.iter().map(|(_, fraud)| *fraud).collect();
        let days: Vec<i64> = known.iter().map(|(judged, _)| judged.day).collect();
        let cards: Vec<&str> = known.iter().map(|(judged, _)| judged.customer.as_str()).collect();
        let cards_at_100 = card_precision_at_k(&scores, &labels, &days, &cards, 100, DetectedCards::Remove)?;
        println!(
            "  average precision          {:.3}",
            average_precision(&scores, &labels)?
        );
        println!("  AUC                        {:.3}", auc_roc(&scores, &labels)?);
        println!("  precision of the 100 highest cards a day  {:.3}", cards_at_100.mean);
        Ok(())
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

/// The day of an RFC 3339 time, counted from some fixed day.
fn day(time: &str) -> i64 {
    time.get(..10)
        .and_then(|date| date.parse::<jiff::civil::Date>().ok())
        .map_or(0, |date| {
            let epoch = jiff::civil::date(1970, 1, 1);
            i64::from((date - epoch).get_days())
        })
}

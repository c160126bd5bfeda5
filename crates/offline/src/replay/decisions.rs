//! Recorded decisions by their ids, for comparison. A checksum of each is in memory, the rest on disk.

use super::differences::{Difference, Differences, FieldDifference, of_json};
use riskstream_events::OwnedDecisionRecord;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

/// The decision's record in words of the pipeline: what the model answered depended on how fast it was.
const SLOW_MODEL: [&str; 2] = [
    "the model exceeded its time budget",
    "the model failed repeatedly and is left alone until its next trial",
];

/// Why a decision is not compared.
const BEFORE: &str = "made before the recorded log holds all that their windows reach back to";
const CLOCK: &str = "a model or a shadow was too slow or left alone, which depended on the clock";
const AFTER: &str = "made again from records that the pipeline had not decided on when they were recorded";
const NOT_REACHED: &str = "recorded, and their records could not be decided on again";
const OTHER_VERSION: &str = "recorded from another version of the pipeline file";
const GONE: &str = "made again, and the recorded topic of decisions begins later";
pub(super) const OUTSIDE: &str = "written outside the period";
const REPEATED: &str = "recorded more than once, each time the same";

/// How many decisions there were on each side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Recorded.
    pub recorded: u64,
    /// Made again.
    pub again: u64,
    /// Compared, and equal but for what depends on the clock.
    pub equal: u64,
    /// Transactions that are on both sides and were compared.
    pub transactions: u64,
    /// Compared, and different in a field; or recorded and not made again; or the reverse.
    pub different: u64,
}

/// A decision as it is compared: without what depends on the clock and on the version of this program.
pub(crate) struct Compared {
    id: u128,
    decision_id: String,
    event_id: String,
    version: String,
    is_bootstrapping: bool,
    /// JSON.
    pub(crate) content: Vec<u8>,
}

/// What a record has besides its value.
pub(crate) type KeyAndHeaders<'a> = (Option<&'a [u8]>, Vec<(String, Vec<u8>)>);

impl Compared {
    pub(crate) fn new(decision: OwnedDecisionRecord, (key, headers): KeyAndHeaders<'_>) -> Compared {
        let (decision_id, event_id) = (decision.decision_id.clone(), decision.event_id.clone());
        let is_bootstrapping = decision.flags.iter().any(|flag| flag == "bootstrapping");
        let decision = OwnedDecisionRecord {
            latency: None,
            binary_version: String::new(),
            ..decision
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<(String, String)> = headers.into_iter().map(|(name, value)| (name, text(&value))).collect();
        let version = decision.pipeline_version.clone();
        let content = serde_json::to_vec(&ComparedContent {
            key: key.map(text),
            headers,
            decision,
        });
        Compared {
            id: u128::from_str_radix(&decision_id, 16).unwrap_or_else(|_| digest(decision_id.as_bytes())),
            decision_id,
            event_id,
            version,
            is_bootstrapping,
            content: content.expect("a decision can be written as JSON"),
        }
    }
}

#[derive(Serialize)]
struct ComparedContent {
    key: Option<String>,
    headers: Vec<(String, String)>,
    #[serde(flatten)]
    decision: OwnedDecisionRecord,
}

fn digest(bytes: &[u8]) -> u128 {
    let digest = Sha256::digest(bytes);
    u128::from_be_bytes(*digest.first_chunk().expect("SHA-256 has 32 bytes"))
}

/// No entry.
const NONE: u32 = u32::MAX;

struct Entry {
    /// Its place among the entries.
    number: u32,
    digest: u128,
    /// Where its content is in the file.
    at: u64,
    length: u32,
    /// The next decision with this id.
    next: u32,
    is_found: bool,
    /// Whether it was written outside the period that is compared.
    is_outside: bool,
    /// Whether another version of the pipeline file made it.
    is_of_other_version: bool,
}

/// See the module.
pub(super) struct DecisionComparison {
    /// The version of the pipeline file that makes decisions again.
    version: String,
    /// The first decision with each id.
    first: HashMap<u128, u32>,
    entries: Vec<Entry>,
    contents: BufWriter<File>,
    written: u64,
    /// Whether the log of the deciding stage lacks its beginning.
    pub(super) is_cut: bool,
    /// Whether the topic of decisions lacks its beginning.
    pub(super) lacks_first: bool,
    /// Whether the topic of decisions was recorded further than the log of the deciding stage, or that log was not read to its end.
    pub(super) goes_on: bool,
    pub(super) counts: Counts,
    pub(super) not_compared: HashMap<&'static str, u64>,
}

impl DecisionComparison {
    pub(super) fn new(version: &str) -> io::Result<DecisionComparison> {
        Ok(DecisionComparison {
            version: version.to_owned(),
            first: HashMap::new(),
            entries: Vec::new(),
            contents: BufWriter::new(tempfile::tempfile()?),
            written: 0,
            is_cut: false,
            lacks_first: false,
            goes_on: false,
            counts: Counts::default(),
            not_compared: HashMap::new(),
        })
    }

    /// Adds a recorded decision. `is_outside`: whether it was written outside the period that is compared.
    pub(super) fn record(&mut self, decision: &Compared, is_outside: bool) -> io::Result<()> {
        let number = u32::try_from(self.entries.len()).ok().filter(|number| *number != NONE);
        let number = number.ok_or_else(|| io::Error::other("more than 4 billion decisions are recorded"))?;
        self.contents.write_all(&decision.content)?;
        self.entries.push(Entry {
            number,
            digest: digest(&decision.content),
            at: self.written,
            length: decision.content.len() as u32,
            next: NONE,
            is_found: false,
            is_outside,
            is_of_other_version: self.version != decision.version,
        });
        self.written += decision.content.len() as u64;
        self.counts.recorded += 1;
        let first = *self.first.entry(decision.id).or_insert(number);
        let last = self.chain(first).last().map_or(number, |last| last.number);
        if last != number {
            self.entries[last as usize].next = number;
        }
        Ok(())
    }

    /// All recorded decisions were added.
    pub(super) fn recorded(&mut self) -> io::Result<()> {
        self.contents.flush()
    }

    /// Compares a decision that was made again. `is_expected`: whether it must have been made when it was recorded.
    pub(super) fn compare(
        &mut self,
        decision: &Compared,
        is_expected: bool,
        differences: &mut Differences,
    ) -> io::Result<()> {
        self.counts.again += 1;
        let found = self.find(decision);
        let Some(found) = found else {
            if !is_expected {
                self.leave_out(AFTER);
            } else if self.is_cut && decision.is_bootstrapping {
                self.leave_out(BEFORE);
            } else if self.lacks_first {
                self.leave_out(GONE);
            } else {
                self.counts.different += 1;
                differences.add(decision.difference((String::new(), None, Some("a decision".to_owned()))));
            }
            return Ok(());
        };
        let (number, is_equal) = found;
        self.entries[number].is_found = true;
        if self.entries[number].is_outside {
            self.leave_out(OUTSIDE);
            return Ok(());
        }
        if self.entries[number].is_of_other_version {
            self.leave_out(OTHER_VERSION);
            return Ok(());
        }
        if is_equal {
            self.counts.equal += 1;
            self.counts.transactions += 1;
            return Ok(());
        }
        let Entry { at, length, .. } = self.entries[number];
        let recorded = self.content(at, length)?;
        let again = serde_json::from_slice(&decision.content).map_err(io::Error::other)?;
        if self.is_cut && decision.is_bootstrapping {
            self.leave_out(BEFORE);
        } else if depends_on_clock(&recorded, &again) {
            self.leave_out(CLOCK);
        } else {
            self.counts.different += 1;
            self.counts.transactions += 1;
            for field in of_json(&recorded, &again) {
                differences.add(decision.difference(field));
            }
        }
        Ok(())
    }

    /// The recorded decision that belongs to this one, and whether the two are equal: the first equal one with this id, or else the
    /// first that was not found yet.
    fn find(&self, decision: &Compared) -> Option<(usize, bool)> {
        let digest = digest(&decision.content);
        let first = *self.first.get(&decision.id)?;
        let mut left = self.chain(first).filter(|entry| !entry.is_found);
        let found = left.clone().find(|entry| entry.digest == digest);
        let number = found.or_else(|| left.next())?.number;
        Some((number as usize, found.is_some()))
    }

    /// The decisions with one id, from the first on.
    fn chain(&self, first: u32) -> impl Iterator<Item = &Entry> + Clone {
        let entry = |number: u32| self.entries.get(number as usize);
        std::iter::successors(entry(first), move |before| entry(before.next))
    }

    fn content(&self, at: u64, length: u32) -> io::Result<Value> {
        let mut bytes = vec![0; length as usize];
        self.contents.get_ref().read_exact_at(&mut bytes, at)?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }

    fn leave_out(&mut self, why: &'static str) {
        *self.not_compared.entry(why).or_default() += 1;
    }

    /// Ends the comparison: what of the recorded decisions was not made again.
    pub(super) fn finish(&mut self, differences: &mut Differences) -> io::Result<()> {
        let mut left = Vec::new();
        for first in self.first.values() {
            let found = self.chain(*first).filter(|entry| entry.is_found);
            let found: Vec<u128> = found.map(|entry| entry.digest).collect();
            let missing = self.chain(*first).filter(|entry| !entry.is_found);
            let why = |entry: &Entry| match found.contains(&entry.digest) {
                _ if entry.is_outside => Some(OUTSIDE),
                true => Some(REPEATED),
                false => None,
            };
            left.extend(missing.map(|entry| (entry.at, entry.length, why(entry))));
        }
        // In the order of the recording, not in that of a hash.
        left.sort_unstable();
        for (at, length, why) in left {
            let not_reached = (self.is_cut || self.goes_on).then_some(NOT_REACHED);
            if let Some(why) = why.or(not_reached) {
                self.leave_out(why);
                continue;
            }
            self.counts.different += 1;
            let recorded = self.content(at, length)?;
            let text = |name: &str| recorded[name].as_str().unwrap_or_default().to_owned();
            differences.add(Difference {
                of: "decision".to_owned(),
                decision_id: Some(text("decision_id")),
                event_id: text("event_id"),
                field: String::new(),
                recorded: Some("a decision".to_owned()),
                again: None,
                by: None,
            });
        }
        Ok(())
    }
}

impl Compared {
    fn difference(&self, (field, recorded, again): FieldDifference) -> Difference {
        Difference {
            of: "decision".to_owned(),
            decision_id: Some(self.decision_id.clone()),
            event_id: self.event_id.clone(),
            field,
            recorded,
            again,
            by: None,
        }
    }
}

/// Whether the recorded decision says that a model was too slow, or lacks the score of a shadow.
pub(crate) fn depends_on_clock(recorded: &Value, again: &Value) -> bool {
    let reasons = recorded["reasons"].as_array().into_iter().flatten();
    let mut texts = reasons.filter_map(|reason| reason["description"].as_str());
    let is_slow = texts.any(|text| SLOW_MODEL.contains(&text));
    let scores = |decision: &Value| decision["shadow_scores"].as_object().map_or(0, serde_json::Map::len);
    let fields = of_json(recorded, again);
    let is_shadow = |(field, ..): &FieldDifference| field.starts_with("shadow_scores");
    is_slow || (scores(recorded) < scores(again) && fields.iter().all(is_shadow))
}

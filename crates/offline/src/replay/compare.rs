//! Compares the records that a worker writes in a replay with the recorded ones.

use super::decisions::{Compared, Counts, DecisionComparison};
use super::differences::Differences;
use super::log::OutputSink;
use super::rows::RowComparison;
use super::{DecodeDecision, ReplayError};
use crate::recording::{Manifest, Period, Records};
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::Topology;
use riskstream_pipeline::log::Outputs;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What a topic that is written is compared with.
#[derive(Clone, Copy)]
enum Output {
    Decisions,
    /// The rows in front of this stage.
    Rows(usize),
    Other,
}

/// See the module.
pub(super) struct Comparison {
    /// By the index of the topic.
    outputs: Vec<Output>,
    pub(super) decisions: DecisionComparison,
    /// The rows in front of each stage, if they are made again.
    pub(super) rows: Vec<Option<RowComparison>>,
    differences: Differences,
    /// Records on the topic of decisions that are none.
    unreadable: u64,
    /// The versions of riskstream that made the recorded decisions, with their numbers.
    versions: BTreeMap<String, u64>,
    /// How far each list was read for the first recorded decisions.
    lists: BTreeMap<String, i64>,
}

/// What was compared, and in what it differs.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Decisions.
    pub decisions: Counts,
    /// Rows by the entity of the stage that they are on their way to.
    pub rows: BTreeMap<String, Counts>,
    /// What was not compared, by reason.
    pub not_compared: BTreeMap<String, u64>,
    /// Records on the topic of decisions that are none.
    pub unreadable: u64,
    /// The versions of riskstream that made the recorded decisions, with their numbers.
    pub versions: BTreeMap<String, u64>,
    /// In what they differ.
    pub differences: Differences,
}

impl Comparison {
    /// Reads the recorded decisions.
    pub(super) fn new(
        directory: &Path,
        manifest: &Manifest,
        topology: &Topology,
        period: Period,
        decode: &mut DecodeDecision<'_>,
    ) -> Result<Comparison, ReplayError> {
        let routes = topology.routes();
        let mut outputs = vec![Output::Other; topology.output_topics().len()];
        outputs[routes.decisions] = Output::Decisions;
        for (stage, topic) in routes.repartition_topics.iter().enumerate() {
            if let Some(topic) = topic {
                outputs[*topic] = Output::Rows(stage);
            }
        }
        let mut comparison = Comparison {
            outputs,
            decisions: DecisionComparison::new(&topology.plan.version)?,
            rows: topology.repartition_topics.iter().map(|_| None).collect(),
            differences: Differences::default(),
            unreadable: 0,
            versions: BTreeMap::new(),
            lists: BTreeMap::new(),
        };
        let recorded = manifest.topic(&topology.decisions);
        for partition in 0..recorded.map_or(0, |topic| topic.partitions.len()) {
            let mut records = Records::of(directory, manifest, &topology.decisions, partition);
            while let Some(record) = records.read_next()? {
                let Some(decision) = decode(record.value.as_deref().unwrap_or_default())? else {
                    comparison.unreadable += 1;
                    continue;
                };
                comparison.note(&decision);
                let headers = record.headers.into_iter();
                let headers = headers.map(|(name, value)| (name, value.unwrap_or_default()));
                let decision = Compared::new(decision, (record.key.as_deref(), headers.collect()));
                comparison
                    .decisions
                    .record(&decision, !period.holds(record.timestamp))?;
            }
        }
        comparison.decisions.recorded()?;
        Ok(comparison)
    }

    /// Compares the rows in front of a stage, too.
    pub(super) fn compare_rows(&mut self, stage: usize, rows: RowComparison) {
        self.rows[stage] = Some(rows);
    }

    fn note(&mut self, decision: &OwnedDecisionRecord) {
        *self.versions.entry(decision.binary_version.clone()).or_default() += 1;
        for (name, offset) in &decision.lists {
            let first = self.lists.entry(name.clone()).or_insert(*offset);
            *first = (*first).min(*offset);
        }
    }

    /// How far each list was read for the first recorded decisions.
    pub(super) fn first_lists(&self) -> &BTreeMap<String, i64> {
        &self.lists
    }

    /// Ends the comparison.
    pub(super) fn finish(&mut self) -> Result<Outcome, ReplayError> {
        self.decisions.finish(&mut self.differences)?;
        let mut not_compared = BTreeMap::new();
        let mut add = |of: String, reasons: &HashMap<&'static str, u64>| {
            let reasons = reasons.iter();
            not_compared.extend(reasons.map(|(why, count)| (format!("{of} {why}"), *count)));
        };
        add("decisions".to_owned(), &self.decisions.not_compared);
        let mut rows = BTreeMap::new();
        for book in self.rows.iter_mut().flatten() {
            book.finish(&mut self.differences).map_err(ReplayError::Rows)?;
            add(format!("rows to {}", book.entity()), &book.not_compared);
            rows.insert(book.entity().to_owned(), book.counts.clone());
        }
        Ok(Outcome {
            decisions: self.decisions.counts.clone(),
            rows,
            not_compared,
            unreadable: self.unreadable,
            versions: std::mem::take(&mut self.versions),
            differences: std::mem::take(&mut self.differences),
        })
    }
}

impl OutputSink for Comparison {
    fn appended(&mut self, records: &Outputs) -> Result<(), ReplayError> {
        for record in records.records() {
            let Output::Rows(stage) = self.outputs[record.topic] else {
                continue;
            };
            if let Some(rows) = &mut self.rows[stage]
                && let (Some(partition), Some(value)) = (record.partition, records.value(record))
            {
                rows.compare(partition as usize, value, &mut self.differences)
                    .map_err(ReplayError::Rows)?;
            }
        }
        Ok(())
    }

    fn committed(&mut self, outputs: &Outputs, is_expected: bool) -> Result<(), ReplayError> {
        for record in outputs.records() {
            let Output::Decisions = self.outputs[record.topic] else {
                continue;
            };
            let decision = OwnedDecisionRecord::from_json(outputs.value(record).unwrap_or_default());
            let decision = decision.map_err(std::io::Error::other)?;
            let headers = outputs.headers(record);
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let decision = Compared::new(decision, (outputs.key(record), headers.collect()));
            self.decisions.compare(&decision, is_expected, &mut self.differences)?;
        }
        Ok(())
    }
}

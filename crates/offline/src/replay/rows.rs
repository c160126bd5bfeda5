//! Rows on their way to a stage: those that are made again are compared with those in the recorded repartition topic. The rows of
//! a source have numbers that grow, so each side is read once.

use super::decisions::{Counts, OUTSIDE};
use super::differences::{Difference, Differences};
use super::values::json;
use crate::recording::{Manifest, Period, Records};
use riskstream_engine::Event;
use riskstream_engine::plan::{Plan, TRANSACTIONS};
use riskstream_events::{DecisionId, Flags, FrameError, Row, Value};
use riskstream_pipeline::record_result::Sequenced;
use riskstream_pipeline::repartition::{Content, RepartitionFormat};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

/// Why a row is not compared.
const AFTER: &str = "made again from records whose rows were not in the recording yet";
const BEFORE: &str = "made again from records before the recorded rows begin";
const NOT_MADE: &str = "recorded, and not made again as the records before them are not recorded or could not be read";
const LATENESS: &str = "different only in lateness, as the records before them are not recorded";

/// The rows in front of one stage.
pub(super) struct RowComparison {
    plan: Arc<Plan>,
    stage: usize,
    format: RepartitionFormat,
    partitions: Vec<PartitionRows>,
    /// Whether the log of an earlier task lacks its beginning.
    pub(super) is_cut: bool,
    /// Whether an earlier task could not be read to its end.
    pub(super) is_incomplete: bool,
    pub(super) counts: Counts,
    pub(super) not_compared: HashMap<&'static str, u64>,
    spare: Vec<Row>,
}

struct PartitionRows {
    records: Records,
    period: Period,
    is_ended: bool,
    /// Whether the recorded topic lacks its beginning.
    is_cut: bool,
    /// Recorded rows that were not made again yet, by source and number.
    waiting: HashMap<(u32, i64), RecordedRow>,
    sources: HashMap<u32, Numbers>,
}

struct RecordedRow {
    row: Sequenced,
    /// Whether it was written outside the period that is compared.
    is_outside: bool,
}

/// The numbers of a source's rows.
struct Numbers {
    /// The first and the last that were read.
    read: Option<(i64, i64)>,
    /// The last that was made again.
    again: i64,
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers {
            read: None,
            again: i64::MIN,
        }
    }
}

impl RowComparison {
    /// The rows in front of a stage, which `topic` holds.
    pub(super) fn new(
        directory: &Path,
        manifest: &Manifest,
        (plan, stage): (&Arc<Plan>, usize),
        topic: &str,
        period: Period,
    ) -> RowComparison {
        let recorded = manifest.topic(topic).map_or(&[][..], |topic| &topic.partitions);
        let partitions = recorded.iter().enumerate().map(|(number, partition)| PartitionRows {
            records: Records::of(directory, manifest, topic, number),
            period,
            is_ended: false,
            is_cut: partition.is_cut,
            waiting: HashMap::new(),
            sources: HashMap::new(),
        });
        RowComparison {
            plan: Arc::clone(plan),
            stage,
            format: RepartitionFormat::new(plan, stage),
            partitions: partitions.collect(),
            is_cut: false,
            is_incomplete: false,
            counts: Counts::default(),
            not_compared: HashMap::new(),
            spare: Vec::new(),
        }
    }

    /// The entity of the stage.
    pub(super) fn entity(&self) -> &str {
        &self.plan.stages[self.stage].entity
    }

    /// Compares the rows of a record that was made again.
    pub(super) fn compare(
        &mut self,
        partition: usize,
        value: &[u8],
        differences: &mut Differences,
    ) -> Result<(), String> {
        for (source, rows) in decode(&self.format, value, &mut self.spare)? {
            for row in rows {
                self.compare_row(partition, source, row, differences)?;
            }
        }
        Ok(())
    }

    fn compare_row(
        &mut self,
        partition: usize,
        source: u32,
        again: Sequenced,
        differences: &mut Differences,
    ) -> Result<(), String> {
        let Some(rows) = self.partitions.get_mut(partition) else {
            return Err(format!("the recording has no partition {partition}"));
        };
        let numbers = rows.sources.entry(source).or_default();
        if again.sequence <= numbers.again {
            // A batch that was taken again.
            return Ok(());
        }
        numbers.again = again.sequence;
        self.counts.again += 1;
        let number = again.sequence;
        loop {
            if let Some(recorded) = rows.waiting.remove(&(source, number)) {
                match recorded.is_outside {
                    true => self.leave_out(OUTSIDE),
                    false => self.compare_fields(recorded.row, again, differences),
                }
                return Ok(());
            }
            let read = rows.sources.get(&source).and_then(|numbers| numbers.read);
            if let Some((first, last)) = read
                && last >= number
            {
                match rows.is_cut && number < first {
                    true => self.leave_out(BEFORE),
                    false => self.on_one_side(&again, None, Some("a row"), differences),
                }
                return Ok(());
            }
            if rows.is_ended {
                self.leave_out(AFTER);
                return Ok(());
            }
            rows.read(&self.format, &mut self.spare, &mut self.counts)?;
        }
    }

    fn compare_fields(&mut self, recorded: Sequenced, again: Sequenced, differences: &mut Differences) {
        let mut fields = Vec::new();
        let (one, other) = (&recorded.event, &again.event);
        for &(slot, _) in &self.plan.stages[self.stage].carries {
            if !is_same(&one.row[slot], &other.row[slot]) {
                let name = &self.plan.slots[slot].name;
                fields.push((name.as_str(), text(&one.row[slot]), text(&other.row[slot])));
            }
        }
        if one.input != other.input {
            fields.push(("input", one.input.to_string(), other.input.to_string()));
        }
        let is_lateness_only = fields.is_empty() && one.flags.without(Flags::LATE) == other.flags.without(Flags::LATE);
        if one.watermark != other.watermark {
            fields.push(("watermark", one.watermark.to_string(), other.watermark.to_string()));
        }
        if one.flags != other.flags {
            fields.push(("flags", names(one.flags), names(other.flags)));
        }
        let is_left_out = self.is_cut && is_lateness_only && !fields.is_empty();
        self.counts.transactions += u64::from(other.input == TRANSACTIONS && !is_left_out);
        if fields.is_empty() {
            self.counts.equal += 1;
        } else if is_left_out {
            self.leave_out(LATENESS);
        } else {
            self.counts.different += 1;
            for (field, recorded, again) in fields {
                differences.add(self.difference(other, field, Some(recorded), Some(again)));
            }
        }
        self.spare.push(recorded.event.row);
        self.spare.push(again.event.row);
    }

    fn on_one_side(
        &mut self,
        row: &Sequenced,
        recorded: Option<&str>,
        again: Option<&str>,
        differences: &mut Differences,
    ) {
        self.counts.different += 1;
        let own = |text: Option<&str>| text.map(str::to_owned);
        differences.add(self.difference(&row.event, "", own(recorded), own(again)));
    }

    fn difference(&self, event: &Event, field: &str, recorded: Option<String>, again: Option<String>) -> Difference {
        let is_decided = event.input == TRANSACTIONS;
        let decision_id = || DecisionId::new(&self.plan.name, event.id()).as_str().to_owned();
        Difference {
            of: format!("rows to {}", self.entity()),
            decision_id: is_decided.then(decision_id),
            event_id: self.plan.published_id(event).into_owned(),
            field: field.to_owned(),
            recorded,
            again,
            by: None,
        }
    }

    fn leave_out(&mut self, why: &'static str) {
        *self.not_compared.entry(why).or_default() += 1;
    }

    /// Ends the comparison: what of the recorded rows was not made again.
    pub(super) fn finish(&mut self, differences: &mut Differences) -> Result<(), String> {
        for partition in 0..self.partitions.len() {
            let rows = &mut self.partitions[partition];
            while !rows.is_ended {
                rows.read(&self.format, &mut self.spare, &mut self.counts)?;
            }
            let mut left: Vec<_> = std::mem::take(&mut rows.waiting).into_iter().collect();
            left.sort_unstable_by_key(|(place, _)| *place);
            for (_, RecordedRow { row, is_outside }) in left {
                match self.is_cut || self.is_incomplete {
                    _ if is_outside => self.leave_out(OUTSIDE),
                    true => self.leave_out(NOT_MADE),
                    false => self.on_one_side(&row, Some("a row"), None, differences),
                }
            }
        }
        Ok(())
    }
}

impl PartitionRows {
    /// Reads the next recorded record.
    fn read(&mut self, format: &RepartitionFormat, spare: &mut Vec<Row>, counts: &mut Counts) -> Result<(), String> {
        let Some(record) = self.records.read_next().map_err(|error| error.to_string())? else {
            self.is_ended = true;
            return Ok(());
        };
        let is_outside = !self.period.holds(record.timestamp);
        for (source, rows) in decode(format, record.value.as_deref().unwrap_or_default(), spare)? {
            let numbers = self.sources.entry(source).or_default();
            for row in rows {
                let number = row.sequence;
                if numbers.read.is_some_and(|(_, last)| number <= last) {
                    // Written twice by workers of which one took the place of the other.
                    continue;
                }
                let (first, _) = numbers.read.unwrap_or((number, number));
                numbers.read = Some((first, number));
                counts.recorded += 1;
                self.waiting.insert((source, number), RecordedRow { row, is_outside });
            }
        }
        Ok(())
    }
}

/// The rows of a record by their sources; none if it is a notice.
pub(crate) fn decode(
    format: &RepartitionFormat,
    value: &[u8],
    spare: &mut Vec<Row>,
) -> Result<Vec<(u32, VecDeque<Sequenced>)>, String> {
    let Content::Frames(set) = format.parse(value).map_err(|error| error.to_string())? else {
        return Ok(Vec::new());
    };
    let mut frame = |frame: &&[u8]| {
        let header = format.frame_header(frame)?;
        let mut rows = VecDeque::new();
        format.decode_rows(frame, spare, &mut rows)?;
        Ok((header.source, rows))
    };
    let frames: Result<_, FrameError> = set.frames.iter().map(&mut frame).collect();
    frames.map_err(|error| error.to_string())
}

/// Equal to the last bit.
pub(crate) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
        (one, other) => one == other,
    }
}

fn text(value: &Value) -> String {
    json(value).to_string()
}

fn names(flags: Flags) -> String {
    flags.names().collect::<Vec<_>>().join(",")
}

//! The end of the chain: collects transactions, decides on them together and writes their decision records.

use crate::circuits;
use crate::context::TaskContext;
use crate::log::Outputs;
use crate::tally::Tally;
use crate::topology::DecisionFormat;
use riskstream_engine::Event;
use riskstream_engine::plan::{OutputPlan, Plan, WRITTEN_AT};
use riskstream_events::header::{header_bytes, header_value};
use riskstream_events::{DecisionRecord, Flags, Value, encode_avro, encode_json, framing, write_key};
use riskstream_lists::ListSet;
use riskstream_scoring::{Decision, DecisionSet, InForce, with_decision_record};
use std::sync::Arc;

/// Rows scored in one call: enough to share the model's fixed cost, few enough to stay in the processor's cache.
const SCORED_TOGETHER: usize = 128;

/// What is in force at a deciding task, and the transactions that wait to be scored. None wait between batches.
pub struct DecisionBuffer {
    in_force: InForce,
    /// What was in force at the last write.
    at_last_write: InForce,
    plan: Arc<Plan>,
    /// The circuits that were stored with the committed position when the task was opened.
    committed_circuits: Option<String>,
    events: Vec<Event>,
    decisions: Vec<Decision>,
}

impl DecisionBuffer {
    /// Puts `set` in force. `committed_circuits` is what is stored with the position at which decisions begin; see
    /// [`DecisionBuffer::circuits`].
    pub fn new(plan: Arc<Plan>, set: Arc<DecisionSet>, committed_circuits: Option<String>) -> DecisionBuffer {
        let in_force = circuits::put_in_force(&plan, set, committed_circuits.as_deref());
        DecisionBuffer {
            at_last_write: in_force.clone(),
            in_force,
            plan,
            committed_circuits,
            events: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// The decision set in force.
    pub fn set(&self) -> &Arc<DecisionSet> {
        self.in_force.set()
    }

    /// Puts another decision set in force for transactions that are pushed after this.
    pub fn change(&mut self, set: Arc<DecisionSet>, context: &mut TaskContext<'_>) {
        self.flush(context);
        // In a replay this may be the set in force at the committed position.
        let lists = Arc::clone(self.in_force.lists());
        self.in_force = circuits::put_in_force(&self.plan, set, self.committed_circuits.as_deref());
        self.in_force.set_lists(lists);
    }

    /// Whether values are looked up in lists.
    pub fn asks_lists(&self) -> bool {
        !self.plan.decide.lists.is_empty()
    }

    /// Puts other versions of lists in force for transactions that are pushed after this.
    pub fn change_lists(&mut self, lists: Arc<ListSet>, context: &mut TaskContext<'_>) {
        self.flush(context);
        self.in_force.set_lists(lists);
    }

    /// The circuits as text, to be stored with the position; `None` if no circuit has counted a failure.
    pub fn circuits(&self) -> Option<String> {
        circuits::to_text(&self.plan, &self.in_force)
    }

    /// The decision set in force, if it came into force since the last write.
    pub fn change_to_write(&self) -> Option<&Arc<DecisionSet>> {
        let set = self.in_force.set();
        (!Arc::ptr_eq(set, self.at_last_write.set())).then_some(set)
    }

    /// What is in force was written.
    pub fn written(&mut self) {
        self.at_last_write.clone_from(&self.in_force);
    }

    /// Adds a transaction that has the features of all stages.
    pub fn push(&mut self, event: Event, context: &mut TaskContext<'_>) {
        self.events.push(event);
        if self.events.len() >= SCORED_TOGETHER {
            self.flush(context);
        }
    }

    /// Decides on all transactions that wait and writes the records to the outputs.
    pub fn flush(&mut self, context: &mut TaskContext<'_>) {
        if self.events.is_empty() {
            return;
        }
        context
            .decider
            .decide(&self.plan, &mut self.in_force, &mut self.events, &mut self.decisions);
        let set = Arc::clone(self.in_force.set());
        for (event, decision) in self.events.iter().zip(&self.decisions) {
            count(context.tally, event, decision, context.now);
            context.tally.models.count(&set.lineup, decision);
            let reason = |rule| set.decide.policy.reason(rule);
            context
                .tally
                .rules
                .count(decision, |rule| Some(reason(rule)?.name.as_str()));
            write(&self.plan, &self.in_force, event, decision, context);
            if let Some(observer) = context.observer {
                observer.decided(&self.in_force, event, decision);
            }
        }
        for event in self.events.drain(..) {
            context.recycle(event.row);
        }
    }

    /// Goes back to what was in force at the last write; drops the transactions that wait.
    pub fn restore(&mut self) {
        self.events.clear();
        self.in_force.clone_from(&self.at_last_write);
    }
}

fn count(tally: &mut Tally, event: &Event, decision: &Decision, now: i64) {
    *tally.decisions.entry(decision.policy.outcome).or_default() += 1;
    tally.degraded += u64::from(event.flags.contains(Flags::DEGRADED));
    tally.duplicates += u64::from(event.flags.contains(Flags::DUPLICATE));
    tally.late += u64::from(event.flags.contains(Flags::LATE));
    if let Value::Timestamp(written_at) = event.row[WRITTEN_AT] {
        tally.latencies.push(now.saturating_sub(written_at));
    }
}

/// Writes the record, keyed by the first entity, to the topic of decisions and to further outputs.
fn write(plan: &Plan, in_force: &InForce, event: &Event, decision: &Decision, context: &mut TaskContext<'_>) {
    let format = context.decision_format;
    let now = context.now;
    let mut key_text = String::new();
    let first_entity = plan.decide.entities.first();
    let first_key = first_entity.map(|(_, slot)| plan.published_value(*slot, &event.row[*slot]));
    let key = first_key.as_ref().and_then(|key| write_key(key, &mut key_text));
    let id = plan.published_id(event);
    let key = key.unwrap_or(&id).as_bytes();
    context.outputs.push(context.decisions, None, None, Some(key), |bytes| {
        with_decision_record(
            plan,
            in_force.set(),
            in_force.lists(),
            event,
            decision,
            Some(now),
            |record| {
                encode(record, format, bytes);
            },
        );
    });
    let outputs = &in_force.set().decide.outputs;
    write_headers(outputs, event, context.outputs);
    for (number, condition) in outputs.conditions.iter().enumerate() {
        if condition.is_true(&event.row) {
            context.outputs.repeat(context.further_outputs + number);
        }
    }
}

/// Adds the headers of a decision to its record.
fn write_headers(plan: &OutputPlan, event: &Event, outputs: &mut Outputs) {
    for header in &plan.copied {
        if let Value::Text(text) = &event.row[header.slot] {
            outputs.header(&header.name, &header_bytes(text));
        }
    }
    for header in &plan.computed {
        if let Some(value) = header_value(&header.value.evaluate(&event.row)) {
            outputs.header(&header.name, &value);
        }
    }
}

fn encode(record: &DecisionRecord<'_>, format: DecisionFormat, bytes: &mut Vec<u8>) {
    match format {
        DecisionFormat::Json => encode_json(record, bytes),
        DecisionFormat::Avro { schema_id } => {
            framing::prefix(schema_id, bytes);
            encode_avro(record, bytes);
        }
        DecisionFormat::AvroPlain => encode_avro(record, bytes),
    }
}

//! The test driver: production code on the in-process log, with a clock that is moved by hand. It needs no broker and never
//! waits.

use crate::clock::Clock;
use crate::error::WorkerError;
use crate::event_tally::EventTally;
use crate::faulty::{Faults, FaultyLog, LateRecords};
use crate::follower::Follower;
use crate::lists::Lists;
use crate::log::{LogError, TopicPartition};
use crate::memory::{Broker, MemoryLog, StoredRecord};
use crate::prepared::Prepared;
use crate::rollout::Rollouts;
use crate::source_phases::CatchUpSignal;
use crate::stop_reason::StopReason;
use crate::stores::Stores;
use crate::topology::{Topology, WorkerRole};
use crate::worker::{Worker, WorkerOptions};
use riskstream_features::state::{MemoryState, StateError, StateStore, StateWrites, Visit};
use riskstream_lists::{ListSet, Offsets};
use riskstream_scoring::DecisionSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The partitions whose tasks have state: those that the stages read.
pub fn partitions_with_state(topology: &Topology, broker: &Broker) -> BTreeSet<TopicPartition> {
    let topics = (0..topology.plan.stages.len()).map(|stage| topology.topic_of_stage(stage));
    let partitions = topics.flat_map(|topic| {
        let topic: Arc<str> = topic.into();
        let count = broker.partitions(&topic).unwrap_or(0);
        (0..count).map(move |partition| TopicPartition {
            topic: Arc::clone(&topic),
            partition,
        })
    });
    partitions.collect()
}

/// A clock that is set by hand.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as i64, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.now().unsigned_abs())
    }
}

/// Decision sets that a test makes ready.
#[derive(Clone, Debug, Default)]
pub struct ManualRollouts(Arc<Mutex<Vec<Arc<DecisionSet>>>>);

impl ManualRollouts {
    /// Makes a decision set ready.
    pub fn put(&self, set: Arc<DecisionSet>) {
        self.lock().push(set);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<DecisionSet>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rollouts for ManualRollouts {
    fn newest(&self) -> Option<Arc<DecisionSet>> {
        self.lock().iter().max_by_key(|set| set.revision).cloned()
    }

    fn prepared(&self, document: &str) -> Result<Arc<DecisionSet>, String> {
        let found = self.lock().iter().find(|set| &*set.document == document).cloned();
        found.ok_or_else(|| format!("`{document}` is not ready"))
    }
}

/// Versions of lists that a test makes ready.
#[derive(Clone, Debug, Default)]
pub struct ManualLists(Arc<Mutex<Vec<Arc<ListSet>>>>);

impl ManualLists {
    /// Makes versions ready, which are newer than those before.
    pub fn put(&self, lists: ListSet) {
        self.lock().push(Arc::new(lists));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<ListSet>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists for ManualLists {
    fn newest(&self) -> Option<Arc<ListSet>> {
        self.lock().last().cloned()
    }

    fn at(&self, offsets: &Offsets) -> Result<Arc<ListSet>, String> {
        let found = self.lock().iter().find(|lists| lists.offsets() == offsets).cloned();
        found.ok_or_else(|| format!("the lists of {offsets} are not ready"))
    }
}

/// States in memory that outlive the tasks that use them, as directories outlive processes.
#[derive(Clone, Debug, Default)]
pub struct MemoryStores(Arc<Mutex<BTreeMap<(String, i32), SharedState>>>);

impl MemoryStores {
    /// The state of a task, if it was ever opened.
    pub fn state(&self, stage: &str, partition: i32) -> Option<MemoryState> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states
            .get(&(stage.to_owned(), partition))
            .map(|state| state.lock().clone())
    }

    /// Loses all states, as a new machine does.
    pub fn lose(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Stores for MemoryStores {
    fn open(&mut self, stage: &str, partition: i32, _fingerprint: &str) -> Result<Box<dyn StateStore>, StopReason> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(
            states.entry((stage.to_owned(), partition)).or_default().clone(),
        ))
    }
}

#[derive(Clone, Debug, Default)]
struct SharedState(Arc<Mutex<MemoryState>>);

impl SharedState {
    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for SharedState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.lock().get(key)
    }

    fn visit(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), StateError> {
        self.lock().visit(prefix, visit)
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        self.lock().position()
    }

    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError> {
        self.lock().write(writes, position)
    }

    fn size(&self) -> u64 {
        self.lock().size()
    }
}

/// Makes the stores of a worker.
type MakeStores = Box<dyn Fn() -> Box<dyn Stores + Send>>;

/// A pipeline on topics in memory.
pub struct TestDriver {
    /// The topics; write inputs to it, read outputs from it.
    pub broker: Broker,
    /// The states, unless others are used.
    pub stores: MemoryStores,
    /// What makes the stores that are used instead.
    other_stores: Option<MakeStores>,
    /// The clock of all workers.
    pub clock: ManualClock,
    topology: Arc<Topology>,
    workers: Vec<(WorkerRole, Worker<FaultyLog<MemoryLog>>)>,
    /// Keeps a copy of every task's state, on a machine of its own.
    standby: Option<Worker<Follower<MemoryLog>>>,
    /// The states of that machine.
    pub standby_stores: MemoryStores,
    options: WorkerOptions,
    faults: Faults,
    late: LateRecords,
    history: CatchUpSignal,
    paused: Option<usize>,
    /// The decision sets that are ready.
    pub rollouts: ManualRollouts,
    /// The versions of lists that are ready.
    pub lists: ManualLists,
    /// Events so far, and records that stopped their partition, with another key than their topic is keyed by.
    pub key_mismatches: u64,
    /// Labels so far that came later than an entity's lateness, by the entity's stage.
    pub too_late_labels: BTreeMap<usize, u64>,
    /// What became of other events so far, with those that were applied again.
    pub other_events: EventTally,
}

impl TestDriver {
    /// Makes all topics with `partitions` partitions each and starts one worker.
    pub fn new(topology: Arc<Topology>, partitions: i32) -> TestDriver {
        let broker = Broker::new();
        for topic in topology.input_topics().iter().chain(&topology.output_topics()) {
            broker.create(topic, partitions);
        }
        let mut driver = TestDriver {
            broker,
            stores: MemoryStores::default(),
            other_stores: None,
            clock: ManualClock::default(),
            topology,
            workers: Vec::new(),
            standby: None,
            standby_stores: MemoryStores::default(),
            options: WorkerOptions::default(),
            faults: Faults::default(),
            late: LateRecords::default(),
            history: CatchUpSignal::default(),
            paused: None,
            rollouts: ManualRollouts::default(),
            lists: ManualLists::default(),
            key_mismatches: 0,
            too_late_labels: BTreeMap::new(),
            other_events: EventTally::default(),
        };
        driver.add_worker();
        driver
    }

    /// Ends all workers and starts one with another pipeline on the same log. Topics that are missing are made, each with as many
    /// partitions as the first input.
    pub fn change(&mut self, topology: Arc<Topology>) {
        let partitions = self.broker.partitions(&topology.inputs[0].topic).unwrap_or(1);
        for topic in topology.input_topics().iter().chain(&topology.output_topics()) {
            if self.broker.partitions(topic).is_none() {
                self.broker.create(topic, partitions);
            }
        }
        self.workers.clear();
        self.topology = topology;
        self.add_worker();
    }

    /// Limits of the workers added from now on.
    pub fn set_options(&mut self, options: WorkerOptions) {
        self.options = options;
    }

    /// How the log fails for the workers added from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Which stores the workers added from now on use instead of those in memory.
    pub fn set_stores(&mut self, stores: impl Fn() -> Box<dyn Stores + Send> + 'static) {
        self.other_stores = Some(Box::new(stores));
    }

    /// Workers that are added from now on belong to another process.
    pub fn begin_process(&mut self) {
        self.history = CatchUpSignal::default();
    }

    /// Stops a worker until [`TestDriver::resume_worker`]: it stays in the group and does nothing.
    pub fn pause_worker(&mut self, index: usize) {
        self.paused = Some(index);
    }

    /// Lets the worker that was stopped go on.
    pub fn resume_worker(&mut self) {
        self.paused = None;
    }

    /// Starts one more worker of the group, which reads all topics.
    pub fn add_worker(&mut self) {
        self.add_worker_of(WorkerRole::All);
    }

    /// Starts one more worker of the group, of this role.
    pub fn add_worker_of(&mut self, role: WorkerRole) {
        let inputs = self.topology.input_topics_of(role);
        let log = self.broker.join(inputs, self.topology.output_topics());
        let log = log.reading_headers(self.topology.copied_headers());
        // Each worker fails at other moments than its predecessor, or a run would never end.
        self.faults.seed = self.faults.seed.wrapping_add(1);
        let log = FaultyLog::new(log, self.faults, self.late.clone());
        let stores: Box<dyn Stores + Send> = match &self.other_stores {
            Some(make) => make(),
            None => Box::new(self.stores.clone()),
        };
        let prepared = self.prepared();
        let worker = Worker::new(
            log,
            Arc::clone(&self.topology),
            self.options,
            stores,
            Box::new(self.clock.clone()),
            prepared,
            self.history.clone(),
        );
        self.workers.push((role, worker));
    }

    /// Starts a standby for every task that has state. One that there is ends at once.
    pub fn start_standby(&mut self) {
        let partitions = partitions_with_state(&self.topology, &self.broker);
        let log = self.broker.observe().reading_headers(self.topology.copied_headers());
        self.standby = Some(Worker::new(
            Follower::new(log, Box::new(move || partitions.clone())),
            Arc::clone(&self.topology),
            self.options,
            Box::new(self.standby_stores.clone()),
            Box::new(self.clock.clone()),
            self.prepared(),
            CatchUpSignal::default(),
        ));
    }

    /// Loses the machine of all workers. Those that are added from now on are on the standby's.
    pub fn lose_workers(&mut self) {
        self.workers.clear();
        self.standby = None;
        self.stores = std::mem::take(&mut self.standby_stores);
    }

    fn prepared(&self) -> Prepared {
        Prepared {
            rollouts: Box::new(self.rollouts.clone()),
            lists: Box::new(self.lists.clone()),
        }
    }

    /// Ends a worker at once. What it had not committed is lost.
    pub fn kill_worker(&mut self, index: usize) {
        self.workers.remove(index);
    }

    /// Writes a record to the input with this index.
    pub fn send(&self, input: usize, key: &str, value: &[u8], timestamp: Option<i64>) {
        self.broker.produce(
            &self.topology.inputs[input].topic,
            Some(key.as_bytes()),
            Some(value),
            timestamp,
        );
    }

    /// One round of every worker, in turn; the number of events applied. A worker that is fenced is replaced by
    /// a new one, as the service does.
    pub fn round(&mut self) -> Result<usize, WorkerError> {
        let mut events = 0;
        if let Some(standby) = &mut self.standby {
            standby.round(Duration::ZERO)?;
        }
        for index in 0..self.workers.len() {
            if self.paused == Some(index) {
                continue;
            }
            let (role, worker) = &mut self.workers[index];
            let role = *role;
            match worker.round(Duration::ZERO) {
                Ok(round) => {
                    events += round.events;
                    self.key_mismatches += round.tally.key_mismatches;
                    self.other_events.merge(&round.tally.other_events);
                    for (stage, labels) in round.tally.too_late_labels {
                        *self.too_late_labels.entry(stage).or_default() += labels;
                    }
                }
                Err(WorkerError::Log(LogError::Unavailable(_))) => {}
                Err(WorkerError::Log(LogError::Fenced(_))) => {
                    self.kill_worker(index);
                    self.add_worker_of(role);
                    return Ok(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(events)
    }

    /// Rounds until everything written is decided and nothing waits.
    pub fn run(&mut self) -> Result<(), WorkerError> {
        let mut rounds_without_events = 0;
        while rounds_without_events < 3 {
            if self.round()? > 0 {
                rounds_without_events = 0;
                continue;
            }
            // Sources are declared idle after some time. Workers check their partitions more often than that.
            self.clock.advance(self.options.liveness.idle_after / 4);
            if self.is_done() {
                rounds_without_events += 1;
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.broker.is_consumed(&self.topology.input_topics())
            && !self
                .workers
                .iter()
                .any(|(_, worker)| worker.tasks().any(|(_, task, _)| task.waiting_frames() > 0))
    }

    /// The decisions so far, partition by partition.
    pub fn decisions(&self) -> Vec<StoredRecord> {
        self.broker.all_records(&self.topology.decisions)
    }

    /// The dead letters so far.
    pub fn dead_letters(&self) -> Vec<StoredRecord> {
        self.broker.all_records(&self.topology.dead_letters)
    }

    /// Number of labels that wait for their transactions.
    pub fn waiting_labels(&self) -> u64 {
        let tasks = self.workers.iter().flat_map(|(_, worker)| worker.tasks());
        let states = tasks.filter_map(|(_, task, _)| task.state());
        states.map(|state| state.waiting_labels()).sum()
    }

    /// Tasks that stopped.
    pub fn stopped(&self) -> Vec<crate::round::Stopped> {
        self.workers
            .iter()
            .flat_map(|(_, worker)| worker.stopped())
            .chain(self.standby.iter().flat_map(Worker::stopped))
            .cloned()
            .collect()
    }
}

//! Processes of a group on the in-process log, each with a disk of its own, and what happens to them.

use crate::clock::SimulatedClock;
use crate::definition;
use crate::home::{Checkpoints, Home, States};
use crate::load::{BEGIN, MOST_LATE, SECOND};
use crate::oracle;
use crate::scenario::{Mode, Scenario};
use riskstream_pipeline::driver::partitions_with_state;
use riskstream_pipeline::driver::{ManualLists, ManualRollouts};
use riskstream_pipeline::faulty::{Faults, FaultyLog, LateRecords};
use riskstream_pipeline::liveness::LivenessOptions;
use riskstream_pipeline::log::{LogError, TopicPartition};
use riskstream_pipeline::memory::{Broker, MemoryLog};
use riskstream_pipeline::{
    CatchUpSignal, Clock as _, Follower, Prepared, TaskError, Topology, Worker, WorkerError, WorkerOptions, WorkerRole,
};
use std::sync::Arc;
use std::time::Duration;

/// Rounds within which everything has to be decided after the last fault.
const LIVENESS_ROUNDS: usize = 10_000;

/// Rounds after which topics at rest are so in the sense of docs/guarantees.md, section 5: each source that has sent history has
/// been announced as idle, so that a catch-up is not still going on when the next part of the load comes.
const REST_ROUNDS: usize = 12;

/// What went wrong, in words.
pub type Failure = String;

type SimulatedWorker = Worker<FaultyLog<MemoryLog>>;

pub struct Process {
    pub roles: &'static [WorkerRole],
    pub home: Home,
    pub earlier: Option<States>,
    /// The number of each worker in the group.
    pub workers: Vec<(u64, SimulatedWorker)>,
    pub paused: u8,
    pub down: u8,
    /// Rounds until it hears that the group has taken it for dead.
    pub expelled: Option<u8>,
}

/// See the module.
pub struct Cluster<'s> {
    pub scenario: &'s Scenario,
    pub topology: Arc<Topology>,
    pub broker: Broker,
    pub clock: SimulatedClock,
    pub checkpoints: Checkpoints,
    pub late: LateRecords,
    pub processes: Vec<Process>,
    pub standby: Option<(Worker<Follower<MemoryLog>>, Home)>,
    /// Workers so far: each fails at other moments than the one before.
    pub started: u64,
    /// A line for each thing that happened, if they are wanted.
    pub trace: Option<Vec<String>>,
    pub round: usize,
}

const ALL: &[WorkerRole] = &[WorkerRole::All];
const APART: &[WorkerRole] = &[WorkerRole::Upstream, WorkerRole::Deciding];

impl<'s> Cluster<'s> {
    pub fn new(scenario: &'s Scenario, is_traced: bool) -> Cluster<'s> {
        let topology = definition::topology(scenario);
        let broker = Broker::new();
        broker.create("payments", oracle::partitions_of_input(scenario));
        if let Some(partitions) = scenario.label_partitions {
            broker.create("labels", partitions);
        }
        if let Some(table) = scenario.table {
            broker.create("rows", table.partitions);
        }
        broker.create(&topology.decisions, 2);
        broker.create(&topology.dead_letters, 1);
        for (topic, entity) in topology.repartition_topics.iter().zip(&scenario.entities) {
            if let Some(topic) = topic {
                broker.create(topic, entity.partitions);
            }
        }
        let clock = SimulatedClock::default();
        let later = if scenario.mode == Mode::History {
            100 * 365 * 86_400
        } else {
            0
        };
        clock.advance((BEGIN + later) * SECOND);
        let checkpoints = Checkpoints::default();
        let process = |(number, apart): (usize, &bool)| Process {
            roles: if *apart && topology.repartition_topics.last().is_some_and(Option::is_some) {
                APART
            } else {
                ALL
            },
            home: Home::new(
                scenario.faults.seed ^ number as u64,
                scenario.store_faults,
                Arc::clone(&checkpoints),
            ),
            earlier: None,
            workers: Vec::new(),
            paused: 0,
            down: 0,
            expelled: None,
        };
        let processes = scenario.processes.iter().enumerate().map(process).collect();
        let mut cluster = Cluster {
            scenario,
            topology,
            broker,
            clock,
            checkpoints,
            late: LateRecords::default(),
            processes,
            standby: None,
            started: 0,
            trace: is_traced.then(Vec::new),
            round: 0,
        };
        if scenario.mode == Mode::Told {
            cluster.tell(i64::MIN);
        }
        (0..cluster.processes.len()).for_each(|process| cluster.start(process));
        if scenario.has_standby {
            cluster.start_standby();
        }
        cluster
    }

    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("round {:>3}: {}", self.round, what()));
        }
    }

    fn options(&self) -> WorkerOptions {
        let default = LivenessOptions::default();
        let liveness = match self.scenario.mode {
            Mode::Live => default,
            _ => LivenessOptions {
                live_rate: 0,
                real_time: Duration::ZERO,
                ..default
            },
        };
        WorkerOptions {
            batch_events: self.scenario.batch_events,
            liveness,
            ..WorkerOptions::default()
        }
    }

    fn prepared() -> Prepared {
        Prepared {
            rollouts: Box::new(ManualRollouts::default()),
            lists: Box::new(ManualLists::default()),
        }
    }

    pub fn start(&mut self, number: usize) {
        let signal = CatchUpSignal::default();
        let options = self.options();
        let process = &mut self.processes[number];
        process.expelled = None;
        process.workers.clear();
        for role in process.roles {
            let log = self
                .broker
                .join(self.topology.input_topics_of(*role), self.topology.output_topics());
            let member = log.member();
            self.started += 1;
            let faults = Faults {
                seed: self.scenario.faults.seed.wrapping_add(self.started),
                ..self.scenario.faults
            };
            let worker = Worker::new(
                FaultyLog::new(log, faults, self.late.clone()),
                Arc::clone(&self.topology),
                options,
                Box::new(process.home.clone()),
                Box::new(self.clock.clone()),
                Self::prepared(),
                signal.clone(),
            );
            process.workers.push((member, worker));
        }
    }

    /// A worker that applies what the group has committed, for state only.
    pub fn follower(&self, home: &Home) -> Worker<Follower<MemoryLog>> {
        let partitions = partitions_with_state(&self.topology, &self.broker);
        Worker::new(
            Follower::new(self.broker.observe(), Box::new(move || partitions.clone())),
            Arc::clone(&self.topology),
            WorkerOptions {
                batch_events: 1000,
                ..self.options()
            },
            Box::new(home.clone()),
            Box::new(self.clock.clone()),
            Self::prepared(),
            CatchUpSignal::default(),
        )
    }

    /// A disk without faults that has nothing but the checkpoints.
    pub fn new_home(&self) -> Home {
        Home::new(0, [0; 3], Arc::clone(&self.checkpoints))
    }

    pub fn start_standby(&mut self) {
        let home = self.new_home();
        self.standby = Some((self.follower(&home), home));
    }

    /// One round of all; the number of events applied.
    fn one_round(&mut self) -> Result<usize, Failure> {
        let mut events = 0;
        if let Some((standby, _)) = &mut self.standby
            && let Err(error) = standby.round(Duration::ZERO)
        {
            is_expected(&error)?;
            self.start_standby();
        }
        for number in 0..self.processes.len() {
            let process = &mut self.processes[number];
            if process.down > 0 {
                process.down -= 1;
                if process.down == 0 {
                    self.start(number);
                }
                continue;
            }
            if process.paused > 0 {
                process.paused -= 1;
                continue;
            }
            match process.expelled {
                Some(0) => {
                    self.note(|| format!("process {number} hears that it was taken for dead"));
                    self.start(number);
                    continue;
                }
                Some(rounds) => process.expelled = Some(rounds - 1),
                None => {}
            }
            events += self.round_of(number)?;
        }
        Ok(events)
    }

    fn round_of(&mut self, number: usize) -> Result<usize, Failure> {
        let mut events = 0;
        for worker in 0..self.processes[number].workers.len() {
            match self.processes[number].workers[worker].1.round(Duration::ZERO) {
                Ok(round) => {
                    events += round.events;
                    if self.trace.is_some() && (round.events > 0 || round.written > 0) {
                        let (read, written) = (round.events, round.written);
                        let committed = if round.commit.is_some() { ", committed" } else { "" };
                        self.note(|| format!("process {number}.{worker}: {read} events, {written} records{committed}"));
                    }
                }
                Err(WorkerError::Log(LogError::Unavailable(_))) => {}
                Err(error) => {
                    is_expected(&error)?;
                    self.note(|| format!("process {number}: {error}"));
                    self.start(number);
                    return Ok(events + 1);
                }
            }
        }
        Ok(events)
    }

    fn is_at_rest(&self) -> bool {
        let is_up = |process: &Process| process.down == 0 && process.paused == 0 && process.expelled.is_none();
        let are_up = self.processes.iter().all(is_up);
        let workers = || self.processes.iter().flat_map(|process| &process.workers);
        let topics = self.topology.input_topics();
        let partitions = topics
            .iter()
            .filter_map(|topic| self.broker.partitions(topic))
            .sum::<i32>();
        let read = workers().map(|(_, worker)| worker.tasks().count()).sum::<usize>();
        are_up
            && read == partitions as usize
            && self.broker.is_consumed(&topics)
            && !workers().any(|(_, worker)| worker.tasks().any(|(_, task, _)| task.waiting_frames() > 0))
    }

    /// How much time passes after a round.
    fn pass_time(&self, events: usize) {
        let waits = self
            .processes
            .iter()
            .any(|process| process.down > 0 || process.paused > 0);
        match self.scenario.mode {
            // Who stalls while history begins to come may count as idle.
            Mode::History if events > 0 || waits => {}
            Mode::Live if events > 0 => self.clock.advance(20_000),
            _ => self.clock.advance(500_000),
        }
    }

    /// Runs the scenario until everything is decided.
    pub fn run(&mut self) -> Result<(), Failure> {
        let scenario = self.scenario;
        let parts = scenario.events.last().map_or(0, |sent| sent.part + 1);
        let (mut part, mut at_rest, mut since_part) = (0, 0, 0);
        let mut actions = scenario.actions.iter().peekable();
        let mut disturbed = 0;
        loop {
            while let Some((_, process, action)) = actions.next_if(|(round, ..)| *round <= self.round) {
                self.act(process % scenario.processes.len(), *action)?;
            }
            let is_due = match scenario.mode {
                Mode::History => at_rest >= REST_ROUNDS,
                _ => since_part >= scenario.gap,
            };
            if part < parts && (part == 0 || is_due) {
                self.send(part);
                (part, at_rest, since_part) = (part + 1, 0, 0);
                continue;
            }
            if self.round == scenario.calm_from {
                self.end_faults();
            }
            let is_calm = self.round >= scenario.calm_from && actions.peek().is_none();
            let events = self.one_round()?;
            self.round += 1;
            since_part += 1;
            self.pass_time(events);
            at_rest = if events == 0 && self.is_at_rest() {
                at_rest + 1
            } else {
                0
            };
            if at_rest > 3 && is_calm && part == parts {
                return self.is_read();
            }
            if !is_calm || since_part == 1 {
                disturbed = self.round;
            }
            if self.round - disturbed > LIVENESS_ROUNDS {
                return Err(format!(
                    "not everything is decided {LIVENESS_ROUNDS} rounds after the last fault: {}",
                    self.rest()
                ));
            }
        }
    }

    fn end_faults(&mut self) {
        self.note(|| "no more faults".to_owned());
        self.late.end();
        self.processes.iter().for_each(|process| process.home.end_faults());
    }

    /// What is left to be done.
    fn rest(&self) -> String {
        let mut rest = Vec::new();
        for topic in self.topology.input_topics() {
            for partition in 0..self.broker.partitions(&topic).unwrap_or(0) {
                let at = TopicPartition {
                    topic: Arc::clone(&topic),
                    partition,
                };
                let committed = self.broker.committed(&at).map_or(0, |committed| committed.offset);
                let end = self
                    .broker
                    .records(&topic, partition)
                    .last()
                    .map_or(0, |(offset, _)| offset + 1);
                if committed < end {
                    rest.push(format!("{at} is committed up to {committed} of {end}"));
                }
            }
        }
        let workers = self.processes.iter().flat_map(|process| &process.workers);
        let mut read: Vec<&TopicPartition> = workers
            .flat_map(|(_, worker)| worker.tasks().map(|(at, ..)| at))
            .collect();
        read.sort();
        let twice = read.windows(2).filter(|pair| pair[0] == pair[1]);
        rest.extend(twice.map(|pair| format!("{} is read twice", pair[0])));
        rest.push(format!("{} partitions are read", read.len()));
        for (number, process) in self.processes.iter().enumerate() {
            for (_, worker) in &process.workers {
                for (at, task, lag) in worker.tasks().filter(|(.., lag)| *lag != Some(0)) {
                    let position = task.position();
                    rest.push(format!("{at} at process {number} lags by {lag:?}, state at {position}"));
                }
                for (at, why) in worker.waiting() {
                    rest.push(format!("{at} at process {number} waits: {why}"));
                }
                for (at, task, _) in worker.tasks().filter(|(_, task, _)| task.waiting_frames() > 0) {
                    rest.push(format!(
                        "{at} at process {number} has {} frames that wait",
                        task.waiting_frames()
                    ));
                }
            }
        }
        rest.extend(self.is_read().err());
        rest.join("; ")
    }

    fn is_read(&self) -> Result<(), Failure> {
        let workers = self.processes.iter().flat_map(|process| &process.workers);
        match workers.flat_map(|(_, worker)| worker.stopped()).next() {
            Some(stopped) => Err(format!("{} has stopped: {}", stopped.partition, stopped.reason)),
            None => Ok(()),
        }
    }

    fn send(&mut self, part: usize) {
        self.note(|| format!("part {part} of the load is sent"));
        let scenario = self.scenario;
        for sent in scenario.events.iter().filter(|sent| sent.part == part) {
            let Some(input) = self.topology.inputs.get(scenario.input_of(sent)) else {
                continue;
            };
            let key = sent.record_key(scenario);
            let (value, timestamp) = match sent.is_deletion {
                true => (None, Some(sent.time)),
                false => (Some(sent.json()), None),
            };
            self.broker
                .produce(&input.topic, Some(key.as_bytes()), value.as_deref(), timestamp);
        }
        let of_part = scenario.events.iter().filter(|sent| sent.part <= part);
        let now = of_part.map(|sent| sent.sent_at).max().unwrap_or(BEGIN);
        match scenario.mode {
            Mode::Told if part == scenario.events.last().map_or(0, |sent| sent.part) => self.tell(i64::MAX),
            Mode::Told => self.tell((now - MOST_LATE) * SECOND),
            Mode::Live => self.clock.advance(((now * SECOND) - self.clock.now()).max(0)),
            Mode::History => {}
        }
    }

    fn tell(&self, time: i64) {
        let topics: Vec<_> = self
            .topology
            .inputs
            .iter()
            .map(|input| Arc::clone(&input.topic))
            .collect();
        self.broker.set_written_until(&topics, time);
    }

    /// The states of all tasks, each from the disk of its owner.
    pub fn states(&self) -> States {
        let mut states = States::new();
        for process in &self.processes {
            let mut on_disk = process.home.states();
            for (_, worker) in &process.workers {
                for (at, task, _) in worker.tasks() {
                    let Some(state) = task.state() else { continue };
                    let entity = self.topology.plan.stages[state.stage()].entity.clone();
                    let task = (entity, at.partition);
                    states.extend(on_disk.remove(&task).map(|state| (task, state)));
                }
            }
        }
        states
    }

    /// Lets so much time pass that whatever is due becomes due.
    pub fn wait(&self) {
        self.clock.advance(500_000);
    }
}

/// Whether a worker may end with this error: the service replaces it.
pub fn is_expected(error: &WorkerError) -> Result<(), Failure> {
    match error {
        WorkerError::Log(LogError::Fenced(_) | LogError::Aborted(_) | LogError::Unavailable(_))
        | WorkerError::Task(TaskError::State(_)) => Ok(()),
        error => Err(format!("a worker ended: {error}")),
    }
}

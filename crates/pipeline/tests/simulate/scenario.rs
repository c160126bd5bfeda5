//! What is run: topology, pipeline, load and faults, drawn from a seed. Plain data, so that it can be made smaller.

use crate::load::{self, Sent};
use crate::random::Random;
use crate::table::{self, ROWS, Table};
use riskstream_features::{Aggregation, Constructor};
use riskstream_pipeline::faulty::Faults;

/// How sources are merged, which says what the oracle may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those who write say how far they are: no clock has a part in the order.
    Told,
    /// History, which comes in parts to topics at rest: sources are merged by their watermarks, and found idle.
    History,
    /// Payments of now: rows of different partitions are applied as they come.
    Live,
}

/// A feature over the events of an entity.
#[derive(Clone, Debug)]
pub struct Feature {
    pub entity: usize,
    pub aggregation: Aggregation,
    /// A field's name; none counts events.
    pub value: Option<&'static str>,
    pub of_labels: bool,
    pub condition: Option<&'static str>,
    /// In seconds.
    pub window: Option<i64>,
    pub delay: i64,
    pub include_current: bool,
    pub is_coarse: bool,
}

/// An entity: a stage.
#[derive(Clone, Copy, Debug)]
pub struct Entity {
    /// In seconds.
    pub lateness: i64,
    pub dedupe: i64,
    /// Partitions of the topic in front of it.
    pub partitions: i32,
}

/// What happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It ends at once and comes back after so many rounds.
    Kill { down: u8 },
    /// The same, and its disk is empty.
    KillAndWipe { down: u8 },
    /// The same, and one of its states is gone.
    KillAndLoseOne { down: u8, which: u8 },
    /// The same, and its disk is as it was at some earlier time.
    KillAndGoBack { down: u8 },
    /// The disk of the standby takes the place of its own.
    TakeStandby,
    /// It does nothing for so many rounds, and stays in the group.
    Pause { rounds: u8 },
    /// The group takes it for dead, and it goes on for so many rounds without knowing.
    Zombie { rounds: u8, paused: u8 },
    /// It leaves the group as a service does that is stopped, and comes back.
    Leave { down: u8 },
    /// Copies of its states are kept as checkpoints. `damaged`: none of them can be used.
    Checkpoint { damaged: bool },
    /// The log forgets what checkpoints do not need.
    Retention,
    /// The clock of the machine leaps, by so many seconds.
    ClockJump { seconds: i32 },
    /// The disk is copied: what it may go back to later.
    Remember,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub mode: Mode,
    pub entities: Vec<Entity>,
    pub features: Vec<Feature>,
    pub input_partitions: i32,
    /// None: there is no input of labels.
    pub label_partitions: Option<i32>,
    /// None: there is no table.
    pub table: Option<Table>,
    /// Whether the transactions' topic is keyed by the first entity.
    pub is_keyed: bool,
    /// For each process whether the deciding stage has a worker of its own.
    pub processes: Vec<bool>,
    pub has_standby: bool,
    pub batch_events: usize,
    pub events: Vec<Sent>,
    /// Rounds between two parts of the load.
    pub gap: usize,
    pub faults: Faults,
    /// Of writes and reads of state, in thousandths.
    pub store_faults: [u16; 3],
    /// The round from which on logs and disks do not fail any more, at the earliest.
    pub calm_from: usize,
    /// The round, the process, and what happens to it.
    pub actions: Vec<(usize, usize, Action)>,
}

impl Scenario {
    pub fn draw(seed: u64) -> Scenario {
        let mut random = Random::new(seed);
        let random = &mut random;
        let mode = match random.below(10) {
            0..5 => Mode::Told,
            5..8 => Mode::History,
            _ => Mode::Live,
        };
        let entities: Vec<Entity> = (0..random.choose(&[1, 1, 2, 2, 2, 3, 4]))
            .map(|_| Entity {
                lateness: random.within(1, 60),
                dedupe: random.within(1, 80),
                partitions: partitions(random),
            })
            .collect();
        let label_partitions = random.percent(50).then(|| partitions(random));
        let is_keyed = random.percent(60);
        let count = random.within(1, 6) as usize;
        let mut features: Vec<Feature> = (0..entities.len()).map(count_of).collect();
        features.extend((0..count).map(|_| feature(random, entities.len(), label_partitions.is_some())));
        // An input that no feature uses is not read.
        let label_partitions = label_partitions.filter(|_| features.iter().any(|feature| feature.of_labels));
        let processes: Vec<bool> = (0..random.choose(&[1, 2, 2, 3, 3, 4, 6, 8]))
            .map(|_| entities.len() > 1 && random.percent(30))
            .collect();
        let (mut events, parts) = load::draw(random, mode, entities.len(), label_partitions.is_some());
        let table = table::draw(seed, mode, entities.len(), &mut events);
        let gap = random.within(1, 12) as usize;
        let calm = random.percent(10);
        let rate = |random: &mut Random, limit: u16| match calm || random.percent(30) {
            true => 0,
            false => random.below(usize::from(limit)) as u16,
        };
        let faults = Faults {
            seed: random.next(),
            aborted: rate(random, 80),
            committed_unknown: rate(random, 60),
            lost_unknown: rate(random, 60),
            unacknowledged: rate(random, 80),
            late: rate(random, 50),
            unavailable: rate(random, 60),
        };
        let store_faults = [rate(random, 10), rate(random, 10), rate(random, 2)];
        let calm_from = random.below(parts * 40);
        let last = parts * gap + 20;
        let number = if calm { 0 } else { random.below(14) };
        let mut actions: Vec<_> = (0..number)
            .map(|_| (random.below(last), random.below(processes.len()), action(random, mode)))
            .collect();
        actions.sort_by_key(|(round, ..)| *round);
        Scenario {
            mode,
            input_partitions: partitions(random),
            entities,
            features,
            label_partitions,
            table,
            is_keyed,
            processes,
            has_standby: random.percent(25),
            batch_events: random.choose(&[8, 20, 50, 1000]),
            events,
            gap,
            faults,
            store_faults,
            calm_from,
            actions,
        }
    }

    /// Whether the first stage reads the transactions' own topic.
    pub fn reads_input(&self) -> bool {
        self.is_keyed && self.label_partitions.is_none() && self.table.is_none()
    }

    /// The same without a table.
    pub fn without_table(mut self) -> Scenario {
        self.events.retain(|sent| sent.input != ROWS);
        self.table = None;
        self
    }

    /// The place of a record's input in the plan.
    pub fn input_of(&self, sent: &Sent) -> usize {
        match sent.input {
            ROWS => 1 + usize::from(self.label_partitions.is_some()),
            input => usize::from(input),
        }
    }
}

fn partitions(random: &mut Random) -> i32 {
    random.choose(&[1, 1, 2, 2, 3, 4, 5, 8, 16])
}

/// A payment's count: each entity has to have a feature.
fn count_of(entity: usize) -> Feature {
    Feature {
        entity,
        aggregation: Aggregation::Count,
        value: None,
        of_labels: false,
        condition: None,
        window: Some(120),
        delay: 0,
        include_current: true,
        is_coarse: false,
    }
}

fn feature(random: &mut Random, entities: usize, has_labels: bool) -> Feature {
    let definition = random.choose(Aggregation::TABLE);
    let aggregation = match definition.constructor {
        Constructor::Plain(aggregation) => aggregation,
        Constructor::K(of) => of(1 + random.below(5)),
        Constructor::Q(of) => of(random.below(9) as f64 / 8.0),
        Constructor::HalfLife(of) => of(random.within(1, 200) * load::SECOND),
    };
    let of_labels = has_labels && random.percent(25);
    let fields = load::FIELDS.iter();
    let accepted: Vec<&'static str> = fields
        .filter(|field| definition.operand.accepts(field.value_type))
        .map(|field| field.name)
        .collect();
    let value = (!definition.operand.is_events()).then(|| random.choose(&accepted));
    let condition = match random.below(4) {
        0 if of_labels => Some("fraud"),
        0 => Some("abroad"),
        1 if !of_labels => Some("amount > 3.0"),
        _ => None,
    };
    let mut window = match random.below(7) {
        0 => None,
        1..5 => Some(random.within(1, 40)),
        _ => Some(random.within(100, 900)),
    };
    if aggregation.is_decayed() {
        window = None;
    } else if !aggregation.allows_no_window() {
        window = window.or(Some(70));
    }
    Feature {
        entity: random.below(entities),
        aggregation,
        value,
        of_labels,
        condition,
        window,
        delay: if random.percent(25) { random.within(1, 60) } else { 0 },
        include_current: random.percent(50),
        is_coarse: aggregation.is_fixed_point() && value == Some("amount") && random.percent(30),
    }
}

fn action(random: &mut Random, mode: Mode) -> Action {
    let down = random.below(6) as u8;
    match random.below(15) {
        0 | 1 => Action::Kill { down },
        2 => Action::KillAndWipe { down },
        3 => Action::KillAndLoseOne {
            down,
            which: random.below(256) as u8,
        },
        4 => Action::KillAndGoBack { down },
        5 => Action::TakeStandby,
        6 | 7 => Action::Pause {
            rounds: random.below(12) as u8,
        },
        8 | 9 => Action::Zombie {
            rounds: random.below(4) as u8,
            paused: random.below(8) as u8,
        },
        10 => Action::Leave { down },
        11 => Action::Checkpoint {
            damaged: random.percent(20),
        },
        12 => Action::Retention,
        13 if mode != Mode::History => Action::ClockJump {
            seconds: random.within(-7_200, 7_200) as i32,
        },
        _ => Action::Remember,
    }
}

//! What a decision costs with 20, 200 and 2,000 rules, against evaluating every rule's condition one after the other, in the same
//! run: `cargo bench -p riskstream-policy`. Rules are conjunctions of one to four terms, mostly of one feature and a constant,
//! as analysts write them.

#[path = "../../features/benches/cpu_time/mod.rs"]
mod cpu_time;

use cpu_time::clock;
use riskstream_events::{Outcome, Value, ValueType};
use riskstream_expressions::Scope;
use riskstream_policy::{Policy, PolicyResult, PolicySpec, RuleMode, RuleSpec, ThresholdSpec};
use std::hint::black_box;
use std::time::Duration;

const NUMBERS: u64 = 60;
const TEXTS: u64 = 10;
const BOOLS: u64 = 10;
const WORDS: u64 = 200;
const ROWS: usize = 1_000;
const ROUNDS: usize = 10;
/// Conditions that a round evaluates about: so many that a clock with ticks of 4 ms suffices.
const WORK: usize = 4_000_000;

/// A fixed sequence of evenly distributed numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }

    /// A term of a condition. Numbers of a row are evenly distributed from 0 to 1000.
    fn term(&mut self) -> String {
        let [a, b] = [self.below(NUMBERS), self.below(NUMBERS)];
        let [text, flag] = [self.below(TEXTS), self.below(BOOLS)];
        match self.below(100) {
            0..=34 => format!("n{a} > {}", 600 + self.below(400)),
            35..=49 => format!("n{a} <= {}.5", self.below(300)),
            50..=59 => format!("coalesce(n{a}, 0) >= {}", 700 + self.below(300)),
            60..=69 => format!("n{a} > {}.0 * n{b}", 2 + self.below(8)),
            70..=79 => format!("t{text} == 'w{}'", self.below(WORDS)),
            80..=86 => {
                let words: Vec<String> = (0..3 + self.below(20))
                    .map(|_| format!("'w{}'", self.below(WORDS)))
                    .collect();
                format!("t{text} in [{}]", words.join(", "))
            }
            87..=91 => format!("b{flag}"),
            92..=95 => format!("n{a} == null"),
            _ => format!("(n{a} > {} || b{flag})", 900 + self.below(100)),
        }
    }

    fn rule(&mut self, index: usize) -> RuleSpec {
        let terms: Vec<String> = (0..2 + self.below(3)).map(|_| self.term()).collect();
        RuleSpec {
            name: format!("r{index}"),
            when: terms.join(" && "),
            then: if index.is_multiple_of(3) {
                Outcome::DECLINE
            } else {
                Outcome::REVIEW
            },
            reason: format!("R{index}"),
            description: None,
            mode: RuleMode::Active,
            share: None,
            set: Vec::new(),
        }
    }

    fn row(&mut self) -> Vec<Value> {
        let mut row = vec![Value::Float(self.below(1000) as f64 / 1000.0)];
        row.extend((0..NUMBERS).map(|_| match self.below(20) {
            0 => Value::Null,
            _ => Value::Float(self.below(100_000) as f64 / 100.0),
        }));
        row.extend((0..TEXTS).map(|_| Value::Text(format!("w{}", self.below(WORDS)).into())));
        row.extend((0..BOOLS).map(|_| Value::Bool(self.below(10) == 0)));
        row
    }
}

fn scope() -> Scope {
    let mut scope = Scope::new();
    scope.add("score", 0, ValueType::Float);
    let kinds = [
        ("n", NUMBERS, ValueType::Float),
        ("t", TEXTS, ValueType::Text),
        ("b", BOOLS, ValueType::Bool),
    ];
    let mut slot = 1;
    for (prefix, count, value_type) in kinds {
        for index in 0..count {
            scope.add(format!("{prefix}{index}"), slot, value_type);
            slot += 1;
        }
    }
    scope
}

fn threshold(outcome: Outcome, when: &str) -> ThresholdSpec {
    ThresholdSpec {
        outcome,
        when: when.to_owned(),
        reason: "SCORE".to_owned(),
    }
}

fn measure(rules: usize) {
    let mut random = Random(7);
    let spec = PolicySpec {
        rules: (0..rules).map(|index| random.rule(index)).collect(),
        thresholds: vec![
            threshold(Outcome::DECLINE, "score >= 0.99"),
            threshold(Outcome::REVIEW, "score >= 0.95"),
        ],
        ..PolicySpec::default()
    };
    let start = clock();
    let policy = Policy::compile(&spec, &scope()).expect("the rules are valid");
    let compiled = clock() - start;
    let rows: Vec<Vec<Value>> = (0..ROWS).map(|_| random.row()).collect();
    let mut result = PolicyResult::default();
    let mut fired = 0;
    let (mut decided, mut each) = (Duration::ZERO, Duration::ZERO);
    let repeats = WORK / (rules * ROWS);
    for _ in 0..ROUNDS {
        let start = clock();
        for row in rows.iter().cycle().take(repeats * ROWS) {
            policy.decide(black_box(row), &mut result);
            fired += black_box(&result).fired.len();
        }
        decided += clock() - start;
        let start = clock();
        for row in rows.iter().cycle().take(repeats * ROWS) {
            for condition in policy.conditions() {
                black_box(condition.is_true(black_box(row)));
            }
        }
        each += clock() - start;
    }
    let decisions = (ROUNDS * repeats * ROWS) as f64;
    let [decided, each] = [decided, each].map(|time| time.as_secs_f64() * 1e6 / decisions);
    println!(
        "{rules:>6} rules: {decided:7.2} µs a decision, {:.3} of evaluating each condition ({each:.2} µs); {:.1} fire; compiled in {:.1} ms",
        decided / each,
        fired as f64 / decisions,
        compiled.as_secs_f64() * 1e3,
    );
}

fn main() {
    for rules in [5, 20, 200, 2_000] {
        measure(rules);
    }
}

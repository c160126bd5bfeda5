//! Loads and walks a tree ensemble with arbitrary lists as attributes, in a file that always decodes.
#![no_main]

#[path = "../../crates/models/tests/support/mod.rs"]
mod support;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use support::{floats, int, ints, load, ml, single, string, strings};

const MODES: [&str; 7] = [
    "LEAF",
    "BRANCH_LEQ",
    "BRANCH_LT",
    "BRANCH_GTE",
    "BRANCH_GT",
    "BRANCH_EQ",
    "BRANCH_NEQ",
];

/// Small numbers, which are mostly valid. [`Input::offset`] moves the numbers of one list out of range.
#[derive(Arbitrary, Debug)]
struct Node {
    tree: i8,
    id: i8,
    feature: i8,
    mode: u8,
    threshold: f32,
    on_true: i8,
    on_false: i8,
    missing: bool,
}

#[derive(Arbitrary, Debug)]
struct Weight {
    tree: i8,
    node: i8,
    target: i8,
    value: f32,
}

#[derive(Arbitrary, Debug)]
struct Input {
    nodes: Vec<Node>,
    weights: Vec<Weight>,
    targets: i64,
    offset: (u8, i64),
    row: [f64; 3],
}

/// Silences panics inside tract, which are caught and become errors. Only an uncaught panic is a finding.
fn allow_caught_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

fuzz_target!(init: allow_caught_panics(), |input: Input| {
    let list = |index: u8, value: &dyn Fn(&Node) -> i8| -> Vec<i64> {
        let offset = if input.offset.0 == index { input.offset.1 } else { 0 };
        input.nodes.iter().map(|node| i64::from(value(node)).wrapping_add(offset)).collect()
    };
    let weights = |value: &dyn Fn(&Weight) -> i8| -> Vec<i64> {
        input.weights.iter().map(|weight| i64::from(value(weight))).collect()
    };
    let modes: Vec<&str> = input.nodes.iter().map(|node| MODES[usize::from(node.mode) % MODES.len()]).collect();
    let thresholds: Vec<f32> = input.nodes.iter().map(|node| node.threshold).collect();
    let values: Vec<f32> = input.weights.iter().map(|weight| weight.value).collect();
    let attributes = vec![
        ints("nodes_treeids", &list(0, &|node| node.tree)),
        ints("nodes_nodeids", &list(1, &|node| node.id)),
        ints("nodes_featureids", &list(2, &|node| node.feature)),
        strings("nodes_modes", &modes),
        floats("nodes_values", &thresholds),
        ints("nodes_truenodeids", &list(3, &|node| node.on_true)),
        ints("nodes_falsenodeids", &list(4, &|node| node.on_false)),
        ints("nodes_missing_value_tracks_true", &list(5, &|node| i8::from(node.missing))),
        ints("target_treeids", &weights(&|weight| weight.tree)),
        ints("target_nodeids", &weights(&|weight| weight.node)),
        ints("target_ids", &weights(&|weight| weight.target)),
        floats("target_weights", &values),
        int("n_targets", input.targets),
        string("post_transform", "NONE"),
    ];
    let Ok(model) = load(&single(3, ml("TreeEnsembleRegressor", &["x"], &["y"], attributes))) else {
        return;
    };
    let _ = model.scorer().score(&input.row, &mut Vec::new());
});

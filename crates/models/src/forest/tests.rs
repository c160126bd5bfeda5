//! The forest against a walk over the ensemble.

use proptest::prelude::*;

use super::ensemble::{Branch, Comparison, Ensemble, EnsembleError, Node, Weight};
use super::{Compact, Forest, Keys, Number, Record, Wide};

/// Follows the specification node by node.
fn leaf(ensemble: &Ensemble, root: u32, row: &[f64]) -> (u32, u32) {
    let mut node = root;
    loop {
        match &ensemble.nodes[node as usize] {
            Node::Leaf { first, count } => return (*first, *count),
            Node::Branch(branch) => {
                let value = row[branch.feature as usize];
                let holds = if value.is_nan() {
                    branch.missing_is_true
                } else {
                    holds(ensemble, branch, value)
                };
                node = if holds { branch.on_true } else { branch.on_false };
            }
        }
    }
}

fn holds(ensemble: &Ensemble, branch: &Branch, value: f64) -> bool {
    let threshold = branch.threshold;
    match branch.comparison {
        Comparison::LessOrEqual => value <= threshold,
        Comparison::Less => value < threshold,
        Comparison::GreaterOrEqual => value >= threshold,
        Comparison::Greater => value > threshold,
        Comparison::Equal => value == threshold,
        Comparison::NotEqual => value != threshold,
        Comparison::Member { first, count } => ensemble.members[first as usize..][..count as usize].contains(&value),
    }
}

fn naive(ensemble: &Ensemble, row: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; ensemble.targets];
    for &root in &ensemble.roots {
        let (first, count) = leaf(ensemble, root, row);
        for weight in &ensemble.weights[first as usize..][..count as usize] {
            sums[weight.target as usize] += weight.value;
        }
    }
    sums
}

fn flat<R: Record>(ensemble: &Ensemble, rows: &[Vec<f64>]) -> Vec<Vec<f64>>
where
    R::Number: Into<f64>,
{
    let forest = Forest::<R>::new(ensemble).unwrap().unwrap();
    let width = rows[0].len();
    let numbers: Vec<R::Number> = rows.iter().flatten().map(|&value| R::Number::from_f64(value)).collect();
    let mut sums = vec![vec![0.0; ensemble.targets]; rows.len()];
    let single_target = super::single_target(ensemble);
    forest.for_each_leaf(&numbers, width, &mut Keys::default(), |row, weights| {
        for weight in weights {
            sums[row][single_target.unwrap_or(weight.target)] += weight.value.into();
        }
    });
    if let Some(target) = single_target {
        let mut single = vec![R::Number::zero(); rows.len()];
        forest.sum_single(&numbers, width, &mut Keys::default(), &mut single);
        for (sums, single) in sums.iter().zip(single) {
            assert_eq!(sums[target], single.into());
        }
    }
    sums
}

const FEATURES: usize = 5;

/// Small integers collide with thresholds; the rest are the values that comparisons get wrong.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-4i32..5).prop_map(f64::from),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.5]),
    ]
}

fn comparison(members: u32) -> impl Strategy<Value = Comparison> {
    prop_oneof![
        Just(Comparison::LessOrEqual),
        Just(Comparison::Less),
        Just(Comparison::GreaterOrEqual),
        Just(Comparison::Greater),
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        (0..=members, 0..=members).prop_map(|(a, b)| Comparison::Member {
            first: a.min(b),
            count: a.abs_diff(b)
        }),
    ]
}

/// A tree as nested choices; weights are whole numbers, whose sums are exact in any order.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Vec<(u32, i8)>),
    Branch(u32, Comparison, f64, bool, Box<(Tree, Tree)>),
}

fn tree(targets: u32, weights: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Tree> {
    let leaf = prop::collection::vec((0..targets, any::<i8>()), weights).prop_map(Tree::Leaf);
    leaf.prop_recursive(5, 40, 2, |inner| {
        (
            0..FEATURES as u32,
            comparison(8),
            value(),
            any::<bool>(),
            inner.clone(),
            inner,
        )
            .prop_map(|(feature, comparison, threshold, missing, a, b)| {
                Tree::Branch(feature, comparison, threshold, missing, Box::new((a, b)))
            })
    })
}

fn ensemble() -> impl Strategy<Value = Ensemble> {
    let shapes = prop_oneof![Just((1, 1..=1)), Just((3, 1..=1)), Just((3, 0..=3))];
    shapes.prop_flat_map(|(targets, weights)| {
        let trees = prop::collection::vec(tree(targets, weights), 1..24);
        (trees, prop::collection::vec(value(), 8)).prop_map(move |(trees, members)| {
            let mut ensemble = Ensemble {
                targets: targets as usize,
                members,
                ..Ensemble::default()
            };
            for tree in trees {
                let root = add(&mut ensemble, tree);
                ensemble.roots.push(root);
            }
            ensemble
        })
    })
}

fn add(ensemble: &mut Ensemble, tree: Tree) -> u32 {
    let node = match tree {
        Tree::Leaf(weights) => {
            let first = ensemble.weights.len() as u32;
            let count = weights.len() as u32;
            ensemble
                .weights
                .extend(weights.into_iter().map(|(target, value)| Weight {
                    target,
                    value: value.into(),
                }));
            Node::Leaf { first, count }
        }
        Tree::Branch(feature, comparison, threshold, missing, children) => {
            let missing_is_true = missing || comparison == Comparison::NotEqual;
            let on_true = add(ensemble, children.0);
            let on_false = add(ensemble, children.1);
            Node::Branch(Branch {
                feature,
                comparison,
                threshold,
                missing_is_true,
                on_true,
                on_false,
            })
        }
    };
    ensemble.nodes.push(node);
    ensemble.nodes.len() as u32 - 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_flat_forest_finds_the_same_leaves(
        ensemble in ensemble(),
        rows in prop::collection::vec(prop::collection::vec(value(), FEATURES), 1..150),
    ) {
        let expected: Vec<Vec<f64>> = rows.iter().map(|row| naive(&ensemble, row)).collect();
        prop_assert_eq!(&flat::<Compact>(&ensemble, &rows), &expected);
        prop_assert_eq!(&flat::<Wide<f32>>(&ensemble, &rows), &expected);
        prop_assert_eq!(&flat::<Wide<f64>>(&ensemble, &rows), &expected);
    }
}

fn branch(on_true: u32, on_false: u32) -> Node {
    branch_on(0, on_true, on_false)
}

fn error_of(nodes: Vec<Node>, roots: Vec<u32>) -> Option<EnsembleError> {
    let weights = vec![Weight { target: 0, value: 1.0 }];
    let ensemble = Ensemble {
        nodes,
        roots,
        weights,
        targets: 1,
        members: Vec::new(),
    };
    Forest::<Compact>::new(&ensemble).err()
}

#[test]
fn cycles_and_missing_nodes_are_refused() {
    let leaf = || Node::Leaf { first: 0, count: 1 };
    assert_eq!(
        error_of(vec![branch(0, 1), leaf()], vec![0]),
        Some(EnsembleError::Cycle(0)),
        "a node is its own child"
    );
    assert_eq!(
        error_of(vec![branch(1, 2), branch(0, 2), leaf()], vec![0]),
        Some(EnsembleError::Cycle(0)),
        "a cycle of two"
    );
    let long = vec![branch(1, 3), branch(3, 2), branch(1, 3), leaf()];
    assert_eq!(
        error_of(long, vec![0]),
        Some(EnsembleError::Cycle(1)),
        "a cycle below the root"
    );
    assert_eq!(
        error_of(vec![branch(1, 9), leaf()], vec![0]),
        Some(EnsembleError::MissingChild { node: 0, child: 9 })
    );
    assert_eq!(
        error_of(vec![leaf()], vec![5]),
        Some(EnsembleError::MissingChild { node: 5, child: 5 })
    );
}

#[test]
fn nodes_may_have_several_parents() {
    let leaf = |first| Node::Leaf { first, count: 1 };
    let equal = |threshold, on_true, on_false| {
        let comparison = Comparison::Equal;
        Node::Branch(Branch {
            feature: 0,
            comparison,
            threshold,
            missing_is_true: false,
            on_true,
            on_false,
        })
    };
    // A value of 1, 2 or 3 goes to node 3, which looks at feature 1; two trees share it, and one of them its root.
    let nodes = vec![
        equal(1.0, 3, 1),
        equal(2.0, 3, 2),
        equal(3.0, 3, 4),
        branch_on(1, 5, 6),
        leaf(0),
        leaf(1),
        leaf(2),
    ];
    let weights = [1.0, 20.0, 300.0].map(|value| Weight { target: 0, value }).to_vec();
    let ensemble = Ensemble {
        nodes,
        roots: vec![0, 1, 0],
        weights,
        targets: 1,
        members: Vec::new(),
    };
    let rows: Vec<Vec<f64>> = (0..40)
        .map(|row| vec![f64::from(row % 5), f64::from(row % 3 - 1)])
        .collect();
    let expected: Vec<Vec<f64>> = rows.iter().map(|row| naive(&ensemble, row)).collect();
    assert_eq!(flat::<Compact>(&ensemble, &rows), expected);
}

fn branch_on(feature: u32, on_true: u32, on_false: u32) -> Node {
    let comparison = Comparison::Less;
    Node::Branch(Branch {
        feature,
        comparison,
        threshold: 0.0,
        missing_is_true: false,
        on_true,
        on_false,
    })
}

#[test]
fn what_does_not_fit_the_compact_form_is_left_to_the_wide_one() {
    let mut wide = branch(1, 1);
    if let Node::Branch(branch) = &mut wide {
        branch.feature = 600;
    }
    let weights = vec![Weight { target: 0, value: 1.0 }];
    let ensemble = Ensemble {
        nodes: vec![wide, Node::Leaf { first: 0, count: 1 }],
        roots: vec![0],
        weights,
        targets: 1,
        members: Vec::new(),
    };
    assert!(Forest::<Compact>::new(&ensemble).unwrap().is_none());
    assert_eq!(Forest::<Wide<f32>>::new(&ensemble).unwrap().unwrap().features(), 601);
}

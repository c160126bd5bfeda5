//! Contributions against their definition, with every subset of the features scored by the model.

mod support;

use proptest::prelude::*;
use riskstream_models::{Cell, Explainer, LoadOptions, Method, Model, Space};
use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto};

const NAN: f32 = f32::NAN;
const FEATURES: usize = 5;

/// Shapley values by definition, and the baseline. The value of a set of features is the mean over the background
/// rows; the contribution of a feature is the mean increase in value over all orders. `value` converts a score to the
/// space of contributions.
fn by_definition(model: &Model, row: &[f32], background: &[f32], value: impl Fn(f32) -> f64) -> (Vec<f64>, f64) {
    let width = row.len();
    let mut mixed = Vec::new();
    for set in 0..1usize << width {
        for other in background.chunks(width) {
            mixed.extend((0..width).map(|column| {
                if set >> column & 1 == 1 {
                    row[column]
                } else {
                    other[column]
                }
            }));
        }
    }
    let mut scores = Vec::new();
    model.scorer().score(&doubles(&mixed), &mut scores).unwrap();
    let rows = background.len() / width;
    let worth: Vec<f64> = scores
        .chunks(rows)
        .map(|scores| scores.iter().map(|&score| value(score)).sum::<f64>() / rows as f64)
        .collect();
    let factorial = |number: usize| (1..=number).product::<usize>() as f64;
    let contribution = |column: usize| {
        let without = (0..1usize << width).filter(|set| set >> column & 1 == 0);
        let adds = |set: usize| {
            let size = set.count_ones() as usize;
            factorial(size) * factorial(width - size - 1) / factorial(width) * (worth[set | 1 << column] - worth[set])
        };
        without.map(adds).sum::<f64>()
    };
    ((0..width).map(contribution).collect(), worth[0])
}

fn identity(score: f32) -> f64 {
    f64::from(score)
}

fn log_odds(score: f32) -> f64 {
    let score = f64::from(score);
    (score / (1.0 - score)).ln()
}

#[track_caller]
fn assert_exact(model: &Model, row: &[f32], background: &[f32], method: Method, space: Space) {
    let attribution = model.attribution(&doubles(background)).unwrap();
    assert_eq!((attribution.method(), attribution.space()), (method, space));
    let value = if space == Space::LogOdds { log_odds } else { identity };
    let (expected, baseline) = by_definition(model, row, background, value);
    let found = explained(&mut attribution.explainer(), row);
    let close = |a: f64, b: f64| (a - b).abs() < 2e-5;
    assert!(
        close(attribution.baseline(), baseline),
        "baseline {} is not {baseline}",
        attribution.baseline()
    );
    assert!(
        found.iter().zip(&expected).all(|(&a, &b)| close(a, b)),
        "{row:?} against {background:?}: {found:?}, expected {expected:?}"
    );
}

fn explained(explainer: &mut Explainer, row: &[f32]) -> Vec<f64> {
    let mut contributions = Vec::new();
    explainer.explain(&doubles(row), &mut contributions).unwrap();
    contributions
}

fn regressor(trees: &[Tree], attributes: Vec<AttributeProto>) -> ModelProto {
    let mut all = ensemble("target", trees);
    all.extend(attributes);
    single(FEATURES as i64, ml("TreeEnsembleRegressor", &["x"], &["y"], all))
}

fn classifier(trees: &[Tree], attributes: Vec<AttributeProto>) -> ModelProto {
    let mut all = ensemble("class", trees);
    all.extend(attributes);
    let node = ml("TreeEnsembleClassifier", &["x"], &["label", "y"], all);
    let label = value("label", DataType::Int64, &[0]);
    model(
        vec![rows("x", FEATURES as i64)],
        vec![node],
        vec![label, value("y", DataType::Float, &[0, 0])],
    )
}

/// Few different values, so that values equal thresholds and repeat.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => (-2i8..=2).prop_map(f32::from),
        1 => Just(-0.0),
        1 => Just(f32::INFINITY),
    ]
}

fn cell() -> impl Strategy<Value = f32> {
    prop_oneof![5 => number(), 1 => Just(NAN)]
}

fn tree() -> impl Strategy<Value = Tree> {
    tree_of((-8i8..=8).prop_map(|eighths| vec![(0, f32::from(eighths) / 8.0)]))
}

fn tree_of(weights: impl Strategy<Value = Vec<(i64, f32)>> + Clone + 'static) -> impl Strategy<Value = Tree> {
    let modes = [
        "BRANCH_LEQ",
        "BRANCH_LT",
        "BRANCH_GTE",
        "BRANCH_GT",
        "BRANCH_EQ",
        "BRANCH_NEQ",
    ];
    weights.prop_map(Tree::Leaf).prop_recursive(6, 40, 2, move |inner| {
        let branch = (
            prop::sample::select(modes.to_vec()),
            0..FEATURES as i64,
            number(),
            any::<bool>(),
            inner.clone(),
            inner,
        );
        branch.prop_map(|(mode, feature, threshold, missing, yes, no)| {
            branch_of(mode, feature, threshold, missing, yes, no)
        })
    })
}

fn branch_of(mode: &'static str, feature: i64, threshold: f32, missing: bool, yes: Tree, no: Tree) -> Tree {
    branch(mode, feature, threshold, missing, yes, no)
}

fn row() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(cell(), FEATURES)
}

fn background() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(row(), 1..5).prop_map(|rows| rows.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn regressors_are_attributed_by_definition(
        trees in prop::collection::vec(tree(), 1..5),
        row in row(),
        background in background(),
        average in any::<bool>(),
    ) {
        let aggregate = string("aggregate_function", if average { "AVERAGE" } else { "SUM" });
        let model = load(&regressor(&trees, vec![int("n_targets", 1), floats("base_values", &[0.5]), aggregate])).unwrap();
        assert_exact(&model, &row, &background, Method::Trees, Space::Score);
    }

    #[test]
    fn boosted_classifiers_are_attributed_in_log_odds(
        trees in prop::collection::vec(tree(), 1..4),
        row in row(),
        background in background(),
    ) {
        let attributes = vec![
            ints("classlabels_int64s", &[0, 1]),
            floats("base_values", &[-0.25]),
            string("post_transform", "LOGISTIC"),
        ];
        let model = load(&classifier(&trees, attributes)).unwrap();
        assert_exact(&model, &row, &background, Method::Trees, Space::LogOdds);
    }

    #[test]
    fn random_forests_are_attributed_in_probability(
        trees in prop::collection::vec(tree_of((0u8..=8).prop_map(|eighths| {
            let share = f32::from(eighths) / 8.0;
            vec![(0, 1.0 - share), (1, share)]
        })), 1..4),
        row in row(),
        background in background(),
    ) {
        let model = load(&classifier(&trees, vec![ints("classlabels_int64s", &[0, 1])])).unwrap();
        assert_exact(&model, &row, &background, Method::Trees, Space::Score);
    }
}

/// A path with conditions on twelve features: several groups of eight.
#[test]
fn long_paths_are_attributed_by_definition() {
    const WIDTH: usize = 12;
    let deep = (0..WIDTH as i64).fold(leaf(5.0), |below, feature| {
        branch("BRANCH_LEQ", feature, 0.5, false, below, leaf(feature as f32))
    });
    let mut attributes = ensemble("target", &[deep]);
    attributes.push(int("n_targets", 1));
    let model = load(&single(
        WIDTH as i64,
        ml("TreeEnsembleRegressor", &["x"], &["y"], attributes),
    ))
    .unwrap();
    let alternating: Vec<f32> = (0..WIDTH).map(|column| (column % 2) as f32).collect();
    let opposite: Vec<f32> = alternating.iter().map(|value| 1.0 - value).collect();
    let zeros = vec![0.0; WIDTH];
    for row in [&zeros, &alternating] {
        let background = [opposite.clone(), zeros.clone(), alternating.clone()].concat();
        assert_exact(&model, row, &background, Method::Trees, Space::Score);
    }
}

/// More background rows than a block has bits.
#[test]
fn many_background_rows_are_averaged() {
    let tree = || {
        let low = branch("BRANCH_LT", 1, 1.0, false, leaf(1.0), leaf(-1.0));
        branch(
            "BRANCH_LEQ",
            0,
            0.0,
            true,
            low,
            branch("BRANCH_GT", 2, 2.0, false, leaf(3.0), leaf(0.5)),
        )
    };
    let model = load(&regressor(&[tree(), tree()], vec![int("n_targets", 1)])).unwrap();
    let background: Vec<f32> = (0..150 * FEATURES).map(|place| (place * 7 % 11) as f32 - 5.0).collect();
    assert_exact(
        &model,
        &[0.0, 2.0, 3.0, 0.0, 0.0],
        &background,
        Method::Trees,
        Space::Score,
    );
}

#[test]
fn columns_that_are_prepared_first_are_attributed_to_the_row() {
    let tree = branch(
        "BRANCH_LEQ",
        1,
        0.0,
        false,
        leaf(1.0),
        branch("BRANCH_LT", 0, 1.0, false, leaf(2.0), leaf(4.0)),
    );
    let mut attributes = ensemble("target", &[tree]);
    attributes.push(int("n_targets", 1));
    let nodes = vec![
        ml(
            "Imputer",
            &["x"],
            &["full"],
            vec![
                floats("imputed_value_floats", &[1.0, 2.0]),
                float("replaced_value_float", NAN),
            ],
        ),
        ml(
            "Scaler",
            &["full"],
            &["scaled"],
            vec![floats("offset", &[1.0, 1.0]), floats("scale", &[2.0, 0.5])],
        ),
        ml("TreeEnsembleRegressor", &["scaled"], &["y"], attributes),
    ];
    let model = load(&model(
        vec![rows("x", 2)],
        nodes,
        vec![value("y", DataType::Float, &[0, 0])],
    ))
    .unwrap();
    let background = [0.0, 0.0, NAN, 3.0, 2.0, NAN];
    for row in [[NAN, NAN], [5.0, 0.5], [0.0, 9.0]] {
        assert_exact(&model, &row, &background, Method::Trees, Space::Score);
    }
}

#[test]
fn one_hot_columns_are_attributed_together() {
    let encoder = ml(
        "OneHotEncoder",
        &["kind"],
        &["kinds"],
        vec![ints("cats_int64s", &[1, 2, 3])],
    );
    let nodes = vec![
        encoder,
        node("Flatten", &["kinds"], &["flat"], vec![int("axis", 1)]),
        node("Concat", &["amount", "flat"], &["all"], vec![int("axis", 1)]),
        ml(
            "LinearRegressor",
            &["all"],
            &["y"],
            vec![
                floats("coefficients", &[0.5, 1.0, -2.0, 4.0]),
                floats("intercepts", &[1.0]),
            ],
        ),
    ];
    let inputs = vec![rows("amount", 1), value("kind", DataType::Int64, &[0, 1])];
    let model = load(&model(inputs, nodes, vec![value("y", DataType::Float, &[0, 0])])).unwrap();
    assert_exact(
        &model,
        &[10.0, 3.0],
        &[2.0, 1.0, 4.0, 2.0, 0.0, 7.0],
        Method::Linear,
        Space::Score,
    );
}

/// Rows of an exported model, texts encoded.
fn exported_rows(name: &str, model: &Model) -> Vec<f32> {
    let path = format!("{}/tests/data/exports/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let case: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut rows = Vec::new();
    for row in case["rows"].as_array().unwrap() {
        let cells = row.as_array().unwrap().iter().map(|value| match value {
            serde_json::Value::String(text) => Cell::Text(text),
            value => value.as_f64().map_or(Cell::Missing, Cell::Number),
        });
        model.encode(&cells.collect::<Vec<_>>(), &mut rows).unwrap();
    }
    rows.into_iter().map(|number| number as f32).collect()
}

/// scikit-learn's pipelines over columns of numbers and texts: encoded, imputed, unknown and empty.
#[test]
fn models_of_texts_are_attributed_exactly() {
    for (name, method, space) in [
        ("table_one_hot_zipmap", Method::Linear, Space::LogOdds),
        ("table_imputer", Method::Linear, Space::LogOdds),
        ("table_target_encoder", Method::Linear, Space::LogOdds),
        ("table_of_kinds", Method::Linear, Space::LogOdds),
        ("table_ordinal", Method::Trees, Space::Score),
        ("table_boosting", Method::Trees, Space::LogOdds),
    ] {
        let path = format!("{}/tests/data/exports/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
        let model = Model::load(path.as_ref(), &LoadOptions::default()).unwrap();
        let (rows, width) = (exported_rows(name, &model), model.input_width());
        let background = &rows[..3 * width];
        for row in rows.chunks(width).skip(3).step_by(7) {
            assert_exact(&model, row, background, method, space);
        }
    }
}

/// Encoders of two columns each, joined along the last axis: the columns alternate between the inputs.
#[test]
fn one_hot_columns_joined_along_the_last_axis_keep_their_inputs() {
    let encoder =
        |input: &str, output: &str| ml("OneHotEncoder", &[input], &[output], vec![ints("cats_int64s", &[1, 2])]);
    let nodes = vec![
        encoder("a", "of a"),
        NodeProto {
            name: "second".to_owned(),
            ..encoder("b", "of b")
        },
        node("Concat", &["of a", "of b"], &["joined"], vec![int("axis", -1)]),
        node("Reshape", &["joined", "flat"], &["columns"], vec![]),
        ml(
            "LinearRegressor",
            &["columns"],
            &["y"],
            vec![
                floats("coefficients", &[1.0, -2.0, 4.0, -8.0, 16.0, -32.0, 64.0, -128.0]),
                floats("intercepts", &[1.0]),
            ],
        ),
    ];
    let inputs = vec![
        value("a", DataType::Int64, &[0, 2]),
        value("b", DataType::Int64, &[0, 2]),
    ];
    let mut model = model(inputs, nodes, vec![value("y", DataType::Float, &[0, 0])]);
    model.graph.as_mut().unwrap().initializer = vec![int_tensor("flat", &[2], &[-1, 8])];
    let background = [1.0, 2.0, 2.0, 1.0, 0.0, 1.0, 1.0, 2.0];
    assert_exact(
        &load(&model).unwrap(),
        &[2.0, 2.0, 1.0, 7.0],
        &background,
        Method::Linear,
        Space::Score,
    );
}

#[test]
fn logistic_regressions_are_attributed_in_log_odds() {
    let attributes = vec![
        floats("coefficients", &[-0.5, 0.25, -1.0, 0.5, -0.25, 1.0]),
        floats("intercepts", &[0.1, -0.1]),
        ints("classlabels_ints", &[0, 1]),
        string("post_transform", "LOGISTIC"),
    ];
    let node = ml("LinearClassifier", &["x"], &["label", "y"], attributes);
    let outputs = vec![
        value("label", DataType::Int64, &[0]),
        value("y", DataType::Float, &[0, 0]),
    ];
    let model = load(&model(vec![rows("x", 3)], vec![node], outputs)).unwrap();
    assert_exact(
        &model,
        &[1.0, -2.0, 0.5],
        &[0.0, 0.0, 1.0, 2.0, 1.0, -1.0],
        Method::Linear,
        Space::LogOdds,
    );
}

/// x0 · x1 + x2: the two factors share the contribution of their product. Sampling is exact here, because an order and
/// its reverse suffice.
#[test]
fn other_models_are_attributed_by_sampling() {
    let product = node("Mul", &["a", "b"], &["ab"], vec![]);
    let sum = node("Add", &["ab", "c"], &["y"], vec![]);
    let inputs = vec![rows("a", 1), rows("b", 1), rows("c", 1)];
    let model = load(&model(
        inputs,
        vec![product, sum],
        vec![value("y", DataType::Float, &[0, 1])],
    ))
    .unwrap();
    let (row, background) = ([2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 1.0, 1.0, 1.0]);
    assert_exact(&model, &row, &background, Method::Sampling, Space::Score);
    let attribution = model.attribution(&doubles(&background)).unwrap();
    let mut explainer = attribution.explainer();
    let first = explained(&mut explainer, &row);
    explained(&mut explainer, &[5.0, 6.0, 7.0]);
    assert_eq!(
        first,
        explained(&mut attribution.explainer(), &row),
        "contributions are reproducible"
    );
}

/// Each of forty sums reads the one before twice: the paths through them are 2^40.
#[test]
fn preparation_with_many_paths_is_given_up() {
    let name = |place: usize| format!("sum {place}");
    let mut nodes: Vec<_> = (0..40)
        .map(|place| node("Add", &[&name(place), &name(place)], &[&name(place + 1)], vec![]))
        .collect();
    for (place, sum) in nodes.iter_mut().enumerate() {
        sum.name = name(place);
    }
    let mut attributes = ensemble("target", &[branch("BRANCH_LEQ", 0, 0.0, false, leaf(1.0), leaf(2.0))]);
    attributes.push(int("n_targets", 1));
    nodes.push(ml("TreeEnsembleRegressor", &[&name(40)], &["y"], attributes));
    let output = value("y", DataType::Float, &[0, 1]);
    let model = load(&model(vec![rows(&name(0), 1)], nodes, vec![output])).unwrap();
    let attribution = model.attribution(&[-1.0, 1.0]).unwrap();
    assert_eq!(attribution.method(), Method::Sampling);
}

#[test]
fn unusable_background_rows_are_refused() {
    let model = load(&regressor(&[leaf(1.0)], vec![int("n_targets", 1)])).unwrap();
    for (background, expected) in [
        (vec![], "rows of 5 values, but 0 values"),
        (vec![0.0; 7], "rows of 5 values, but 7 values"),
        (vec![0.0; 1025 * FEATURES], "1025 rows, 1024 are allowed"),
    ] {
        let error = model.attribution(&background).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let linear = ml(
        "LinearRegressor",
        &["x"],
        &["y"],
        vec![floats("coefficients", &[1.0]), floats("intercepts", &[0.0])],
    );
    let error = load(&single(1, linear))
        .unwrap()
        .attribution(&[0.0, f64::NAN])
        .unwrap_err()
        .to_string();
    assert_eq!(error, "unusable background rows: the model scores row 2 with NaN");
}

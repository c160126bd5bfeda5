//! Tree ensembles: cases computed by hand from the specification of ai.onnx.ml.

mod support;

use riskstream_models::{LoadOptions, Model, Values};
use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto};

const NAN: f32 = f32::NAN;

fn regressor(columns: i64, trees: &[Tree], attributes: Vec<AttributeProto>) -> ModelProto {
    let mut all = ensemble("target", trees);
    all.extend(attributes);
    single(columns, ml("TreeEnsembleRegressor", &["x"], &["y"], all))
}

fn classifier(columns: i64, trees: &[Tree], attributes: Vec<AttributeProto>) -> ModelProto {
    let mut all = ensemble("class", trees);
    all.extend(attributes);
    let node = ml("TreeEnsembleClassifier", &["x"], &["label", "y"], all);
    let label = value("label", DataType::Int64, &[0]);
    model(
        vec![rows("x", columns)],
        vec![node],
        vec![label, value("y", DataType::Float, &[0, 0])],
    )
}

#[test]
fn every_branch_mode_compares_as_specified() {
    // The result of a branch with threshold 1 for each value, then for NaN without and with missing_value_tracks_true.
    let values = [0.0, 1.0, 2.0, f32::INFINITY, f32::NEG_INFINITY];
    let cases: [(&str, [u8; 5], u8); 6] = [
        ("BRANCH_LEQ", [1, 1, 0, 0, 1], 0),
        ("BRANCH_LT", [1, 0, 0, 0, 1], 0),
        ("BRANCH_GTE", [0, 1, 1, 1, 0], 0),
        ("BRANCH_GT", [0, 0, 1, 1, 0], 0),
        ("BRANCH_EQ", [0, 1, 0, 0, 0], 0),
        ("BRANCH_NEQ", [1, 0, 1, 1, 1], 1),
    ];
    for (mode, expected, expected_nan) in cases {
        for missing in [false, true] {
            let model = regressor(
                1,
                &[branch(mode, 0, 1.0, missing, leaf(1.0), leaf(0.0))],
                vec![int("n_targets", 1)],
            );
            let found = run(&model, &values).unwrap();
            assert_eq!(found, expected.map(f64::from), "{mode}");
            let expected_nan = if missing { 1.0 } else { f64::from(expected_nan) };
            assert_eq!(
                run(&model, &[NAN]).unwrap(),
                [expected_nan],
                "{mode} with NaN, missing {missing}"
            );
        }
    }
}

#[test]
fn thresholds_are_compared_in_f32() {
    // 0.1 as f32 is above 0.1 as f64. A value of 0.1 as f32 must equal the threshold.
    let model = regressor(
        1,
        &[branch("BRANCH_LEQ", 0, 0.1, false, leaf(1.0), leaf(0.0))],
        vec![int("n_targets", 1)],
    );
    assert_eq!(
        run(&model, &[0.1, 0.1f32.next_up(), 0.1f32.next_down()]).unwrap(),
        [1.0, 0.0, 1.0]
    );
    let model = regressor(
        1,
        &[branch("BRANCH_LT", 0, 0.0, false, leaf(1.0), leaf(0.0))],
        vec![int("n_targets", 1)],
    );
    assert_eq!(run(&model, &[-0.0, 0.0, -f32::MIN_POSITIVE]).unwrap(), [0.0, 0.0, 1.0]);
}

#[test]
fn double_thresholds_are_compared_in_f64() {
    let mut attributes = ensemble("target", &[branch("BRANCH_LEQ", 0, 0.0, false, leaf(1.0), leaf(0.0))]);
    attributes.retain(|attribute| attribute.name != "nodes_values");
    attributes.push(tensor_attribute(
        "nodes_values_as_tensor",
        double_tensor("", &[0.1, 0.0, 0.0]),
    ));
    attributes.push(int("n_targets", 1));
    let nodes = vec![
        node("Cast", &["x"], &["double"], vec![int("to", DataType::Double as i64)]),
        ml("TreeEnsembleRegressor", &["double"], &["y"], attributes),
    ];
    let model = model(vec![rows("x", 1)], nodes, vec![value("y", DataType::Float, &[0, 1])]);
    // As f64 the f32 nearest to 0.1 is above 0.1.
    assert_eq!(run(&model, &[0.1, 0.1f32.next_down()]).unwrap(), [0.0, 1.0]);
}

#[test]
fn trees_are_aggregated_as_asked() {
    let trees = || {
        [
            branch("BRANCH_LT", 0, 0.0, false, leaf(4.0), leaf(2.0)),
            leaf(-3.0),
            leaf(5.0),
        ]
    };
    let cases = [
        ("SUM", [6.0, 4.0]),
        ("AVERAGE", [2.0, 4.0 / 3.0]),
        ("MIN", [-3.0, -3.0]),
        ("MAX", [5.0, 5.0]),
    ];
    for (aggregate, expected) in cases {
        let attributes = vec![int("n_targets", 1), string("aggregate_function", aggregate)];
        assert_close(
            &run(&regressor(1, &trees(), attributes), &[-1.0, 1.0]).unwrap(),
            &expected,
        );
        let attributes = vec![
            int("n_targets", 1),
            string("aggregate_function", aggregate),
            floats("base_values", &[10.0]),
        ];
        assert_close(
            &run(&regressor(1, &trees(), attributes), &[-1.0, 1.0]).unwrap(),
            &expected.map(|value| value + 10.0),
        );
    }
}

#[test]
fn leaves_may_weigh_several_targets() {
    let both = Tree::Leaf(vec![(0, 1.0), (1, 2.0)]);
    let second = Tree::Leaf(vec![(1, 5.0)]);
    let trees = [
        branch("BRANCH_LT", 0, 0.0, false, both, second),
        Tree::Leaf(vec![(0, 10.0)]),
    ];
    let attributes = vec![int("n_targets", 2), floats("base_values", &[100.0, 200.0])];
    let found = run(&regressor(1, &trees, attributes), &[-1.0, 1.0]).unwrap();
    assert_close(&found, &[111.0, 202.0, 110.0, 205.0]);
}

#[test]
fn multi_target_scores_are_transformed() {
    let tree = || [Tree::Leaf(vec![(0, 1.0), (1, 0.0), (2, -1.0)])];
    let e = 1f64.exp();
    let sum = e + 1.0 + 1.0 / e;
    let cases = [
        ("NONE", vec![1.0, 0.0, -1.0]),
        ("LOGISTIC", vec![1.0 / (1.0 + 1.0 / e), 0.5, 1.0 / (1.0 + e)]),
        ("SOFTMAX", vec![e / sum, 1.0 / sum, 1.0 / e / sum]),
        (
            "SOFTMAX_ZERO",
            vec![1.0 / (1.0 + (-2f64).exp()), 0.0, 1.0 / (1.0 + 2f64.exp())],
        ),
    ];
    for (transform, expected) in cases {
        let attributes = vec![int("n_targets", 3), string("post_transform", transform)];
        assert_close(&run(&regressor(1, &tree(), attributes), &[0.0]).unwrap(), &expected);
    }
}

#[test]
fn binary_classifiers_with_one_weight_class() {
    let trees = |low: f32, high: f32| [branch("BRANCH_LT", 0, 0.0, false, leaf(low), leaf(high))];
    let labels = || ints("classlabels_int64s", &[7, 9]);
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    // The logistic function of a sum with negative weights; the sign decides the label.
    let model = load(&classifier(
        1,
        &trees(-1.0, 2.0),
        vec![labels(), string("post_transform", "LOGISTIC")],
    ))
    .unwrap();
    assert_eq!(answers(&model, &[-1.0, 1.0], "label"), [7.0, 9.0]);
    assert_close(
        &answers(&model, &[-1.0, 1.0], "y"),
        &[logistic(1.0), logistic(-1.0), logistic(-2.0), logistic(2.0)],
    );
    // If all weights are positive they are probabilities; the boundary of the label is 0.5.
    let model = load(&classifier(1, &trees(0.25, 0.75), vec![labels()])).unwrap();
    assert_eq!(answers(&model, &[-1.0, 1.0], "label"), [7.0, 9.0]);
    assert_close(&answers(&model, &[-1.0, 1.0], "y"), &[0.75, 0.25, 0.25, 0.75]);
    // One base value, as XGBoost and HistGradientBoosting export it, is added to the sum.
    let attributes = vec![
        labels(),
        string("post_transform", "LOGISTIC"),
        floats("base_values", &[-1.5]),
    ];
    let model = load(&classifier(1, &trees(-1.0, 2.0), attributes)).unwrap();
    assert_close(
        &answers(&model, &[-1.0, 1.0], "y"),
        &[logistic(2.5), logistic(-2.5), logistic(-0.5), logistic(0.5)],
    );
}

#[test]
fn many_classes_are_labelled_by_the_largest_score() {
    let trees = [
        branch(
            "BRANCH_LT",
            0,
            0.0,
            false,
            Tree::Leaf(vec![(0, 0.5), (1, 0.25), (2, 0.25)]),
            Tree::Leaf(vec![(2, 1.0)]),
        ),
        branch(
            "BRANCH_LT",
            1,
            0.0,
            false,
            Tree::Leaf(vec![(1, 0.5)]),
            Tree::Leaf(vec![(1, 0.0)]),
        ),
    ];
    let model = classifier(2, &trees, vec![strings("classlabels_strings", &["a", "b", "c"])]);
    let mut model_bytes = model.clone();
    let graph = model_bytes.graph.as_mut().unwrap();
    graph.output[0] = value("label", DataType::String, &[0]);
    let score = Some("y[2]".parse().unwrap());
    let options = LoadOptions {
        score,
        ..LoadOptions::default()
    };
    let model = Model::from_bytes(&prost::Message::encode_to_vec(&model_bytes), &options).unwrap();
    let rows = [-1.0, 1.0, 1.0, 1.0, -1.0, -1.0];
    let outputs = model.scorer().outputs(&doubles(&rows)).unwrap();
    let labels = ["a", "c", "b"].map(str::to_owned).to_vec();
    assert_eq!(outputs[0].values, Values::Strings(labels));
    assert_close(
        &answers(&model, &rows, "y"),
        &[0.5, 0.25, 0.25, 0.0, 0.0, 1.0, 0.5, 0.75, 0.25],
    );
    let mut scores = Vec::new();
    model.scorer().score(&doubles(&rows), &mut scores).unwrap();
    assert_eq!(scores, [0.25, 1.0, 0.25]);
}

/// The example in the specification of TreeEnsemble: a set membership above two further splits.
#[test]
fn ensembles_of_version_5_have_sets() {
    let attributes = vec![
        int("n_targets", 4),
        int("aggregate_function", 1),
        ints("nodes_featureids", &[0, 0, 0]),
        tensor_attribute("nodes_modes", byte_tensor("", &[0, 6, 6])),
        tensor_attribute("nodes_splits", float_tensor("", &[3], &[11.0, 232344.0, NAN])),
        tensor_attribute(
            "membership_values",
            float_tensor("", &[8], &[1.2, 3.7, 8.0, 9.0, NAN, 12.0, 7.0, NAN]),
        ),
        ints("nodes_trueleafs", &[0, 1, 1]),
        ints("nodes_truenodeids", &[1, 0, 1]),
        ints("nodes_falseleafs", &[0, 1, 1]),
        ints("nodes_falsenodeids", &[2, 2, 3]),
        ints("leaf_targetids", &[0, 1, 2, 3]),
        tensor_attribute("leaf_weights", float_tensor("", &[4], &[1.0, 10.0, 1000.0, 100.0])),
        ints("tree_roots", &[0]),
    ];
    let model = single(1, ml("TreeEnsemble", &["x"], &["y"], attributes));
    let found = run(&model, &[1.2, 3.4, -0.12, 1.66, 4.14, 12.0, 7.0, NAN]).unwrap();
    let expected: Vec<f64> = [
        [1, 0, 0, 0],
        [0, 0, 1000, 0],
        [0, 0, 1000, 0],
        [0, 0, 1000, 0],
        [0, 0, 1000, 0],
        [0, 10, 0, 0],
        [0, 0, 1000, 0],
        [0, 0, 0, 100],
    ]
    .as_flattened()
    .iter()
    .map(|&value| f64::from(value))
    .collect();
    assert_eq!(found, expected);
}

#[test]
fn damaged_ensembles_are_refused() {
    let tree = || [branch("BRANCH_LT", 0, 0.0, false, leaf(1.0), leaf(2.0))];
    let damages: [(&str, AttributeProto); 9] = [
        ("a child that does not exist", ints("nodes_truenodeids", &[7, 0, 0])),
        ("a negative child", ints("nodes_truenodeids", &[-1, 0, 0])),
        ("a node that is its own child", ints("nodes_truenodeids", &[0, 0, 0])),
        ("lists of different lengths", ints("nodes_truenodeids", &[1, 0])),
        (
            "a column that the input does not have",
            ints("nodes_featureids", &[1, 0, 0]),
        ),
        ("a negative column", ints("nodes_featureids", &[-1, 0, 0])),
        ("a target that does not exist", ints("target_ids", &[0, 1])),
        (
            "a weight for a node that does not exist",
            ints("target_nodeids", &[1, 9]),
        ),
        ("a node twice", ints("nodes_nodeids", &[0, 1, 1])),
    ];
    for (what, damage) in damages {
        let mut attributes = ensemble("target", &tree());
        attributes.retain(|attribute| attribute.name != damage.name);
        attributes.extend([damage, int("n_targets", 1)]);
        let model = single(1, ml("TreeEnsembleRegressor", &["x"], &["y"], attributes));
        assert!(load(&model).is_err(), "{what} was accepted");
    }
    assert!(load(&regressor(1, &tree(), vec![int("n_targets", 1)])).is_ok());
}

#[test]
fn a_row_scores_the_same_alone_and_among_others() {
    let trees: Vec<Tree> = (0..37)
        .map(|index| {
            let threshold = index as f32 / 10.0 - 1.5;
            let deeper = branch("BRANCH_LEQ", 1, -threshold, true, leaf(0.3), leaf(-0.7));
            branch("BRANCH_LT", 0, threshold, index % 2 == 0, deeper, leaf(threshold))
        })
        .collect();
    let model = load(&regressor(2, &trees, vec![int("n_targets", 1)])).unwrap();
    let rows: Vec<f32> = (0..200)
        .map(|index| {
            if index % 17 == 0 {
                NAN
            } else {
                (index as f32 * 0.77).sin() * 2.0
            }
        })
        .collect();
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    let mut scorer = model.scorer();
    let rows = doubles(&rows);
    scorer.score(&rows, &mut together).unwrap();
    for (row, &expected) in rows.chunks(2).zip(&together) {
        scorer.score(row, &mut alone).unwrap();
        assert_eq!(alone, [expected]);
    }
}

/// Two trees whose leaf numbers are mapped by a table and an addition before they are added up, as in the export of an
/// isolation forest. With `Sum` they are fused, with `Add` they are not.
#[test]
fn a_sum_over_trees_is_the_same_fused() {
    let tree = |feature, threshold| {
        branch(
            "BRANCH_LEQ",
            feature,
            threshold,
            true,
            leaf(1.0),
            branch("BRANCH_LT", 0, 2.0, false, leaf(3.0), leaf(4.0)),
        )
    };
    let chain = |index: usize, feature, threshold| {
        let name = |part: &str| format!("{part}{index}");
        let mut attributes = ensemble("target", &[tree(feature, threshold)]);
        attributes.push(int("n_targets", 1));
        let table = vec![
            ints("keys_int64s", &[1, 3, 4]),
            floats("values_floats", &[0.1, 0.7, index as f32]),
        ];
        vec![
            node("Gather", &["x", "columns"], &[&name("picked")], vec![int("axis", 1)]),
            ml(
                "TreeEnsembleRegressor",
                &[&name("picked")],
                &[&name("leaf")],
                attributes,
            ),
            node(
                "Cast",
                &[&name("leaf")],
                &[&name("whole")],
                vec![int("to", DataType::Int64 as i64)],
            ),
            ml("LabelEncoder", &[&name("whole")], &[&name("length")], table),
            node("Reshape", &[&name("length"), "column"], &[&name("shaped")], Vec::new()),
            node("Add", &[&name("shaped"), "half"], &[&name("part")], Vec::new()),
        ]
    };
    let model = |sum: &str| {
        let mut nodes = chain(1, 0, 0.5);
        nodes.extend(chain(2, 1, -0.5));
        nodes.push(node(sum, &["part1", "part2"], &["total"], Vec::new()));
        nodes.push(node("Neg", &["total"], &["y"], Vec::new()));
        let mut model = support::model(vec![rows("x", 2)], nodes, vec![rows("y", 1)]);
        let graph = model.graph.as_mut().unwrap();
        graph.initializer.push(int_tensor("columns", &[2], &[1, 0]));
        graph.initializer.push(int_tensor("column", &[2], &[-1, 1]));
        graph.initializer.push(float_tensor("half", &[1], &[0.5]));
        model
    };
    let rows: Vec<f32> = (0..60)
        .map(|index| if index % 13 == 0 { NAN } else { (index % 7) as f32 - 3.0 })
        .collect();
    let found = run(&model("Sum"), &rows).unwrap();
    assert_eq!(found, run(&model("Add"), &rows).unwrap());
    // The first row is (NaN, -2): the first tree looks at the second column, the second one at the first.
    assert_close(&found[..1], &[-(0.1 + 0.1 + 1.0)]);
}

//! Damaged files give an error or a working model, never a panic, a hang or a crash.

mod support;

use prost::Message;
use riskstream_models::{LoadOptions, Model, ModelError};
use support::mutate::Random;
use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto};

/// A pipeline with most of the operators, of a few hundred bytes.
fn pipeline() -> Vec<u8> {
    let tree = |low: f32| {
        branch(
            "BRANCH_LEQ",
            1,
            0.5,
            true,
            leaf(low),
            branch("BRANCH_EQ", 0, 2.0, false, leaf(0.1), leaf(-0.4)),
        )
    };
    let mut attributes = ensemble("class", &[tree(0.5), tree(-0.5), leaf(0.2)]);
    attributes.extend([
        ints("classlabels_int64s", &[0, 1]),
        string("post_transform", "LOGISTIC"),
        floats("base_values", &[-0.5]),
    ]);
    let nodes = vec![
        ml(
            "Imputer",
            &["x"],
            &["filled"],
            vec![
                floats("imputed_value_floats", &[1.0, 2.0, 3.0]),
                float("replaced_value_float", f32::NAN),
            ],
        ),
        ml(
            "Scaler",
            &["filled"],
            &["scaled"],
            vec![floats("offset", &[0.0; 3]), floats("scale", &[2.0; 3])],
        ),
        node("MatMul", &["scaled", "weights"], &["mixed"], Vec::new()),
        node("Relu", &["mixed"], &["positive"], Vec::new()),
        ml("TreeEnsembleClassifier", &["positive"], &["label", "raw"], attributes),
        node("Concat", &["raw", "scaled"], &["joined"], vec![int("axis", 1)]),
        node("Gather", &["joined", "columns"], &["y"], vec![int("axis", 1)]),
    ];
    let outputs = vec![
        value("label", DataType::Int64, &[0]),
        value("y", DataType::Float, &[0, 2]),
    ];
    let mut model = model(vec![rows("x", 3)], nodes, outputs);
    let graph = model.graph.as_mut().unwrap();
    graph
        .initializer
        .push(float_tensor("weights", &[3, 2], &[1.0, 0.5, -1.0, 0.25, 0.0, 1.0]));
    graph.initializer.push(int_tensor("columns", &[2], &[0, 1]));
    model.encode_to_vec()
}

/// Loads a model and runs it if it loads. Panics only if the crate does.
fn exercise(bytes: &[u8]) -> bool {
    let Ok(model) = Model::from_bytes(bytes, &LoadOptions::default()) else {
        return false;
    };
    if model.input_width() > 1000 {
        return true;
    }
    let rows: Vec<f64> = (0..model.input_width() * 3).map(|index| index as f64 - 2.0).collect();
    let mut scorer = model.scorer();
    let mut scores = Vec::new();
    let is_scored = scorer.score(&rows, &mut scores).is_ok();
    let _ = scorer.outputs(&rows);
    assert!(!is_scored || scores.len() == 3, "{} scores for 3 rows", scores.len());
    true
}

#[test]
fn the_undamaged_pipeline_works() {
    assert!(exercise(&pipeline()));
}

#[test]
fn truncated_files_are_refused_or_work() {
    let bytes = pipeline();
    for length in 0..bytes.len() {
        exercise(&bytes[..length]);
    }
}

#[test]
fn flipped_bits_are_refused_or_work() {
    let bytes = pipeline();
    let mut random = Random(1);
    let mut loaded = 0;
    for _ in 0..3000 {
        let mut damaged = bytes.clone();
        for _ in 0..=random.below(3) {
            let position = random.below(damaged.len());
            damaged[position] ^= 1 << random.below(8);
        }
        loaded += usize::from(exercise(&damaged));
    }
    assert!(
        loaded > 100,
        "only {loaded} damaged files loaded: the damage tests only the decoder"
    );
}

#[test]
fn overwritten_bytes_are_refused_or_work() {
    let bytes = pipeline();
    let mut random = Random(2);
    for _ in 0..2000 {
        let mut damaged = bytes.clone();
        let position = random.below(damaged.len());
        let length = (1 + random.below(8)).min(damaged.len() - position);
        let filling = [0x00, 0xff, 0x7f, 0x80][random.below(4)];
        damaged[position..position + length].fill(filling);
        exercise(&damaged);
    }
}

#[test]
fn long_chains_do_not_exhaust_the_stack() {
    let names: Vec<String> = (0..=10_000)
        .map(|index| {
            if index == 10_000 {
                "y".to_owned()
            } else {
                format!("v{index}")
            }
        })
        .collect();
    let mut nodes = vec![ml("Binarizer", &["x"], &[&names[0]], Vec::new())];
    nodes.extend(
        names
            .windows(2)
            .map(|pair| node("Identity", &[&pair[0]], &[&pair[1]], Vec::new())),
    );
    exercise(&model(vec![rows("x", 1)], nodes, vec![rows("y", 1)]).encode_to_vec());
}

#[test]
fn deep_trees_do_not_exhaust_the_stack() {
    let count = 200_000i64;
    let inner = || 0..count;
    let trees = [
        ints("nodes_treeids", &vec![0; 2 * count as usize + 1]),
        ints("nodes_nodeids", &(0..=2 * count).collect::<Vec<_>>()),
        ints("nodes_featureids", &vec![0; 2 * count as usize + 1]),
        strings(
            "nodes_modes",
            &[vec!["BRANCH_LT"; count as usize], vec!["LEAF"; count as usize + 1]].concat(),
        ),
        floats(
            "nodes_values",
            &(0..=2 * count).map(|node| -(node as f32)).collect::<Vec<_>>(),
        ),
        ints(
            "nodes_truenodeids",
            &inner()
                .map(|node| node + 1)
                .chain(vec![0; count as usize + 1])
                .collect::<Vec<_>>(),
        ),
        ints(
            "nodes_falsenodeids",
            &inner()
                .map(|node| count + 1 + node)
                .map(|node| node.min(2 * count))
                .chain(vec![0; count as usize + 1])
                .collect::<Vec<_>>(),
        ),
        ints("target_treeids", &[0, 0]),
        ints("target_nodeids", &[count, count + 1]),
        ints("target_ids", &[0, 0]),
        floats("target_weights", &[1.0, 2.0]),
        int("n_targets", 1),
    ];
    let bytes = single(1, ml("TreeEnsembleRegressor", &["x"], &["y"], trees.to_vec())).encode_to_vec();
    assert!(exercise(&bytes));
}

#[test]
fn small_files_cannot_take_much_memory() {
    // A graph of two million empty nodes: 4 MB that would decode to 400 MB.
    let mut nodes = [0x0a, 0x00].repeat(2_000_000);
    let mut bytes = vec![0x3a];
    let mut length = nodes.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.append(&mut nodes);
    let error = Model::from_bytes(&bytes, &LoadOptions::default()).unwrap_err();
    assert!(matches!(error, ModelError::Limit(_)), "{error}");
}

/// A model that adds the largest element of `giant`, which `nodes` compute from constants, to its input.
fn with_constants(nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> ModelProto {
    let ends = [
        node("ReduceMax", &["giant"], &["largest"], vec![int("keepdims", 0)]),
        node("Add", &["x", "largest"], &["y"], Vec::new()),
    ];
    let nodes = nodes.into_iter().chain(ends).collect();
    let mut model = model(vec![rows("x", 1)], nodes, vec![rows("y", 1)]);
    model.graph.as_mut().unwrap().initializer = constants;
    model
}

fn assert_limit(case: &str, model: &ModelProto) {
    let error = load(model).map(|_| ()).expect_err(case);
    assert!(matches!(error, ModelError::Limit(_)), "{case}: {error}");
}

/// tract computes constants during loading, however large they are.
#[test]
fn giant_constants_are_refused_before_they_are_made() {
    let sizes = |dims: &[i64]| int_tensor("sizes", &[dims.len() as i64], dims);
    let many = || float_tensor("many", &[1, 100_000], &[1.0; 100_000]);
    let column = || float_tensor("column", &[100_000, 1], &[1.0; 100_000]);
    let image = || float_tensor("image", &[1, 1, 2, 2], &[1.0; 4]);
    let nearest = || string("mode", "nearest");
    let plain = |operator: &str, inputs: &[&str]| node(operator, inputs, &["giant"], Vec::new());
    let no_zeros = || tensor_attribute("value", float_tensor("", &[1], &[1.0]));
    let cases = [
        (
            node("ConstantOfShape", &["sizes"], &["giant"], vec![no_zeros()]),
            vec![sizes(&[1 << 30, 1 << 30])],
        ),
        (plain("ConstantOfShape", &["sizes"]), vec![sizes(&[1 << 33])]),
        (plain("Expand", &["many", "sizes"]), vec![many(), sizes(&[1 << 20, 1])]),
        (plain("Tile", &["many", "sizes"]), vec![many(), sizes(&[1 << 33, 1])]),
        (
            plain("Pad", &["many", "sizes"]),
            vec![many(), sizes(&[0, 0, 0, 1 << 33])],
        ),
        (plain("MatMul", &["column", "many"]), vec![column(), many()]),
        (plain("Add", &["column", "many"]), vec![column(), many()]),
        (
            plain("Gather", &["many", "zeros"]),
            vec![many(), int_tensor("zeros", &[100_000], &[0; 100_000])],
        ),
        (
            node("Resize", &["image", "", "scales"], &["giant"], vec![nearest()]),
            vec![image(), float_tensor("scales", &[4], &[1.0, 1.0, 60_000.0, 60_000.0])],
        ),
        (
            plain("HannWindow", &["size"]),
            vec![int_tensor("size", &[], &[1 << 34])],
        ),
    ];
    for (nodes, constants) in cases {
        let case = nodes.op_type.clone();
        assert_limit(&case, &with_constants(vec![nodes], constants));
    }
}

#[test]
fn giant_sizes_that_the_graph_computes_are_refused() {
    let factors = || vec![int_tensor("a", &[1], &[1 << 20]), int_tensor("b", &[1], &[1 << 14])];
    let product = || node("Mul", &["a", "b"], &["sizes"], Vec::new());
    let zeros = node("ConstantOfShape", &["sizes"], &["giant"], Vec::new());
    assert_limit("ConstantOfShape", &with_constants(vec![product(), zeros], factors()));
    let pads = node("Concat", &["b", "sizes"], &["pads"], vec![int("axis", 0)]);
    let padded = node("Pad", &["one", "pads"], &["giant"], Vec::new());
    let mut constants = factors();
    constants.push(float_tensor("one", &[1], &[1.0]));
    assert_limit("Pad", &with_constants(vec![product(), pads, padded], constants));
}

/// Each constant is within the limit, but all together would take minutes.
#[test]
fn very_many_constants_are_refused() {
    let mut nodes = vec![node("ConstantOfShape", &["sizes"], &["v0"], Vec::new())];
    for step in 1..200 {
        let names = [format!("v{}", step - 1), format!("v{step}")];
        nodes.push(node("MatMul", &[&names[0], &names[0]], &[&names[1]], Vec::new()));
    }
    nodes.push(node("Identity", &["v199"], &["giant"], Vec::new()));
    assert_limit(
        "MatMul",
        &with_constants(nodes, vec![int_tensor("sizes", &[2], &[1000, 1000])]),
    );
}

/// Each tensor of a row is within the limit, but all together would take minutes for every row.
#[test]
fn very_many_tensors_of_a_row_are_refused() {
    let mut nodes = vec![node("Expand", &["x", "sizes"], &["v0"], Vec::new())];
    for step in 1..20 {
        let names = [format!("v{}", step - 1), format!("v{step}")];
        nodes.push(node("Exp", &[&names[0]], &[&names[1]], Vec::new()));
    }
    nodes.push(node("ReduceMax", &["v19"], &["giant"], vec![int("keepdims", 0)]));
    assert_limit(
        "Exp",
        &with_constants(nodes, vec![int_tensor("sizes", &[2], &[1, 60_000_000])]),
    );
}

#[test]
fn giant_sizes_in_attributes_are_refused() {
    let pool = node("MaxPool", &["x"], &["y"], vec![ints("kernel_shape", &[1 << 30])]);
    let gru = node("GRU", &["x", "w", "r"], &["y"], vec![int("hidden_size", 1 << 30)]);
    for node in [pool, gru] {
        let case = node.op_type.clone();
        let mut model = model(
            vec![value("x", DataType::Float, &[0, 1, 3])],
            vec![node],
            vec![rows("y", 1)],
        );
        let weights = |name| float_tensor(name, &[1, 3, 1], &[1.0; 3]);
        model.graph.as_mut().unwrap().initializer = vec![weights("w"), weights("r")];
        assert_limit(&case, &model);
    }
}

/// tract would loop up to the axis.
#[test]
fn an_axis_beyond_all_ranks_is_refused() {
    for axis in [i64::MAX, i64::MIN, 1 << 31, -65] {
        let normalization = node("LayerNormalization", &["x", "scale"], &["y"], vec![int("axis", axis)]);
        let mut model = model(vec![rows("x", 2)], vec![normalization], vec![rows("y", 2)]);
        model.graph.as_mut().unwrap().initializer = vec![float_tensor("scale", &[2], &[1.0, 1.0])];
        let error = load(&model).unwrap_err();
        assert!(error.to_string().contains("LayerNormalization_node"), "{error}");
    }
}

/// tract would allocate a list of that length.
#[test]
fn more_scanned_inputs_than_there_are_are_refused() {
    for count in [i64::MAX, 1 << 32, 2, -1] {
        let scan = node("Scan", &["x"], &["y"], vec![int("num_scan_inputs", count)]);
        let error = load(&model(vec![rows("x", 2)], vec![scan], vec![rows("y", 2)])).unwrap_err();
        assert!(error.to_string().contains("Scan_node"), "{error}");
    }
}

#[test]
fn random_operators_are_refused() {
    let nodes = vec![node("RandomNormalLike", &["x"], &["y"], Vec::new())];
    assert!(matches!(
        load(&model(vec![rows("x", 1)], nodes, vec![rows("y", 1)])),
        Err(ModelError::Unsupported { .. })
    ));
}

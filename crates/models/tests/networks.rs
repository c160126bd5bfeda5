//! Operators of the standard domain whose results in tract alone differ from ONNX Runtime's.

mod support;

use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

/// More columns than a vector register has lanes.
const COLUMNS: usize = 19;

/// A model of one operator of rows of `kind` and constants.
fn alone(operator: &str, kind: DataType, constants: Vec<TensorProto>, attributes: Vec<AttributeProto>) -> ModelProto {
    let names: Vec<String> = constants.iter().map(|tensor| tensor.name.clone()).collect();
    let inputs: Vec<&str> = std::iter::once("x").chain(names.iter().map(String::as_str)).collect();
    let mut model = model(
        vec![value("x", kind, &[0, COLUMNS as i64])],
        vec![node(operator, &inputs, &["y"], attributes)],
        vec![value("y", kind, &[0, 0])],
    );
    model.graph.as_mut().unwrap().initializer = constants;
    model
}

fn number(name: &str, kind: DataType, value: f64) -> TensorProto {
    let tensor = if kind == DataType::Float {
        float_tensor(name, &[], &[value as f32])
    } else {
        double_tensor(name, &[value])
    };
    TensorProto {
        dims: Vec::new(),
        ..tensor
    }
}

/// A missing value must not give an ordinary score.
#[test]
fn a_missing_value_stays_missing() {
    let mut row: Vec<f32> = (0..COLUMNS).map(|column| column as f32 - 9.0).collect();
    row[3] = f32::NAN;
    row[18] = f32::NAN;
    for kind in [DataType::Float, DataType::Double] {
        let low = || number("low", kind, -1.0);
        let cases = [
            ("Relu", vec![]),
            ("Sigmoid", vec![]),
            ("Tanh", vec![]),
            ("Elu", vec![]),
            ("Selu", vec![]),
            ("Softplus", vec![]),
            ("LeakyRelu", vec![]),
            ("HardSigmoid", vec![]),
            ("HardSwish", vec![]),
            ("Clip", vec![low(), number("high", kind, 1.0)]),
            ("Max", vec![low()]),
            ("Min", vec![low()]),
        ];
        for (operator, constants) in cases {
            let found = run(&alone(operator, kind, constants, Vec::new()), &row).unwrap();
            for (column, (found, given)) in found.iter().zip(&row).enumerate() {
                assert_eq!(
                    found.is_nan(),
                    given.is_nan(),
                    "{operator} of {kind:?}, column {column}"
                );
            }
        }
        for operator in ["ReduceMax", "ReduceMin"] {
            let attributes = || vec![ints("axes", &[1])];
            let found = run(&alone(operator, kind, Vec::new(), attributes()), &row).unwrap();
            assert!(found[0].is_nan(), "{operator} of {kind:?} answers {found:?}");
            let found = run(&alone(operator, kind, Vec::new(), attributes()), &[2.5; COLUMNS]).unwrap();
            assert_eq!(found, [2.5], "{operator} of {kind:?}");
        }
    }
}

#[test]
fn functions_of_doubles_are_computed_in_double() {
    let row: Vec<f32> = (0..COLUMNS).map(|column| column as f32 * 0.5 - 4.5).collect();
    type Function = fn(f64) -> f64;
    let cases: [(&str, Function); 4] = [
        ("Sigmoid", |x| 1.0 / (1.0 + (-x).exp())),
        ("LeakyRelu", |x| if x < 0.0 { f64::from(0.01f32) * x } else { x }),
        ("HardSwish", |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        ("Round", f64::round_ties_even),
    ];
    for (operator, function) in cases {
        let found = run(&alone(operator, DataType::Double, Vec::new(), Vec::new()), &row).unwrap();
        for (found, &x) in found.iter().zip(&row) {
            let expected = function(f64::from(x));
            assert!(
                (found - expected).abs() < 1e-14,
                "{operator} of {x}: {found}, expected {expected}"
            );
        }
    }
    let Err(error) = load(&alone("Erf", DataType::Double, Vec::new(), Vec::new())) else {
        panic!("Erf of doubles was accepted");
    };
    assert!(error.to_string().contains("Erf"), "{error}");
}

/// The branches of If are graphs, too.
#[test]
fn a_missing_value_stays_missing_in_a_branch() {
    let branch = |name: &str, operator: &str| AttributeProto {
        name: name.to_owned(),
        r#type: tract_onnx::pb::attribute_proto::AttributeType::Graph as i32,
        g: Some(GraphProto {
            node: vec![node(operator, &["x"], &["inner"], Vec::new())],
            output: vec![value("inner", DataType::Float, &[0, 3])],
            name: name.to_owned(),
            ..GraphProto::default()
        }),
        ..AttributeProto::default()
    };
    let branches = vec![branch("then_branch", "Sigmoid"), branch("else_branch", "Tanh")];
    let nodes = vec![
        node("Slice", &["x", "zero", "one", "one"], &["start"], Vec::new()),
        node("ReduceMax", &["start"], &["most"], vec![int("keepdims", 0)]),
        node("Greater", &["most", "bound"], &["is_more"], Vec::new()),
        node("If", &["is_more"], &["y"], branches),
    ];
    let mut model = model(
        vec![value("x", DataType::Float, &[0, 3])],
        nodes,
        vec![value("y", DataType::Float, &[0, 3])],
    );
    model.graph.as_mut().unwrap().initializer = vec![
        int_tensor("zero", &[1], &[0]),
        int_tensor("one", &[1], &[1]),
        float_tensor("bound", &[], &[0.0]),
    ];
    let found = run(&model, &[1.0, f32::NAN, -2.0]).unwrap();
    assert_close(
        &found,
        &[1.0 / (1.0 + (-1f64).exp()), f64::NAN, 1.0 / (1.0 + 2f64.exp())],
    );
}

/// log(exp(a) + exp(b) + ...), also if the exponentials are infinite or zero.
#[test]
fn a_log_sum_exp_overflows_only_where_the_answer_does() {
    let (least, most) = (f32::NEG_INFINITY, f32::INFINITY);
    let rows = [
        [1.0, 2.0, 0.5],
        [1000.0, 999.0, -1000.0],
        [-1000.0, -1001.0, -1002.0],
        [least, 3.0, least],
        [least, least, least],
        [most, 1.0, least],
        [1.0, f32::NAN, 2.0],
        [most, f32::NAN, 2.0],
    ];
    let expected = [
        (1f64.exp() + 2f64.exp() + 0.5f64.exp()).ln(),
        1000.0 + (-1f64).exp().ln_1p(),
        -1000.0 + ((-1f64).exp() + (-2f64).exp()).ln_1p(),
        3.0,
        f64::NEG_INFINITY,
        f64::INFINITY,
        f64::NAN,
        f64::NAN,
    ];
    for kind in [DataType::Float, DataType::Double] {
        let attributes = vec![ints("axes", &[1])];
        let sum = node("ReduceLogSumExp", &["x"], &["y"], attributes);
        let model = model(
            vec![value("x", kind, &[0, 3])],
            vec![sum],
            vec![value("y", kind, &[0, 1])],
        );
        let found = run(&model, rows.as_flattened()).unwrap();
        for ((found, expected), row) in found.iter().zip(expected).zip(rows) {
            let is_same = *found == expected || found.is_nan() && expected.is_nan();
            assert!(
                is_same || (found - expected).abs() < 1e-7 * expected.abs().max(1.0),
                "{row:?}: {found}"
            );
        }
    }
    let all = node(
        "ReduceLogSumExp",
        &["x"],
        &["y"],
        vec![ints("axes", &[1, 2]), int("keepdims", 0)],
    );
    let model = model(
        vec![value("x", DataType::Float, &[0, 2, 2])],
        vec![all],
        vec![value("y", DataType::Float, &[0])],
    );
    assert_close(
        &run(&model, &[500.0, 500.0, 500.0, 500.0]).unwrap(),
        &[500.0 + 4f64.ln()],
    );
}

#[test]
fn a_softmax_of_a_missing_value_is_missing() {
    for width in [2usize, 3, 4, 8, 19] {
        for operator in ["Softmax", "LogSoftmax"] {
            for kind in [DataType::Float, DataType::Double] {
                let columns = width as i64;
                let softmax = node(operator, &["x"], &["y"], vec![int("axis", 1)]);
                let model = model(
                    vec![value("x", kind, &[0, columns])],
                    vec![softmax],
                    vec![value("y", kind, &[0, columns])],
                );
                for place in 0..width {
                    let mut row = vec![1000.0; width];
                    let found = run(&model, &row).unwrap();
                    let share = 1.0 / width as f64;
                    let expected = if operator == "Softmax" { share } else { share.ln() };
                    assert_close(&found, &vec![expected; width]);
                    row[place] = f32::NAN;
                    let found = run(&model, &row).unwrap();
                    assert!(
                        found.iter().all(|number| number.is_nan()),
                        "{operator} of {width}, {place}: {found:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn celu_uses_its_alpha_and_softplus_is_finite() {
    let row: Vec<f32> = (0..COLUMNS).map(|column| (column as f32 - 9.0) * 40.0 + 0.5).collect();
    for kind in [DataType::Float, DataType::Double] {
        let celu = |alpha: f64, x: f64| x.max(0.0) + (alpha * ((x / alpha).exp() - 1.0)).min(0.0);
        for alpha in [0.5f32, 3.0] {
            let found = run(&alone("Celu", kind, Vec::new(), vec![float("alpha", alpha)]), &row).unwrap();
            let expected = row.iter().map(|&x| celu(f64::from(alpha), f64::from(x)));
            assert_close(&found, &expected.collect::<Vec<_>>());
        }
        let softplus = |x: f64| if x > 40.0 { x } else { (x.exp() + 1.0).ln() };
        let found = run(&alone("Softplus", kind, Vec::new(), Vec::new()), &row).unwrap();
        let expected = row.iter().map(|&x| softplus(f64::from(x)));
        assert_close(&found, &expected.collect::<Vec<_>>());
    }
    let mut missing = row.clone();
    missing[7] = f32::NAN;
    let found = run(&alone("Celu", DataType::Float, Vec::new(), Vec::new()), &missing).unwrap();
    assert!(found[7].is_nan() && found[8].is_finite());
}

/// OneHot: "any entries in the 'indices' input tensor with values outside the range [-depth, depth-1] will result in
/// one-hot representation with all 'off_value' values".
#[test]
fn an_unknown_category_has_no_one_hot_value() {
    for kind in [DataType::Int64, DataType::Float] {
        for (axis, expected) in [
            (-1, [[5.0, 2.0, 2.0], [2.0, 2.0, 5.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]),
            (1, [[5.0, 2.0, 2.0], [2.0, 2.0, 5.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]),
        ] {
            let one_hot = node("OneHot", &["x", "depth", "values"], &["y"], vec![int("axis", axis)]);
            let mut model = model(
                vec![value("x", kind, &[0, 1])],
                vec![one_hot],
                vec![value("y", DataType::Float, &[0, 0, 0])],
            );
            model.graph.as_mut().unwrap().initializer = vec![
                int_tensor("depth", &[1], &[3]),
                float_tensor("values", &[2], &[2.0, 5.0]),
            ];
            let found = run(&model, &[0.0, -1.0, 3.0, -4.0]).unwrap();
            assert_close(&found, expected.as_flattened());
        }
    }
}

#[test]
fn an_unknown_category_of_an_embedding_is_an_error() {
    let gather = node("Gather", &["table", "x"], &["y"], vec![int("axis", 0)]);
    let mut model = model(
        vec![value("x", DataType::Int64, &[0, 1])],
        vec![gather],
        vec![value("y", DataType::Float, &[0, 1, 2])],
    );
    model.graph.as_mut().unwrap().initializer = vec![float_tensor("table", &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])];
    assert_close(&run(&model, &[1.0, -1.0]).unwrap(), &[2.0, 3.0, 4.0, 5.0]);
    for unknown in [3.0, -4.0] {
        let error = run(&model, &[1.0, unknown]).unwrap_err().to_string();
        assert!(error.contains("out of range") && !error.contains("panic"), "{error}");
    }
}

/// A model of `nodes` from rows `x` of `kind` to `y`, with integers as constants.
fn of_integers(kind: DataType, nodes: Vec<NodeProto>, constants: &[(&str, i64)], answer: DataType) -> ModelProto {
    let mut model = model(
        vec![value("x", kind, &[0, 1])],
        nodes,
        vec![value("y", answer, &[0, 1])],
    );
    let constants = constants
        .iter()
        .map(|(name, number)| int_tensor(name, &[1], &[*number]));
    model.graph.as_mut().unwrap().initializer = constants.collect();
    model
}

#[test]
fn integers_have_powers_and_64_bits() {
    let rows = [3.0, -4.0, 100_000.0];
    let squares = [9.0, 16.0, 1e10];
    let whole = DataType::Int64;
    let power = || vec![node("Pow", &["x", "n"], &["y"], Vec::new())];
    assert_close(
        &run(&of_integers(whole, power(), &[("n", 2)], whole), &rows).unwrap(),
        &squares,
    );
    let cubes = [27.0, -64.0, 1e15];
    assert_close(
        &run(&of_integers(whole, power(), &[("n", 3)], whole), &rows).unwrap(),
        &cubes,
    );
    let product = vec![node("Mul", &["x", "x"], &["y"], Vec::new())];
    assert_close(&run(&of_integers(whole, product, &[], whole), &rows).unwrap(), &squares);
    // Numbers that f32 holds exactly.
    let large = [3_000_000_256.0, -3_000_000_256.0, 7.9];
    for kind in [DataType::Float, DataType::Double, whole] {
        let cast = || node("Cast", &["x"], &["whole"], vec![int("to", whole as i64)]);
        let same = vec![cast(), node("Add", &["whole", "n"], &["y"], Vec::new())];
        let found = run(&of_integers(kind, same, &[("n", 0)], whole), &large).unwrap();
        assert_eq!(found, [3_000_000_256.0, -3_000_000_256.0, 7.0], "{kind:?}");
        let rest = vec![cast(), node("Mod", &["whole", "n"], &["y"], Vec::new())];
        let found = run(&of_integers(kind, rest, &[("n", 1000)], whole), &large[..1]).unwrap();
        assert_eq!(found, [256.0], "{kind:?}");
    }
}

#[test]
fn doubles_are_tested_and_booleans_compared() {
    let to_float = |from: &str| node("Cast", &[from], &["y"], vec![int("to", DataType::Float as i64)]);
    let rows = [1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let cases = [
        ("IsNaN", vec![], [0.0, 1.0, 0.0, 0.0]),
        ("IsInf", vec![], [0.0, 0.0, 1.0, 1.0]),
        ("IsInf", vec![int("detect_negative", 0)], [0.0, 0.0, 1.0, 0.0]),
        ("IsInf", vec![int("detect_positive", 0)], [0.0, 0.0, 0.0, 1.0]),
    ];
    for (operator, attributes, expected) in cases {
        for kind in [DataType::Float, DataType::Double] {
            let nodes = vec![node(operator, &["x"], &["is"], attributes.clone()), to_float("is")];
            let found = run(&of_integers(kind, nodes, &[], DataType::Float), &rows).unwrap();
            assert_eq!(found, expected, "{operator} of {kind:?}");
        }
    }
    let nodes = vec![
        node("Greater", &["x", "one"], &["is_more"], Vec::new()),
        node("Less", &["x", "five"], &["is_less"], Vec::new()),
        node("Equal", &["is_more", "is_less"], &["is"], Vec::new()),
        to_float("is"),
    ];
    let model = of_integers(DataType::Int64, nodes, &[("one", 1), ("five", 5)], DataType::Float);
    assert_eq!(run(&model, &[0.0, 3.0, 9.0]).unwrap(), [0.0, 1.0, 0.0]);
}

/// Windows of one row, square windows, and padding: the maximum of a window with NaN is NaN.
#[test]
fn a_pool_of_a_missing_value_is_missing() {
    let (nan, row) = (f64::NAN, [1.0, f32::NAN, 2.0, 3.0, 4.0, 9.0, 6.0, 5.0]);
    let strides = || ints("strides", &[1, 2]);
    let cases = [
        (vec![ints("kernel_shape", &[1, 2]), strides()], vec![nan, 3.0, 9.0, 6.0]),
        (vec![ints("kernel_shape", &[2, 2]), strides()], vec![nan, 6.0]),
        (vec![ints("kernel_shape", &[2, 2])], vec![nan, nan, 6.0]),
        (
            vec![ints("kernel_shape", &[1, 3]), strides(), ints("pads", &[0, 1, 0, 0])],
            vec![nan, nan, 9.0, 9.0],
        ),
    ];
    for (attributes, expected) in cases {
        let pool = node("MaxPool", &["x"], &["y"], attributes);
        let input = value("x", DataType::Float, &[0, 1, 2, 4]);
        let model = model(
            vec![input],
            vec![pool],
            vec![value("y", DataType::Float, &[0, 0, 0, 0])],
        );
        let found = run(&model, &[row, [1.0; 8]].concat()).unwrap();
        assert_close(&found[..expected.len()], &expected);
        assert_close(&found[expected.len()..], &vec![1.0; expected.len()]);
    }
}

/// LogSigmoid as written by PyTorch's older exporter. The sigmoid underflows long before its logarithm overflows.
#[test]
fn the_logarithm_of_a_sigmoid_is_finite() {
    for kind in [DataType::Float, DataType::Double] {
        let nodes = vec![
            node("Sigmoid", &["x"], &["share"], Vec::new()),
            node("Log", &["share"], &["y"], Vec::new()),
        ];
        let model = model(vec![value("x", kind, &[0, 1])], nodes, vec![value("y", kind, &[0, 1])]);
        let found = run(&model, &[-900.0, -25.0, 0.0, 30.0, f32::NAN]).unwrap();
        assert_close(&found, &[-900.0, -25.0, 0.5f64.ln(), 0.0, f64::NAN]);
    }
}

#[test]
fn a_global_lp_pool_is_refused() {
    let pool = node("GlobalLpPool", &["x"], &["y"], Vec::new());
    let input = value("x", DataType::Float, &[0, 2, 3]);
    let Err(error) = load(&model(
        vec![input],
        vec![pool],
        vec![value("y", DataType::Float, &[0, 2, 1])],
    )) else {
        panic!("GlobalLpPool was accepted");
    };
    assert!(error.to_string().contains("square root"), "{error}");
}

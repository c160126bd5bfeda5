//! Which models loading accepts, and its errors.

mod support;

use prost::Message;
use riskstream_models::{Limits, LoadOptions, Model, ModelError, ScoreOutput};
use support::*;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;

/// y = 2x + 1 for one column, twice: as `a` with one column and as `b` with three.
fn two_outputs() -> ModelProto {
    let linear = |output: &str, targets: usize| {
        let coefficients = vec![2.0; targets];
        let intercepts: Vec<f32> = (0..targets).map(|target| target as f32).collect();
        let attributes = vec![
            floats("coefficients", &coefficients),
            floats("intercepts", &intercepts),
            int("targets", targets as i64),
        ];
        ml("LinearRegressor", &["x"], &[output], attributes)
    };
    let outputs = vec![
        value("a", DataType::Float, &[0, 1]),
        value("b", DataType::Float, &[0, 3]),
    ];
    model(vec![rows("x", 1)], vec![linear("a", 1), linear("b", 3)], outputs)
}

fn load_with(model: &ModelProto, score: &str) -> Result<Model, ModelError> {
    let options = LoadOptions {
        score: Some(score.parse().unwrap()),
        ..LoadOptions::default()
    };
    Model::from_bytes(&model.encode_to_vec(), &options)
}

fn score(model: &Model, rows: &[f32]) -> Vec<f32> {
    let mut scores = Vec::new();
    model.scorer().score(&doubles(rows), &mut scores).unwrap();
    scores
}

#[test]
fn the_score_is_named_or_determined() {
    let model = two_outputs();
    assert_eq!(score(&load_with(&model, "a").unwrap(), &[3.0]), [6.0]);
    assert_eq!(score(&load_with(&model, "b[2]").unwrap(), &[3.0, 4.0]), [8.0, 10.0]);
    let cases = [
        (load(&model), "which output is the score? Name one of: a, b"),
        (
            load_with(&model, "c"),
            "the model has no output \"c\"; its outputs are: a, b",
        ),
        (
            load_with(&model, "b"),
            "which column of \"b\" is the score? It has 3: write b[0] to b[2]",
        ),
        (
            load_with(&model, "b[3]"),
            "output \"b\" has 3 columns, there is no b[3]",
        ),
    ];
    for (result, expected) in cases {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
}

#[test]
fn score_outputs_are_read_and_written() {
    for text in ["probabilities[1]", "y", "a[b][0]"] {
        assert_eq!(text.parse::<ScoreOutput>().unwrap().to_string(), text);
    }
    for text in ["", "[1]", "y[", "y[]", "y[-1]", "y[one]", "y[1"] {
        assert!(text.parse::<ScoreOutput>().is_err(), "{text:?} was accepted");
    }
}

#[test]
fn rows_must_be_whole() {
    let model = load_with(&two_outputs(), "a").unwrap();
    let model_of_two = single(2, ml("Binarizer", &["x"], &["y"], Vec::new()));
    let mut scores = vec![1.0];
    let error = load(&model_of_two)
        .unwrap()
        .scorer()
        .score(&[1.0, 2.0, 3.0], &mut scores)
        .unwrap_err();
    assert!(matches!(error, ModelError::Rows { expected: 2, given: 3 }), "{error}");
    assert_eq!(score(&model, &[]), [0f32; 0]);
}

#[test]
fn a_description_summarises_the_file() {
    let bytes = two_outputs().encode_to_vec();
    let model = load_with(&two_outputs(), "b[1]").unwrap();
    let description = model.description();
    assert_eq!(model.input_width(), 1);
    assert_eq!(description.score.as_deref(), Some("b[1]"));
    assert_eq!(description.bytes, bytes.len());
    assert_eq!(description.operators.len(), 1);
    assert_eq!(
        (
            description.operators[0].operator.as_str(),
            description.operators[0].nodes
        ),
        ("ai.onnx.ml.LinearRegressor", 2)
    );
    assert_eq!(description.outputs[0].elements, "float");
    assert_eq!(model.sha256().len(), 64);
}

#[test]
fn several_inputs_share_a_row() {
    let inputs = vec![rows("first", 1), value("second", DataType::Int64, &[0, 2])];
    let nodes = vec![
        node("Cast", &["second"], &["float"], vec![int("to", DataType::Float as i64)]),
        ml(
            "FeatureVectorizer",
            &["float", "first"],
            &["y"],
            vec![ints("inputdimensions", &[2, 1])],
        ),
    ];
    let model = model(inputs, nodes, vec![value("y", DataType::Float, &[0, 3])]);
    assert_eq!(
        run(&model, &[1.5, 2.0, 3.0, 4.5, 5.0, 6.0]).unwrap(),
        [2.0, 3.0, 1.5, 5.0, 6.0, 4.5]
    );
}

/// A cast to integer would turn NaN into zero, a valid category.
#[test]
fn a_missing_integer_has_no_score() {
    let inputs = vec![value("category", DataType::Int64, &[0, 1]), rows("amount", 1)];
    let nodes = vec![
        node(
            "Cast",
            &["category"],
            &["number"],
            vec![int("to", DataType::Float as i64)],
        ),
        node("Add", &["number", "amount"], &["y"], Vec::new()),
    ];
    let model = load(&model(inputs, nodes, vec![rows("y", 1)])).unwrap();
    let found = score(&model, &[2.0, 0.5, f32::NAN, 0.5, 3.0, 1.0]);
    assert_eq!((found[0], found[2]), (2.5, 4.0));
    assert!(found[1].is_nan(), "{found:?}");
}

#[test]
fn a_zip_map_gives_columns() {
    let attributes = vec![
        floats("coefficients", &[1.0, -1.0]),
        floats("intercepts", &[0.0, 0.0]),
        ints("classlabels_ints", &[0, 1]),
        string("post_transform", "LOGISTIC"),
    ];
    let nodes = vec![
        ml("LinearClassifier", &["x"], &["label", "raw"], attributes),
        ml("ZipMap", &["raw"], &["y"], vec![ints("classlabels_int64s", &[0, 1])]),
    ];
    let model = model(
        vec![rows("x", 1)],
        nodes,
        vec![value("label", DataType::Int64, &[0]), map_value("y")],
    );
    let model = load(&model).unwrap();
    assert_eq!(model.description().score.as_deref(), Some("y[1]"));
    assert_close(&[f64::from(score(&model, &[2.0])[0])], &[1.0 / (1.0 + 2f64.exp())]);
}

#[test]
fn a_fixed_number_of_rows_is_made_variable_or_kept() {
    let mut free = single(2, ml("Binarizer", &["x"], &["y"], Vec::new()));
    free.graph.as_mut().unwrap().input = vec![value("x", DataType::Float, &[1, 2])];
    assert_eq!(run(&free, &[1.0, -1.0, -1.0, 1.0]).unwrap(), [1.0, 0.0, 0.0, 1.0]);
    // The graph itself contains the number of rows, 1.
    let mut fixed = single(2, node("Reshape", &["x", "shape"], &["y"], Vec::new()));
    let graph = fixed.graph.as_mut().unwrap();
    graph.input = vec![value("x", DataType::Float, &[1, 2])];
    graph.initializer.push(int_tensor("shape", &[2], &[1, 2]));
    assert_eq!(run(&fixed, &[1.0, 2.0, 3.0, 4.0]).unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

/// The number of transactions in a batch varies, also if the exporter has fixed the number of rows.
#[test]
fn a_model_fixed_to_four_rows_scores_any_number() {
    let mut fixed = single(2, node("Reshape", &["x", "shape"], &["y"], Vec::new()));
    let graph = fixed.graph.as_mut().unwrap();
    graph.input = vec![value("x", DataType::Float, &[4, 2])];
    graph.initializer.push(int_tensor("shape", &[2], &[4, 2]));
    let model = load_with(&fixed, "y[1]").unwrap();
    let mut scorer = model.scorer();
    let mut scores = Vec::new();
    for count in [1, 3, 4, 9] {
        let rows: Vec<f64> = (0..2 * count).map(|number| number as f64).collect();
        scorer.score_each(&rows, &mut scores).unwrap();
        let expected: Vec<Option<f32>> = (0..count).map(|row| Some((2 * row + 1) as f32)).collect();
        assert_eq!(scores, expected);
    }
    assert!(scorer.score_each(&[1.0], &mut scores).is_err());
}

#[test]
fn unsupported_operators_are_named() {
    let error = load(&single(1, ml("Frobnicate", &["x"], &["y"], Vec::new())))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Frobnicate_node") && error.contains("ai.onnx.ml.Frobnicate"),
        "{error}"
    );
}

#[test]
fn damaged_graphs_are_refused() {
    let binarizer = |inputs: &[&str], outputs: &[&str]| ml("Binarizer", inputs, outputs, Vec::new());
    let with = |nodes: Vec<_>| model(vec![rows("x", 1)], nodes, vec![value("y", DataType::Float, &[0, 1])]);
    let mut external = single(1, node("Add", &["x", "one"], &["y"], Vec::new()));
    let mut one = float_tensor("one", &[1], &[]);
    one.data_location = Some(1);
    external.graph.as_mut().unwrap().initializer.push(one);
    let mut giant = single(1, node("Add", &["x", "one"], &["y"], Vec::new()));
    giant
        .graph
        .as_mut()
        .unwrap()
        .initializer
        .push(float_tensor("one", &[1 << 40], &[1.0]));
    let mut short = single(1, node("Add", &["x", "one"], &["y"], Vec::new()));
    short
        .graph
        .as_mut()
        .unwrap()
        .initializer
        .push(float_tensor("one", &[4], &[1.0]));
    let cases = [
        (
            "a cycle",
            with(vec![binarizer(&["y"], &["z"]), binarizer(&["z"], &["y"])]),
        ),
        ("a node that reads itself", with(vec![binarizer(&["y"], &["y"])])),
        (
            "a value that nothing writes",
            with(vec![binarizer(&["nothing"], &["y"])]),
        ),
        (
            "a value written twice",
            with(vec![binarizer(&["x"], &["y"]), binarizer(&["x"], &["y"])]),
        ),
        ("an output that nothing writes", with(vec![binarizer(&["x"], &["z"])])),
        ("no graph", ModelProto::default()),
        (
            "no inputs",
            model(Vec::new(), Vec::new(), vec![value("y", DataType::Float, &[0, 1])]),
        ),
        ("data outside the file", external),
        ("a giant tensor", giant),
        ("a tensor with too few elements", short),
        (
            "an input without columns",
            model(
                vec![value("x", DataType::Float, &[0, 0])],
                vec![binarizer(&["x"], &["y"])],
                vec![rows("y", 1)],
            ),
        ),
        (
            "an input of strings",
            model(
                vec![value("x", DataType::String, &[0, 1])],
                vec![binarizer(&["x"], &["y"])],
                vec![rows("y", 1)],
            ),
        ),
    ];
    for (what, model) in cases {
        assert!(load_with(&model, "y[0]").is_err(), "{what} was accepted");
    }
}

#[test]
fn limits_hold() {
    let model = two_outputs().encode_to_vec();
    let load = |limits: Limits| {
        Model::from_bytes(
            &model,
            &LoadOptions {
                score: Some("a".parse().unwrap()),
                limits,
            },
        )
    };
    assert!(load(Limits::default()).is_ok());
    assert!(matches!(
        load(Limits {
            file_bytes: 10,
            ..Limits::default()
        }),
        Err(ModelError::Limit(_))
    ));
    assert!(matches!(
        load(Limits {
            graph_nodes: 1,
            ..Limits::default()
        }),
        Err(ModelError::Limit(_))
    ));
    assert!(matches!(
        load(Limits {
            input_columns: 0,
            ..Limits::default()
        }),
        Err(ModelError::Limit(_))
    ));
}

//! String columns: lookups, imputation, comparison, and unsupported operators.

mod support;

use prost::Message;
use riskstream_models::{Cell, ColumnKind, LoadOptions, Model, ModelError, Values};
use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto, ValueInfoProto};

fn texts(name: &str, columns: i64) -> ValueInfoProto {
    value(name, DataType::String, &[0, columns])
}

fn text_tensor(name: &str, dims: &[i64], values: &[&str]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::String as i32,
        string_data: values.iter().map(|value| value.as_bytes().to_vec()).collect(),
        ..TensorProto::default()
    }
}

/// A model of one input `x` of texts.
fn of_texts(columns: i64, nodes: Vec<NodeProto>, kind: DataType) -> ModelProto {
    model(vec![texts("x", columns)], nodes, vec![value("y", kind, &[0, 0])])
}

fn load_y(model: &ModelProto) -> Result<Model, ModelError> {
    let options = LoadOptions {
        score: Some("y[0]".parse().unwrap()),
        ..LoadOptions::default()
    };
    Model::from_bytes(&model.encode_to_vec(), &options)
}

/// The output `y` for rows of texts.
#[track_caller]
fn answer(model: &ModelProto, rows: &[&str]) -> Vec<f64> {
    let model = load_y(model).unwrap();
    let cells: Vec<Cell<'_>> = rows.iter().map(|&text| Cell::Text(text)).collect();
    let mut encoded = Vec::new();
    model.encode(&cells, &mut encoded).unwrap();
    let outputs = model.scorer().outputs(&encoded).unwrap();
    let mut scores = Vec::new();
    model.scorer().score(&encoded, &mut scores).unwrap();
    let found = outputs.into_iter().find(|output| output.name == "y").unwrap();
    let Values::Numbers(numbers) = found.values else {
        panic!("y holds strings");
    };
    let width = numbers.len() / scores.len();
    for (row, score) in numbers.chunks(width).zip(scores) {
        assert_eq!(row[0] as f32, score, "the score is not that of the output");
    }
    numbers
}

fn one_hot(input: &str, output: &str, categories: &[&str], zeros: i64) -> NodeProto {
    let attributes = vec![strings("cats_strings", categories), int("zeros", zeros)];
    ml("OneHotEncoder", &[input], &[output], attributes)
}

#[test]
fn categories_become_columns() {
    let encoder = one_hot("x", "y", &["POS", "ATM", "POS"], 1);
    let model = of_texts(1, vec![encoder], DataType::Float);
    assert_eq!(
        answer(&model, &["ATM", "POS", "pos", ""]),
        [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn an_unknown_category_is_an_error_where_the_model_says_so() {
    let model = load_y(&of_texts(1, vec![one_hot("x", "y", &["a"], 0)], DataType::Float)).unwrap();
    let mut scores = Vec::new();
    let known = model.scorer().score(&[model.text_code("a")], &mut scores);
    assert!(known.is_ok() && scores == [1.0]);
    assert!(model.scorer().score(&[model.text_code("b")], &mut scores).is_err());
    // NaN in a column of texts is an unknown text.
    assert!(model.scorer().score(&[f64::NAN], &mut scores).is_err());
}

#[test]
fn labels_are_looked_up() {
    let keys = strings("keys_strings", &["low", "high", "low"]);
    let to_floats = vec![
        keys.clone(),
        floats("values_floats", &[1.5, 2.5, 3.5]),
        float("default_float", -7.0),
    ];
    let model = of_texts(2, vec![ml("LabelEncoder", &["x"], &["y"], to_floats)], DataType::Float);
    assert_eq!(answer(&model, &["low", "high", "", "none"]), [1.5, 2.5, -7.0, -7.0]);

    let to_integers = vec![keys, ints("values_int64s", &[10, 20, 30])];
    let model = of_texts(
        1,
        vec![ml("LabelEncoder", &["x"], &["y"], to_integers)],
        DataType::Int64,
    );
    assert_eq!(answer(&model, &["high", "other"]), [20.0, -1.0]);

    // Version 1 maps a text to its index.
    let classes = vec![strings("classes_strings", &["a", "b", "c"]), int("default_int64", 9)];
    let model = of_texts(1, vec![ml("LabelEncoder", &["x"], &["y"], classes)], DataType::Int64);
    assert_eq!(answer(&model, &["c", "a", "d"]), [2.0, 0.0, 9.0]);

    // Version 4: keys and values as tensors.
    let tensors = vec![
        tensor_attribute("keys_tensor", text_tensor("k", &[2], &["a", "b"])),
        tensor_attribute("values_tensor", float_tensor("v", &[2], &[0.25, 0.75])),
        tensor_attribute("default_tensor", float_tensor("d", &[1], &[0.5])),
    ];
    let model = of_texts(1, vec![ml("LabelEncoder", &["x"], &["y"], tensors)], DataType::Float);
    assert_eq!(answer(&model, &["b", "a", "d"]), [0.75, 0.25, 0.5]);
}

#[test]
fn categories_are_mapped() {
    let attributes = vec![
        strings("cats_strings", &["a", "b"]),
        ints("cats_int64s", &[7, 8]),
        int("default_int64", 3),
    ];
    let model = of_texts(
        1,
        vec![ml("CategoryMapper", &["x"], &["y"], attributes)],
        DataType::Int64,
    );
    assert_eq!(answer(&model, &["b", "a", "c"]), [8.0, 7.0, 3.0]);
}

#[test]
fn texts_become_other_texts_on_the_way() {
    let merge = vec![
        strings("keys_strings", &["UK", "GB", "US"]),
        strings("values_strings", &["GB", "GB", "US"]),
        string("default_string", "other"),
    ];
    let nodes = vec![
        ml("LabelEncoder", &["x"], &["merged"], merge),
        one_hot("merged", "y", &["GB", "US", "other"], 0),
    ];
    assert_eq!(
        answer(&of_texts(1, nodes, DataType::Float), &["UK", "US", "FR"]),
        [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    );
}

/// A SimpleImputer of texts as written by skl2onnx: the imputed text is the result of a lookup of a constant.
#[test]
fn missing_texts_are_filled_in() {
    let filling = vec![
        ints("keys_int64s", &[0]),
        strings("values_strings", &["GB"]),
        string("default_string", "GB"),
    ];
    let is_missing = vec![
        strings("keys_strings", &[""]),
        ints("values_int64s", &[1]),
        int("default_int64", 0),
    ];
    let nodes = vec![
        ml("LabelEncoder", &["zero"], &["filling"], filling),
        ml("ArrayFeatureExtractor", &["x", "second"], &["column"], Vec::new()),
        ml("LabelEncoder", &["column"], &["flag"], is_missing),
        node("Cast", &["flag"], &["missing"], vec![int("to", DataType::Bool as i64)]),
        node("Where", &["missing", "filling", "column"], &["filled"], Vec::new()),
        node("Concat", &["filled", "x"], &["joined"], vec![int("axis", 1)]),
        ml("ArrayFeatureExtractor", &["joined", "first"], &["picked"], Vec::new()),
        one_hot("picked", "encoded", &["GB", "US"], 1),
        node("Reshape", &["encoded", "flat"], &["y"], Vec::new()),
    ];
    let mut model = of_texts(2, nodes, DataType::Float);
    model.graph.as_mut().unwrap().initializer = vec![
        int_tensor("zero", &[1], &[0]),
        int_tensor("first", &[1], &[0]),
        int_tensor("second", &[1], &[1]),
        int_tensor("flat", &[2], &[-1, 2]),
    ];
    assert_eq!(
        answer(&model, &["a", "US", "b", "", "c", "FR"]),
        [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn texts_are_compared_with_constants() {
    let nodes = vec![
        node("Equal", &["x", "risky"], &["equal"], Vec::new()),
        node("Cast", &["equal"], &["y"], vec![int("to", DataType::Float as i64)]),
    ];
    let mut constant = of_texts(1, nodes.clone(), DataType::Float);
    constant.graph.as_mut().unwrap().initializer = vec![text_tensor("risky", &[1], &["MOTO"])];
    assert_eq!(answer(&constant, &["MOTO", "POS"]), [1.0, 0.0]);

    let mut with_node = nodes;
    let value = tensor_attribute("value", text_tensor("", &[1], &["MOTO"]));
    with_node.insert(0, node("Constant", &[], &["risky"], vec![value]));
    assert_eq!(
        answer(&of_texts(1, with_node, DataType::Float), &["MOTO", "POS"]),
        [1.0, 0.0]
    );
}

/// One input for each column, as skl2onnx exports a data frame. The class labels are texts that come from no input.
#[test]
fn numbers_and_texts_share_a_row() {
    let classifier = vec![
        floats("coefficients", &[-1.0, -2.0, -3.0, 1.0, 2.0, 3.0]),
        floats("intercepts", &[0.0, 0.0]),
        strings("classlabels_strings", &["genuine", "fraud"]),
        string("post_transform", "SOFTMAX"),
    ];
    let nodes = vec![
        one_hot("channel", "encoded", &["POS", "ATM"], 1),
        node("Reshape", &["encoded", "flat"], &["columns"], Vec::new()),
        node("Concat", &["columns", "amount"], &["joined"], vec![int("axis", 1)]),
        ml("LinearClassifier", &["joined"], &["label", "probabilities"], classifier),
    ];
    let inputs = vec![texts("channel", 1), rows("amount", 1)];
    let outputs = vec![
        value("label", DataType::String, &[0]),
        value("probabilities", DataType::Float, &[0, 2]),
    ];
    let mut model = model(inputs, nodes, outputs);
    model.graph.as_mut().unwrap().initializer = vec![int_tensor("flat", &[2], &[-1, 2])];
    let model = load(&model).unwrap();
    assert_eq!(model.columns(), [ColumnKind::Text, ColumnKind::Number]);
    assert_eq!(model.description().inputs[0].elements, "string");

    let mut encoded = Vec::new();
    let cells = [Cell::Text("ATM"), Cell::Number(0.5), Cell::Missing, Cell::Number(-1.0)];
    model.encode(&cells, &mut encoded).unwrap();
    let mut scores = Vec::new();
    model.scorer().score(&encoded, &mut scores).unwrap();
    let expected = |sum: f64| 1.0 / (1.0 + (-2.0 * sum).exp());
    let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
    assert_close(&scores, &[expected(3.5), expected(-3.0)]);
    let outputs = model.scorer().outputs(&encoded).unwrap();
    assert_eq!(
        outputs[0].values,
        Values::Strings(vec!["fraud".to_owned(), "genuine".to_owned()])
    );

    let error = model
        .encode(&[Cell::Number(1.0), Cell::Number(2.0)], &mut encoded)
        .unwrap_err();
    assert_eq!(error.to_string(), "column 0 of a row takes texts");
    let error = model
        .encode(&[Cell::Text("ATM"), Cell::Text("2")], &mut encoded)
        .unwrap_err();
    assert_eq!(error.to_string(), "column 1 of a row takes numbers");
    let error = model.encode(&[Cell::Text("ATM")], &mut encoded).unwrap_err();
    assert!(matches!(error, ModelError::Rows { expected: 2, given: 1 }), "{error}");
}

#[test]
fn unsupported_operators_on_texts_are_named() {
    let cast = node("Cast", &["x"], &["y"], vec![int("to", DataType::Float as i64)]);
    let compare = vec![
        node("Split", &["x"], &["a", "b"], vec![int("axis", 1)]),
        node("Equal", &["a", "b"], &["equal"], Vec::new()),
        node("Cast", &["equal"], &["y"], vec![int("to", DataType::Float as i64)]),
    ];
    let scale = ml(
        "Scaler",
        &["x"],
        &["y"],
        vec![floats("offset", &[0.0]), floats("scale", &[1.0])],
    );
    for (operator, nodes) in [
        ("Cast", vec![cast]),
        ("Equal", compare),
        ("ai.onnx.ml.Scaler", vec![scale]),
    ] {
        let error = load_y(&of_texts(2, nodes, DataType::Float)).unwrap_err().to_string();
        assert!(
            error.contains(&format!("the operator {operator} on texts")) && error.contains("before the model"),
            "{error}"
        );
    }
    let integers = vec![ints("keys_int64s", &[1]), ints("values_int64s", &[1])];
    let lookup = ml("LabelEncoder", &["x"], &["y"], integers);
    let error = load_y(&of_texts(1, vec![lookup], DataType::Int64))
        .unwrap_err()
        .to_string();
    assert!(error.contains("reads texts but has no keys_strings"), "{error}");
    let copied = node("Identity", &["x"], &["y"], Vec::new());
    let error = load_y(&of_texts(1, vec![copied], DataType::String))
        .unwrap_err()
        .to_string();
    assert!(error.contains("is text taken from an input"), "{error}");
}

//! The other operators of ai.onnx.ml: cases computed by hand from the specification.

mod support;

use support::*;
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;

const NAN: f32 = f32::NAN;

#[track_caller]
fn check(columns: i64, node: NodeProto, rows: &[f32], expected: &[f64]) {
    assert_close(&run(&single(columns, node), rows).unwrap(), expected);
}

fn on_x(operator: &str, attributes: Vec<tract_onnx::pb::AttributeProto>) -> NodeProto {
    ml(operator, &["x"], &["y"], attributes)
}

#[test]
fn scaler_subtracts_then_multiplies() {
    let each = vec![floats("offset", &[1.0, 10.0]), floats("scale", &[2.0, 0.5])];
    check(
        2,
        on_x("Scaler", each),
        &[3.0, 20.0, NAN, 0.0],
        &[4.0, 5.0, f64::NAN, -5.0],
    );
    let one = vec![floats("offset", &[1.0]), floats("scale", &[2.0])];
    check(2, on_x("Scaler", one), &[3.0, 20.0], &[4.0, 38.0]);
}

#[test]
fn imputer_replaces_the_one_value() {
    let nan = vec![
        floats("imputed_value_floats", &[5.0, 6.0]),
        float("replaced_value_float", NAN),
    ];
    check(2, on_x("Imputer", nan), &[NAN, 1.0, 2.0, NAN], &[5.0, 1.0, 2.0, 6.0]);
    let zero = vec![
        floats("imputed_value_floats", &[7.0]),
        float("replaced_value_float", 0.0),
    ];
    check(
        2,
        on_x("Imputer", zero),
        &[0.0, 1.0, NAN, -0.0],
        &[7.0, 1.0, f64::NAN, 7.0],
    );
}

#[test]
fn normalizer_divides_rows_by_their_norm() {
    let cases = [
        ("MAX", [0.75, -1.0, 1.0, 0.5]),
        ("L1", [3.0 / 7.0, -4.0 / 7.0, 2.0 / 3.0, 1.0 / 3.0]),
        ("L2", [0.6, -0.8, 2.0 / 5f64.sqrt(), 1.0 / 5f64.sqrt()]),
    ];
    for (norm, expected) in cases {
        let expected = if norm == "MAX" {
            [1.0, -4.0 / 3.0, 1.0, 0.5]
        } else {
            expected
        };
        check(
            2,
            on_x("Normalizer", vec![string("norm", norm)]),
            &[3.0, -4.0, 2.0, 1.0],
            &expected,
        );
        check(
            2,
            on_x("Normalizer", vec![string("norm", norm)]),
            &[0.0, 0.0],
            &[0.0, 0.0],
        );
    }
}

#[test]
fn binarizer_is_strict() {
    check(
        4,
        on_x("Binarizer", vec![float("threshold", 1.0)]),
        &[0.5, 1.0, 1.5, NAN],
        &[0.0, 0.0, 1.0, 0.0],
    );
}

#[test]
fn one_hot_encoder_leaves_unknown_values_zero() {
    let node = on_x("OneHotEncoder", vec![ints("cats_int64s", &[3, 1]), int("zeros", 1)]);
    let found = run(&single(2, node), &[1.0, 3.9, 2.0, NAN]).unwrap();
    assert_eq!(found, [0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let strict = on_x("OneHotEncoder", vec![ints("cats_int64s", &[3, 1]), int("zeros", 0)]);
    assert!(run(&single(2, strict), &[1.0, 2.0]).is_err());
}

#[test]
fn label_encoder_maps_keys_to_values() {
    let attributes = vec![
        floats("keys_floats", &[1.0, NAN, 1.0]),
        floats("values_floats", &[10.0, 20.0, 30.0]),
        float("default_float", -5.0),
    ];
    check(
        4,
        on_x("LabelEncoder", attributes),
        &[1.0, NAN, 2.0, 0.0],
        &[10.0, 20.0, -5.0, -5.0],
    );
    let nodes = vec![
        node("Cast", &["x"], &["whole"], vec![int("to", DataType::Int64 as i64)]),
        ml(
            "LabelEncoder",
            &["whole"],
            &["y"],
            vec![ints("keys_int64s", &[1, 2]), floats("values_floats", &[0.5, 0.25])],
        ),
    ];
    let model = model(vec![rows("x", 3)], nodes, vec![value("y", DataType::Float, &[0, 3])]);
    assert_eq!(run(&model, &[1.0, 2.0, 3.0]).unwrap(), [0.5, 0.25, 0.0]);
}

/// Version 4: keys, values and the default are tensors of doubles and of integers. NaN is a key equal to itself.
#[test]
fn label_encoder_takes_tensors() {
    let encoder = |kind, keys, values, default| {
        let attributes = vec![
            tensor_attribute("keys_tensor", keys),
            tensor_attribute("values_tensor", values),
            tensor_attribute("default_tensor", default),
        ];
        let encoder = ml("LabelEncoder", &["x"], &["y"], attributes);
        model(
            vec![value("x", kind, &[0, 1])],
            vec![encoder],
            vec![value("y", kind, &[0, 1])],
        )
    };
    let doubles = encoder(
        DataType::Double,
        double_tensor("", &[0.5, f64::NAN]),
        double_tensor("", &[0.1, 0.2]),
        double_tensor("", &[0.3]),
    );
    assert_eq!(run(&doubles, &[NAN, 0.5, 1.0]).unwrap(), [0.2, 0.1, 0.3]);
    let integers = |values: &[i64]| int_tensor("", &[values.len() as i64], values);
    let integers = encoder(DataType::Int64, integers(&[1, 2]), integers(&[-5, 6]), integers(&[9]));
    assert_eq!(run(&integers, &[2.0, 1.0, 3.0]).unwrap(), [6.0, -5.0, 9.0]);
}

#[test]
fn imputer_replaces_an_integer() {
    let attributes = vec![ints("imputed_value_int64s", &[7, 8]), int("replaced_value_int64", -1)];
    let imputer = ml("Imputer", &["x"], &["y"], attributes);
    let whole = |name| value(name, DataType::Int64, &[0, 2]);
    let model = model(vec![whole("x")], vec![imputer], vec![whole("y")]);
    assert_eq!(run(&model, &[-1.0, 1.0, 0.0, -1.0]).unwrap(), [7.0, 1.0, 0.0, 8.0]);
}

#[test]
fn categories_go_through_strings_and_back() {
    let nodes = vec![
        node("Cast", &["x"], &["whole"], vec![int("to", DataType::Int64 as i64)]),
        ml(
            "CategoryMapper",
            &["whole"],
            &["word"],
            vec![
                ints("cats_int64s", &[1, 2]),
                strings("cats_strings", &["one", "two"]),
                string("default_string", "other"),
            ],
        ),
        ml(
            "LabelEncoder",
            &["word"],
            &["y"],
            vec![
                strings("keys_strings", &["two", "other"]),
                floats("values_floats", &[2.5, 9.5]),
            ],
        ),
    ];
    let model = model(vec![rows("x", 3)], nodes, vec![value("y", DataType::Float, &[0, 3])]);
    assert_eq!(run(&model, &[1.0, 2.0, 3.0]).unwrap(), [0.0, 2.5, 9.5]);
}

#[test]
fn feature_vectorizer_cuts_and_fills() {
    let inputs = vec![rows("a", 1), rows("b", 3)];
    let join = ml(
        "FeatureVectorizer",
        &["a", "b"],
        &["y"],
        vec![ints("inputdimensions", &[2, 2])],
    );
    let model = model(inputs, vec![join], vec![value("y", DataType::Float, &[0, 4])]);
    let found = run(&model, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
    assert_eq!(found, [1.0, 0.0, 2.0, 3.0, 5.0, 0.0, 6.0, 7.0]);
}

#[test]
fn array_feature_extractor_picks_columns_and_keeps_the_axis() {
    let pick = |indices: &[i64]| {
        let mut model = single(3, ml("ArrayFeatureExtractor", &["x", "indices"], &["y"], Vec::new()));
        model
            .graph
            .as_mut()
            .unwrap()
            .initializer
            .push(int_tensor("indices", &[1, indices.len() as i64], indices));
        model
    };
    assert_eq!(
        run(&pick(&[2, 0]), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap(),
        [3.0, 1.0, 6.0, 4.0]
    );
    assert_eq!(run(&pick(&[1]), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap(), [2.0, 5.0]);
    assert!(run(&pick(&[3]), &[1.0, 2.0, 3.0]).is_err());
    assert!(run(&pick(&[-1]), &[1.0, 2.0, 3.0]).is_err());
}

#[test]
fn linear_models_multiply_and_add() {
    let attributes = vec![
        floats("coefficients", &[1.0, 2.0, -1.0, 0.5]),
        floats("intercepts", &[0.5, -0.5]),
        int("targets", 2),
    ];
    check(
        2,
        on_x("LinearRegressor", attributes),
        &[1.0, 1.0, 2.0, 0.0],
        &[3.5, -1.0, 2.5, -2.5],
    );

    let classifier = |attributes: Vec<_>| {
        let mut all = vec![
            floats("coefficients", &[1.0, 0.0, -1.0, 0.0]),
            floats("intercepts", &[0.0, 0.0]),
        ];
        all.extend(attributes);
        let node = ml("LinearClassifier", &["x"], &["label", "y"], all);
        model(
            vec![rows("x", 2)],
            vec![node],
            vec![
                value("label", DataType::Int64, &[0]),
                value("y", DataType::Float, &[0, 2]),
            ],
        )
    };
    let labels = || ints("classlabels_ints", &[4, 8]);
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let model = load(&classifier(vec![labels(), string("post_transform", "LOGISTIC")])).unwrap();
    assert_eq!(answers(&model, &[2.0, 0.0, -1.0, 0.0], "label"), [4.0, 8.0]);
    assert_close(
        &answers(&model, &[2.0, 0.0, -1.0, 0.0], "y"),
        &[logistic(2.0), logistic(-2.0), logistic(-1.0), logistic(1.0)],
    );
    let model = load(&classifier(vec![labels(), string("post_transform", "SOFTMAX")])).unwrap();
    assert_close(&answers(&model, &[2.0, 0.0], "y"), &[logistic(4.0), logistic(-4.0)]);
    assert!(
        load(&classifier(vec![ints("classlabels_ints", &[1, 2, 3])])).is_err(),
        "three labels for two rows of coefficients"
    );
}

/// One row of coefficients for two classes: the score is the second's.
#[test]
fn a_linear_classifier_of_one_score_gives_two() {
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let cases = [
        ("NONE", [-1.0, 2.0, 2.0, -1.0]),
        (
            "LOGISTIC",
            [logistic(-2.0), logistic(2.0), logistic(1.0), logistic(-1.0)],
        ),
        ("SOFTMAX", [-1.0, 2.0, 2.0, -1.0]),
    ];
    for (transform, expected) in cases {
        let attributes = vec![
            floats("coefficients", &[1.0]),
            floats("intercepts", &[0.0]),
            ints("classlabels_ints", &[4, 8]),
            string("post_transform", transform),
        ];
        let node = ml("LinearClassifier", &["x"], &["label", "y"], attributes);
        let label = value("label", DataType::Int64, &[0]);
        let model = model(
            vec![rows("x", 1)],
            vec![node],
            vec![label, value("y", DataType::Float, &[0, 2])],
        );
        assert_close(&run(&model, &[2.0, -1.0]).unwrap(), &expected);
    }
}

#[test]
fn support_vector_machines_sum_kernels() {
    let regressor = |kernel: &str, params: &[f32]| {
        on_x(
            "SVMRegressor",
            vec![
                floats("support_vectors", &[1.0, 0.0, 0.0, 2.0]),
                floats("coefficients", &[2.0, -1.0]),
                floats("rho", &[0.5]),
                int("n_supports", 2),
                string("kernel_type", kernel),
                floats("kernel_params", params),
            ],
        )
    };
    // Kernels of (1, 1) with both vectors: inner products 1 and 2, squared distances 1 and 2.
    check(2, regressor("LINEAR", &[]), &[1.0, 1.0], &[2.0 - 2.0 + 0.5]);
    check(
        2,
        regressor("RBF", &[0.5, 0.0, 0.0]),
        &[1.0, 1.0],
        &[2.0 * (-0.5f64).exp() - (-1f64).exp() + 0.5],
    );
    check(
        2,
        regressor("POLY", &[0.5, 1.0, 3.0]),
        &[1.0, 1.0],
        &[2.0 * 1.5f64.powi(3) - 2f64.powi(3) + 0.5],
    );
    check(
        2,
        regressor("SIGMOID", &[0.5, 0.1, 0.0]),
        &[1.0, 1.0],
        &[2.0 * 0.6f64.tanh() - 1.1f64.tanh() + 0.5],
    );
    let linear = vec![
        floats("coefficients", &[2.0, -1.0]),
        floats("rho", &[0.25]),
        int("n_supports", 0),
        int("one_class", 1),
    ];
    check(2, on_x("SVMRegressor", linear), &[1.0, 1.0, 0.0, 1.0], &[1.0, -1.0]);
}

#[test]
fn support_vector_classifiers_vote_and_calibrate() {
    let classifier = |attributes: Vec<_>| {
        let mut all = vec![
            floats("support_vectors", &[1.0, -1.0]),
            ints("vectors_per_class", &[1, 1]),
            floats("coefficients", &[1.0, -1.0]),
            floats("rho", &[0.25]),
            ints("classlabels_ints", &[0, 1]),
            floats("kernel_params", &[1.0, 0.0, 1.0]),
        ];
        all.extend(attributes);
        let node = ml("SVMClassifier", &["x"], &["label", "y"], all);
        model(
            vec![rows("x", 1)],
            vec![node],
            vec![
                value("label", DataType::Int64, &[0]),
                value("y", DataType::Float, &[0, 2]),
            ],
        )
    };
    // score = x + x + 0.25, for the first class when positive.
    let model = load(&classifier(Vec::new())).unwrap();
    assert_eq!(answers(&model, &[1.0, -1.0], "label"), [0.0, 1.0]);
    assert_close(&answers(&model, &[1.0, -1.0], "y"), &[-2.25, 2.25, 1.75, -1.75]);
    let model = load(&classifier(vec![floats("prob_a", &[-1.0]), floats("prob_b", &[0.0])])).unwrap();
    let probability = 1.0 / (1.0 + (-2.25f64).exp());
    let found = answers(&model, &[1.0], "y");
    // The coupling of two classes converges to the probability of their pair.
    assert!(
        (found[0] - probability).abs() < 0.01 && (found[0] + found[1] - 1.0).abs() < 1e-6,
        "{found:?}"
    );
}

//! Thousands of damaged models of many kinds: each is refused or works, within a time limit and without a panic.
//!
//! `for_some_time` replaces the fuzz target if there is no nightly compiler. fuzz/README.md describes how to run it.

mod support;

use prost::Message;
use riskstream_models::{Inspection, LoadOptions, Model};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::mutate::{Random, damaged};
use support::*;
use tract_onnx::pb::tensor_proto::DataType;

/// Small files take far less time even on a busy machine; only a hang takes more.
const DEADLINE: Duration = Duration::from_secs(20);

/// Models that together have every operator of the crate, and the operators of tract that exporters use.
fn seeds() -> Vec<Vec<u8>> {
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
    let mut classifier = ensemble("class", &[tree(0.5), tree(-0.5), leaf(0.2)]);
    classifier.extend([
        ints("classlabels_int64s", &[0, 1]),
        string("post_transform", "LOGISTIC"),
    ]);
    let mut regressor = ensemble("target", &[tree(1.0), tree(2.0)]);
    regressor.extend([int("n_targets", 1), string("aggregate_function", "AVERAGE")]);
    let scored = |nodes| {
        let outputs = vec![
            value("label", DataType::Int64, &[0]),
            value("y", DataType::Float, &[0, 2]),
        ];
        model(vec![rows("x", 3)], nodes, outputs).encode_to_vec()
    };
    let linear = vec![
        floats("coefficients", &[1.0, -1.0, 0.5, -1.0, 1.0, -0.5]),
        floats("intercepts", &[0.5, -0.5]),
        ints("classlabels_ints", &[0, 1]),
        string("post_transform", "SOFTMAX"),
    ];
    let support_vectors = vec![
        floats("coefficients", &[1.0, -1.0]),
        floats("support_vectors", &[0.0, 1.0, 2.0, 2.0, 1.0, 0.0]),
        ints("vectors_per_class", &[1, 1]),
        floats("rho", &[0.1]),
        floats("prob_a", &[1.0]),
        floats("prob_b", &[0.0]),
        floats("kernel_params", &[0.5, 0.0, 3.0]),
        string("kernel_type", "RBF"),
        ints("classlabels_ints", &[0, 1]),
    ];
    let imputer = vec![
        floats("imputed_value_floats", &[1.0, 2.0, 3.0]),
        float("replaced_value_float", f32::NAN),
    ];
    let scaler = vec![floats("offset", &[0.0, 1.0, 2.0]), floats("scale", &[2.0; 3])];
    vec![
        scored(vec![ml("TreeEnsembleClassifier", &["x"], &["label", "y"], classifier)]),
        single(3, ml("TreeEnsembleRegressor", &["x"], &["y"], regressor)).encode_to_vec(),
        single(3, ml("TreeEnsemble", &["x"], &["y"], version_5())).encode_to_vec(),
        scored(vec![
            ml("Imputer", &["x"], &["filled"], imputer),
            ml("Scaler", &["filled"], &["scaled"], scaler),
            ml("Normalizer", &["scaled"], &["normal"], vec![string("norm", "L2")]),
            ml("LinearClassifier", &["normal"], &["label", "y"], linear),
        ]),
        scored(vec![ml("SVMClassifier", &["x"], &["label", "y"], support_vectors)]),
        network(),
        texts(),
    ]
}

fn version_5() -> Vec<tract_onnx::pb::AttributeProto> {
    vec![
        ints("nodes_featureids", &[0, 1]),
        ints("nodes_truenodeids", &[1, 0]),
        ints("nodes_trueleafs", &[0, 1]),
        ints("nodes_falsenodeids", &[2, 1]),
        ints("nodes_falseleafs", &[1, 1]),
        tensor_attribute("nodes_modes", byte_tensor("modes", &[0, 6])),
        tensor_attribute("nodes_splits", float_tensor("splits", &[2], &[0.5, 0.0])),
        tensor_attribute(
            "membership_values",
            float_tensor("members", &[3], &[1.0, 2.0, f32::NAN]),
        ),
        ints("leaf_targetids", &[0, 0, 0]),
        tensor_attribute("leaf_weights", float_tensor("weights", &[3], &[0.25, 0.5, 1.0])),
        ints("tree_roots", &[0]),
        int("n_targets", 1),
    ]
}

fn network() -> Vec<u8> {
    let nodes = vec![
        node("Gemm", &["x", "w", "b"], &["mixed"], vec![float("alpha", 1.0)]),
        node("Relu", &["mixed"], &["positive"], Vec::new()),
        node("Concat", &["positive", "x"], &["joined"], vec![int("axis", 1)]),
        node("Gather", &["joined", "columns"], &["picked"], vec![int("axis", 1)]),
        node("Reshape", &["picked", "shape"], &["shaped"], Vec::new()),
        node("Softmax", &["shaped"], &["y"], vec![int("axis", 1)]),
    ];
    let mut model = model(vec![rows("x", 3)], nodes, vec![value("y", DataType::Float, &[0, 2])]);
    model.graph.as_mut().unwrap().initializer = vec![
        float_tensor("w", &[3, 2], &[1.0, 0.5, -1.0, 0.25, 0.0, 1.0]),
        float_tensor("b", &[2], &[0.5, -0.5]),
        int_tensor("columns", &[2], &[0, 3]),
        int_tensor("shape", &[2], &[-1, 2]),
    ];
    model.encode_to_vec()
}

fn texts() -> Vec<u8> {
    let categories = vec![strings("cats_strings", &["POS", "ATM"]), int("zeros", 1)];
    let lookup = vec![
        strings("keys_strings", &["POS", "ATM"]),
        floats("values_floats", &[0.5, 1.5]),
    ];
    let nodes = vec![
        ml("ArrayFeatureExtractor", &["x", "first"], &["a"], Vec::new()),
        ml("ArrayFeatureExtractor", &["x", "second"], &["b"], Vec::new()),
        ml("OneHotEncoder", &["a"], &["hot"], categories),
        node("Reshape", &["hot", "shape"], &["columns"], Vec::new()),
        ml("LabelEncoder", &["b"], &["number"], lookup),
        node("Concat", &["columns", "number", "n"], &["y"], vec![int("axis", 1)]),
    ];
    let inputs = vec![value("x", DataType::String, &[0, 2]), rows("n", 1)];
    let mut model = model(inputs, nodes, vec![value("y", DataType::Float, &[0, 4])]);
    model.graph.as_mut().unwrap().initializer = vec![
        int_tensor("first", &[1], &[0]),
        int_tensor("second", &[1], &[1]),
        int_tensor("shape", &[2], &[-1, 2]),
    ];
    model.encode_to_vec()
}

/// Inspects and loads a model, and runs it if it loads. Panics only if the crate does.
fn exercise(bytes: &[u8]) -> bool {
    let mut options = LoadOptions::default();
    let _ = Inspection::of_bytes(bytes, &options);
    let model = Model::from_bytes(bytes, &options).or_else(|_| {
        options.score = "y[0]".parse().ok();
        Model::from_bytes(bytes, &options)
    });
    let Ok(model) = model else { return false };
    if model.input_width() > 1000 {
        return true;
    }
    let rows: Vec<f64> = (0..model.input_width() * 3).map(|index| index as f64 - 2.0).collect();
    let mut scorer = model.scorer();
    let mut scores = Vec::new();
    let is_scored = scorer.score(&rows, &mut scores).is_ok();
    let _ = scorer.score(&vec![f64::NAN; model.input_width()], &mut Vec::new());
    let _ = scorer.outputs(&rows);
    assert!(!is_scored || scores.len() == 3, "{} scores for 3 rows", scores.len());
    true
}

/// Damages seeds until `is_over`. Returns the number of damaged copies, and the number of them that loaded. A copy that
/// fails is kept in a file.
fn mutate(seeds: &[Vec<u8>], random: &mut Random, mut is_over: impl FnMut(usize) -> bool) -> (usize, usize) {
    let file: PathBuf = std::env::temp_dir().join(format!("riskstream-mutation-{}.onnx", std::process::id()));
    let (mut tried, mut loaded) = (0, 0);
    while !is_over(tried) {
        let seed = &seeds[random.below(seeds.len())];
        let bytes = damaged(seed, &seeds[random.below(seeds.len())], random);
        // Written first, so that it is left after an abort or an endless loop.
        std::fs::write(&file, &bytes).unwrap();
        let start = Instant::now();
        loaded += usize::from(exercise(&bytes));
        assert!(
            start.elapsed() < DEADLINE,
            "{} took {:?}",
            file.display(),
            start.elapsed()
        );
        tried += 1;
    }
    let _ = std::fs::remove_file(&file);
    (tried, loaded)
}

#[test]
fn every_seed_works() {
    for (index, seed) in seeds().iter().enumerate() {
        let options = LoadOptions {
            score: Some("y[0]".parse().unwrap()),
            ..LoadOptions::default()
        };
        let model = Model::from_bytes(seed, &options).unwrap_or_else(|error| panic!("seed {index}: {error}"));
        let rows = vec![1.0; model.input_width()];
        model.scorer().score(&rows, &mut Vec::new()).unwrap();
    }
}

#[test]
fn damaged_models_are_refused_or_work() {
    let (tried, loaded) = mutate(&seeds(), &mut Random(3), |tried| tried == 2000);
    assert!(
        loaded * 20 > tried,
        "only {loaded} of {tried} loaded: the damage tests only the decoder"
    );
}

/// Controlled by RISKSTREAM_MUTATION_SECONDS, RISKSTREAM_MUTATION_SEED and RISKSTREAM_MUTATION_FILES (a folder of
/// models; those above 100 kB are left out, because each run would take long).
#[test]
#[ignore = "runs for a given time; see fuzz/README.md"]
fn for_some_time() {
    let setting = |name: &str| std::env::var(format!("RISKSTREAM_MUTATION_{name}")).ok();
    let number = |name: &str, default: u64| setting(name).map_or(default, |text| text.parse().unwrap());
    let mut seeds = seeds();
    if let Some(folder) = setting("FILES") {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let models = files.filter(|path| path.extension().is_some_and(|extension| extension == "onnx"));
        seeds.extend(
            models
                .map(|path| std::fs::read(path).unwrap())
                .filter(|bytes| bytes.len() < 100_000),
        );
    }
    let until = Instant::now() + Duration::from_secs(number("SECONDS", 60));
    let mut random = Random(number("SEED", 4));
    let (tried, loaded) = mutate(&seeds, &mut random, |_| Instant::now() >= until);
    println!(
        "{tried} damaged copies of {} models, {loaded} of them loaded",
        seeds.len()
    );
}

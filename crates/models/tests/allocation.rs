//! Scoring and attribution allocate nothing after the first rows, neither for a row nor for a call.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use riskstream_models::{LoadOptions, Model};
use support::*;
use tract_onnx::pb::tensor_proto::DataType;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: forwards every call unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of allocations of a second run of `work`.
fn allocations(mut work: impl FnMut()) -> usize {
    work();
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|place| (place * 7 % 13) as f32 - 6.0).collect()
}

fn shared(name: &str) -> Model {
    let path = format!("{}/tests/data/shap/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    Model::load(path.as_ref(), &LoadOptions::default()).unwrap()
}

/// Allocations of scoring 200 rows, `batch` at a time.
fn scoring_allocations(model: &Model, batch: usize) -> usize {
    let rows = doubles(&numbers(200 * model.input_width()));
    let (mut scorer, mut scores) = (model.scorer(), Vec::new());
    allocations(|| {
        for rows in rows.chunks(batch * model.input_width()) {
            scorer.score(rows, &mut scores).unwrap();
        }
    })
}

#[test]
fn scoring_with_trees_and_linear_functions_does_not_allocate() {
    for name in [
        "xgboost",
        "lightgbm",
        "gradient_boosting",
        "random_forest",
        "extra_trees",
        "forest_regressor",
        "logistic_regression",
    ] {
        for batch in [1, 64, 200] {
            assert_eq!(
                scoring_allocations(&shared(name), batch),
                0,
                "{name}, {batch} rows at a time"
            );
        }
    }
}

#[test]
fn scoring_with_a_pipeline_does_not_allocate() {
    let texts = value("t", DataType::String, &[0, 1]);
    let linear = vec![
        floats("coefficients", &[0.5, -0.25, 1.0, -0.5, 0.25, -1.0, 0.75, 0.5]),
        floats("intercepts", &[0.1, -0.1]),
        ints("classlabels_ints", &[0, 1]),
        string("post_transform", "LOGISTIC"),
    ];
    let nodes = vec![
        ml(
            "Imputer",
            &["x"],
            &["imputed"],
            vec![floats("imputed_value_floats", &[0.5, 1.0])],
        ),
        ml(
            "Scaler",
            &["imputed"],
            &["scaled"],
            vec![floats("offset", &[0.1, 0.2]), floats("scale", &[2.0, 0.5])],
        ),
        ml(
            "OneHotEncoder",
            &["t"],
            &["encoded"],
            vec![strings("cats_strings", &["a", "b"]), int("zeros", 1)],
        ),
        node("Reshape", &["encoded", "shape"], &["flat"], vec![]),
        node("Concat", &["scaled", "flat"], &["joined"], vec![int("axis", 1)]),
        ml("LinearClassifier", &["joined"], &["label", "y"], linear),
    ];
    let mut proto = model(
        vec![rows("x", 2), texts],
        nodes,
        vec![value("y", DataType::Float, &[0, 2])],
    );
    proto.graph.as_mut().unwrap().initializer = vec![int_tensor("shape", &[2], &[-1, 2])];
    let model = load(&proto).unwrap();
    assert_eq!([1, 64].map(|batch| scoring_allocations(&model, batch)), [0, 0]);
}

/// One row at a time: the matrix product of several rows allocates in each call.
#[test]
fn scoring_a_row_with_a_network_does_not_allocate() {
    let nodes = vec![
        node("Gemm", &["x", "v", "b"], &["hidden"], vec![int("transB", 1)]),
        node("Relu", &["hidden"], &["active"], vec![]),
        node("Gemm", &["active", "w"], &["value"], vec![int("transB", 1)]),
        node("Sigmoid", &["value"], &["y"], vec![]),
    ];
    let mut proto = model(vec![rows("x", 3)], nodes, vec![value("y", DataType::Float, &[0, 1])]);
    proto.graph.as_mut().unwrap().initializer = vec![
        float_tensor("v", &[5, 3], &numbers(15)),
        float_tensor("b", &[5], &numbers(5)),
        float_tensor("w", &[1, 5], &numbers(5)),
    ];
    assert_eq!(scoring_allocations(&load(&proto).unwrap(), 1), 0);
}

#[test]
fn attribution_of_trees_does_not_allocate() {
    const WIDTH: usize = 8;
    let model = shared("xgboost");
    let rows = doubles(&numbers(100 * WIDTH));
    let mut explainer = model.attribution(&rows[..16 * WIDTH]).unwrap().explainer();
    let mut contributions = Vec::new();
    let count = allocations(|| {
        rows.chunks(WIDTH)
            .for_each(|row| explainer.explain(row, &mut contributions).unwrap());
    });
    assert_eq!(count, 0);
}

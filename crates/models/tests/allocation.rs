//! Attributing trees does not allocate once the first row is through.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use riskstream_models::{LoadOptions, Model};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: hands every call on to the system's allocator unchanged.
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

#[test]
fn attribution_of_trees_does_not_allocate() {
    const WIDTH: usize = 8;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/shap/xgboost.onnx");
    let model = Model::load(path.as_ref(), &LoadOptions::default()).unwrap();
    let rows: Vec<f32> = (0..100 * WIDTH).map(|place| (place * 7 % 13) as f32 - 6.0).collect();
    let mut explainer = model.attribution(&rows[..16 * WIDTH]).unwrap().explainer();
    let mut contributions = Vec::new();
    let mut explain_all = || {
        rows.chunks(WIDTH)
            .for_each(|row| explainer.explain(row, &mut contributions).unwrap())
    };
    explain_all();
    let before = ALLOCATIONS.with(Cell::get);
    explain_all();
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
}

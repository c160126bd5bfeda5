//! Evaluation does not allocate, except for new texts that are longer than 24 bytes.
mod common;

use common::{compile, row};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

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

fn allocations(source: &str) -> usize {
    let (expression, row) = (compile(source), row());
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..10 {
        black_box(black_box(&expression).evaluate(black_box(&row)));
        black_box(black_box(&expression).is_true(black_box(&row)));
    }
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn evaluation_does_not_allocate() {
    for source in [
        "three * 2 + zero - 1 > 4 && half / widened < 1.5 || !yes",
        "name == 'Zoë' && merchant.country != name && name.startsWith('Z') && merchant.country in blocked",
        "name in [merchant.country, 'a'] ? coalesce(no_float, three, 1.5) : max(half, 1)",
        "at.getHours() >= 22 && at.getDayOfWeek('Europe/Berlin') == 0 && at - duration('1h') < at",
        "sum(amounts) / size(amounts) > amounts[0] && 8 in amounts && 'FR' in countries",
        "name.lowerAscii() + '-' + merchant.country == 'zoë-NG'",
        "string(three) == '3'",
        "amounts.exists(a, a > half * 20.0) && blocked.all(c, c != name)",
        "ip_in(name, '10.0.0.0/8') || luhn(name) || haversine_km(half, three, zero, half) > 3",
        "name",
        "amounts",
        "no_int == null",
    ] {
        assert_eq!(allocations(source), 0, "{source}");
    }
    // The counter works.
    assert_eq!(allocations("name + ' and a text of more than 24 bytes'"), 10);
}

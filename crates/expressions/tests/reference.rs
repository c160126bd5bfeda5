//! The page for analysts says what the code does.
mod common;

use riskstream_expressions::{Expression, FUNCTIONS};

const PAGE: &str = include_str!("../../../docs/expressions.md");

#[test]
fn the_page_lists_every_function() {
    let rows = FUNCTIONS.iter().map(|function| {
        let origin = if function.addition { "ours" } else { "CEL" };
        format!(
            "| `{}` | {} | {origin} | {} |",
            function.usage, function.result, function.meaning
        )
    });
    let missing: Vec<String> = rows.filter(|row| !PAGE.contains(row)).collect();
    assert!(
        missing.is_empty(),
        "docs/expressions.md lacks these rows:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_page_lists_no_other_function() {
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| `") && (line.contains("| ours |") || line.contains("| CEL |")));
    assert_eq!(rows.count(), FUNCTIONS.len());
}

#[test]
fn the_examples_of_the_page_compile() {
    use riskstream_events::ValueType::{Float, Int, List, Text, Timestamp};
    let mut scope = common::scope();
    for (slot, (name, value_type)) in [
        ("amount", Float),
        ("score", Float),
        ("card_count_1h", Int),
        ("card_mean_30d", Float),
        ("customer.country", Text),
        ("country", Text),
        ("currency", Text),
        ("event_time", Timestamp),
        ("last_seen", Timestamp),
        ("last_amounts", List),
        ("email", Text),
    ]
    .into_iter()
    .enumerate()
    {
        scope.add(name, 100 + slot, value_type);
    }
    scope.add_constants("blocked_countries", &[]).unwrap();
    let mut examples = 0;
    for block in PAGE.split("```cel\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            if let Err(errors) = Expression::compile(line, &scope) {
                panic!("{line}: {errors:?}");
            }
            examples += 1;
        }
    }
    assert!(examples >= 10, "only {examples} examples found");
}

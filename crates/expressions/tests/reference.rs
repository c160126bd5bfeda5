//! The page for analysts says what the code does.
mod common;

use riskstream_expressions::{Expression, FUNCTIONS};

const PAGE: &str = include_str!("../../../docs/expressions.md");

/// Around the generated table.
const BEGIN: &str = "<!-- generated: functions -->\n";
const END: &str = "<!-- end -->";

#[test]
fn the_page_lists_every_function() {
    let mut table =
        String::from("| function | gives | result | origin | null | time |\n| --- | --- | --- | --- | --- | --- |\n");
    for function in FUNCTIONS {
        let origin = if function.addition { "ours" } else { "CEL" };
        table.push_str(&format!(
            "| `{}` | {} | {} | {origin} | {} | {} |\n",
            function.usage,
            function.meaning,
            function.result,
            function.null,
            function.cost.name(),
        ));
    }
    let (before, rest) = PAGE.split_once(BEGIN).expect("the table's beginning is marked");
    let (found, after) = rest.split_once(END).expect("the table's end is marked");
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/expressions.md");
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).expect("the page can be written");
        return;
    }
    assert!(
        found == table,
        "docs/expressions.md is not current: run UPDATE=1 cargo test --release --workspace --test reference"
    );
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
        ("ip", Text),
        ("previous_lat", Float),
        ("previous_lon", Float),
        ("lat", Float),
        ("lon", Float),
        ("since_previous", Float),
        ("phone", Text),
        ("name_on_card", Text),
        ("account", Text),
    ]
    .into_iter()
    .enumerate()
    {
        scope.add(name, 100 + slot, value_type);
    }
    scope.add_list("last_countries", 200, Text);
    for list in [
        "blocked_countries",
        "blocked_domains",
        "office_networks",
        "phone_prefixes",
    ] {
        scope.add_constants(list, &[]).unwrap();
    }
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

//! The shipped pipelines meet their examples; the generated schema and reference are current.
//! `UPDATE=1 cargo test --release --workspace --test pipeline_files` writes them.

use riskstream_definition::{
    compile, reference, rollout_reference, rollout_schema, rollout_step_schema, run_examples, schema,
};
use std::path::{Path, PathBuf};

/// Set to write generated files instead of comparing them.
const UPDATE: &str = "UPDATE";

#[test]
fn the_rules_pipeline_meets_its_examples() {
    check("card-fraud-rules.yaml", |source| source, 4);
}

#[test]
fn the_demo_pipeline_meets_its_examples() {
    check("card-fraud.yaml", |source| source, 3);
}

/// The model's inputs, in its order.
#[test]
fn inputs_that_contradict_the_model() {
    let source = read("pipelines/card-fraud.yaml").replacen("    - amount\n", "", 1);
    let report = compile("card-fraud.yaml", &source, &root().join("pipelines"), &|_| None).unwrap_err();
    insta::assert_snapshot!(report.to_string());
}

/// Without its model, which is not part of the project.
#[test]
fn the_reference_pipeline_meets_its_examples() {
    check("handbook.yaml", without_model, 2);
}

/// Every YAML block of the documentation that is a whole file is a correct one.
#[test]
fn the_documented_file_is_correct() {
    let text = read("docs/pipeline-file.md");
    let blocks: Vec<&str> = text
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let whole: Vec<&&str> = blocks.iter().filter(|block| block.starts_with("name:")).collect();
    assert!(!whole.is_empty());
    for block in whole {
        compile("docs", block, Path::new("."), &|_| None).unwrap();
    }
}

#[test]
fn the_schema_is_current() {
    assert_current("schemas/pipeline.schema.json", &(schema() + "\n"));
    assert_current("schemas/rollout.schema.json", &(rollout_schema() + "\n"));
    assert_current("schemas/rollout-step.schema.json", &(rollout_step_schema() + "\n"));
}

#[test]
fn the_reference_is_current() {
    const MARK: &str = "<!-- generated -->\n";
    for (page, reference) in [
        ("docs/pipeline-file.md", reference()),
        ("docs/rollout.md", rollout_reference()),
    ] {
        let text = read(page);
        let (written, _) = text.split_once(MARK).unwrap();
        assert_current(page, &format!("{written}{MARK}\n{reference}"));
    }
}

/// Checks keys only, not values.
#[test]
fn the_schema_knows_every_key_of_the_shipped_pipelines() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let feature = schema["$defs"]["Feature"]["properties"].as_object().unwrap();
    for key in ["entity", "count", "window", "when", "expression", "half_life"] {
        assert!(feature.contains_key(key), "{key}");
    }
    assert_eq!(
        schema["required"],
        serde_json::json!(["name", "inputs", "entities", "outputs"])
    );
    assert!(schema["$defs"]["Feature"]["properties"].get("is_flawed").is_none());
}

fn check(file: &str, prepare: impl Fn(String) -> String, examples: usize) {
    let source = prepare(read(&format!("pipelines/{file}")));
    let variables = |name: &str| (name == "RISKSTREAM_HANDBOOK").then(|| "nowhere".to_owned());
    let compiled = compile(file, &source, &root().join("pipelines"), &variables).unwrap();
    assert_eq!(run_examples(&compiled).unwrap(), examples);
}

/// The file without its `model:` section.
fn without_model(source: String) -> String {
    let start = source.find("\nmodel:").unwrap();
    let end = start + 1 + source[start + 1..].find("\n\n").unwrap();
    format!("{}{}", &source[..start], &source[end..])
}

fn assert_current(path: &str, expected: &str) {
    let path = root().join(path);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not current: run UPDATE=1 cargo test --release --workspace --test pipeline_files",
        path.display()
    );
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

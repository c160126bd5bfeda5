//! `riskstream models`: its reports, and the models that it refuses.

use crate::support::process::run;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// A copy of the model with a text and a number as inputs, and of its card with a change.
fn copied(directory: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let from = Path::new(FIXTURES);
    let model = directory.join("channel.onnx");
    fs::copy(from.join("channel.onnx"), &model).unwrap();
    let card = fs::read_to_string(from.join("channel.card.yaml")).unwrap();
    fs::write(directory.join("channel.card.yaml"), change(card)).unwrap();
    model
}

/// Exit code, and standard output and error without `directory` in paths.
fn models(action: &str, files: &[&Path], directory: &Path) -> (Option<i32>, String) {
    let mut arguments = vec!["models", action];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    let (code, output, errors) = run(&arguments, &[]);
    let directory = format!("{}/", directory.display());
    (code, (output + &errors).replace(&directory, ""))
}

#[test]
fn a_model_is_inspected() {
    let shipped = Path::new(ROOT).join("models");
    let (code, shown) = models("inspect", &[&shipped.join("card-fraud.onnx")], &shipped);
    assert_eq!(code, Some(0), "{shown}");
    insta::assert_snapshot!("inspect-trees", shown);
    let (code, shown) = models(
        "inspect",
        &[&Path::new(FIXTURES).join("channel.onnx")],
        Path::new(FIXTURES),
    );
    assert_eq!(code, Some(0), "{shown}");
    insta::assert_snapshot!("inspect-texts", shown);
}

/// The operator's name is changed in place, so that the file keeps its length.
#[test]
fn an_unsupported_operator_is_reported_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(Path::new(FIXTURES).join("channel.onnx")).unwrap();
    let place = bytes.windows(7).position(|window| window == b"Reshape").unwrap();
    bytes[place..place + 7].copy_from_slice(b"Reshade");
    let model = directory.path().join("odd.onnx");
    fs::write(&model, bytes).unwrap();
    let (code, shown) = models("inspect", &[&model], directory.path());
    assert_eq!(code, Some(1), "{shown}");
    insta::assert_snapshot!("inspect-unsupported", shown);
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.onnx");
    fs::write(&text, "no model at all").unwrap();
    for action in ["inspect", "verify"] {
        let (code, error) = models(action, &[&text], directory.path());
        assert_eq!(code, Some(1));
        assert!(
            error.starts_with("error: text.onnx: not a usable ONNX model"),
            "{error}"
        );
        let (code, error) = models(action, &[&directory.path().join("none.onnx")], directory.path());
        assert_eq!(code, Some(2));
        assert!(
            error.starts_with("error: cannot read the model file none.onnx: No such"),
            "{error}"
        );
    }
}

#[test]
fn models_that_match_their_cards_are_verified() {
    let shipped = Path::new(ROOT).join("models/card-fraud.onnx");
    let (code, shown) = models(
        "verify",
        &[&shipped, &Path::new(FIXTURES).join("channel.onnx")],
        Path::new(""),
    );
    assert_eq!(code, Some(0), "{shown}");
    let rows: Vec<&str> = shown.lines().filter_map(|line| line.split(": ok, ").nth(1)).collect();
    assert!(
        rows.len() == 2 && rows[0].starts_with("10 golden rows") && rows[1].starts_with("4 golden rows"),
        "{shown}"
    );
}

#[test]
fn a_mismatch_is_refused_with_its_place_and_size() {
    let changes: [(&str, &str, &str); 7] = [
        ("another hash", "sha256: ", "sha256: 00"),
        ("another score", "score: 0.34", "score: 0.35"),
        ("not a number", "0.3458118736743927", ".nan"),
        ("a value too few", "['ATM', 0.25]", "['ATM']"),
        ("a text for a number", "['ATM', 0.25]", "['ATM', much]"),
        ("an input too many", "[channel, amount]", "[channel, amount, hour]"),
        ("no golden rows", "golden_rows:", "notes:"),
    ];
    let mut shown = String::new();
    for (what, from, to) in changes {
        let directory = tempfile::tempdir().unwrap();
        let model = copied(directory.path(), |card| {
            assert!(card.contains(from), "{what}");
            card.replacen(from, to, 1)
        });
        let (code, error) = models("verify", &[&model], directory.path());
        assert_eq!(code, Some(1), "{what}: {error}");
        shown += &format!("## {what}\n{error}\n");
    }
    let directory = tempfile::tempdir().unwrap();
    let model = copied(directory.path(), |card| card.replace("version", "verison"));
    let (code, error) = models("verify", &[&model], directory.path());
    assert_eq!(code, Some(1), "{error}");
    shown += &format!("## a key misspelt\n{error}\n");
    fs::remove_file(directory.path().join("channel.card.yaml")).unwrap();
    let (code, error) = models("verify", &[&model], directory.path());
    assert_eq!(code, Some(1), "{error}");
    shown += &format!("## no card\n{error}");
    insta::assert_snapshot!("verify-refusals", shown);
}

#[test]
fn every_file_is_verified_even_if_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = copied(directory.path(), |card| card.replace("score: 0.34", "score: 0.35"));
    let right = Path::new(FIXTURES).join("channel.onnx");
    let (code, shown) = models("verify", &[&wrong, &right, &wrong], Path::new(FIXTURES));
    assert_eq!(code, Some(1));
    assert!(shown.contains("channel.onnx: ok, 4 golden rows"), "{shown}");
    assert!(shown.contains("error: 2 models are refused:\n"), "{shown}");
}

/// The rows of the fixture's card as a file, with a change.
fn rows_file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path
}

const CSV: &str = "id,channel,amount,score\n1,POS,12.5,0.9806400537490845\n2,ATM,0.25,0.3458118736743927\n\
                   3,web,-3.0,0.2788848280906677\n4,,1.0,0.885947585105896\n";

/// The scores of the fixture are those of ONNX Runtime.
#[test]
fn a_model_is_verified_against_the_scores_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let model = copied(directory.path(), |card| card.replace("golden_rows", "notes"));
    let json = r#"{"channel":"POS","amount":12.5,"probability":0.98064005}
{"probability":0.885947585105896,"amount":1,"channel":null}
"#;
    for (name, text, column, count) in [
        ("rows.csv", CSV.to_owned(), "score", 4),
        ("rows.jsonl", json.to_owned(), "probability", 2),
        // More rows than are scored at a time.
        (
            "many.csv",
            CSV.to_owned() + &"5,ATM,0.25,0.3458118736743927\n".repeat(3000),
            "score",
            3004,
        ),
    ] {
        let rows = rows_file(directory.path(), name, &text);
        let arguments = [
            &model,
            Path::new("--rows"),
            &rows,
            Path::new("--score-column"),
            Path::new(column),
        ];
        let (code, shown) = models("verify", &arguments, directory.path());
        assert_eq!(code, Some(0), "{shown}");
        assert!(
            shown.starts_with(&format!("channel.onnx: ok, {count} rows of {name}, at most ")),
            "{shown}"
        );
    }
}

#[test]
fn other_scores_in_a_file_are_counted_and_other_columns_refused() {
    let directory = tempfile::tempdir().unwrap();
    let model = copied(directory.path(), |card| card);
    let mut shown = String::new();
    for (what, text, expected) in [
        ("another score", CSV.replace("3,web,-3.0,0.27", "3,web,-3.0,0.37"), 1),
        ("no score", CSV.replace("0.885947585105896", ""), 1),
        ("a column renamed", CSV.replace("amount", "amt"), 2),
        ("no column of scores", CSV.replace("score", "label"), 2),
        ("a text for a number", CSV.replace("0.25", "much"), 2),
        ("no rows", "id,channel,amount,score\n".to_owned(), 2),
    ] {
        let rows = rows_file(directory.path(), "rows.csv", &text);
        let (code, error) = models("verify", &[&model, Path::new("--rows"), &rows], directory.path());
        assert_eq!(code, Some(expected), "{what}: {error}");
        shown += &format!("## {what}\n{error}\n");
    }
    insta::assert_snapshot!("verify-rows-refusals", shown);
}

/// The card that is written is accepted at once, and the model verified against its golden rows.
#[test]
fn a_first_card_is_written_with_rows_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let model = copied(directory.path(), |card| card);
    let card = directory.path().join("channel.card.yaml");
    let rows = rows_file(directory.path(), "rows.csv", CSV);
    let arguments = [
        &model,
        Path::new("--data"),
        &rows,
        Path::new("--score-column"),
        Path::new("score"),
    ];
    let (code, shown) = models("card", &arguments, directory.path());
    assert_eq!(code, Some(2), "a card is not overwritten: {shown}");
    assert!(shown.starts_with("error: cannot write channel.card.yaml: "), "{shown}");
    fs::remove_file(&card).unwrap();
    let (code, shown) = models("card", &arguments, directory.path());
    assert_eq!(code, Some(0), "{shown}");
    insta::assert_snapshot!("card", fs::read_to_string(&card).unwrap());
    let (code, shown) = models("verify", &[&model], directory.path());
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("channel.onnx: ok, 4 golden rows"), "{shown}");

    fs::remove_file(&card).unwrap();
    let (code, shown) = models("card", &arguments[..3], directory.path());
    assert_eq!(code, Some(0), "{shown}");
    let text = fs::read_to_string(&card).unwrap();
    assert!(text.contains("\nbackground:\n  - [\"POS\", 12.5]\n"), "{text}");
    assert!(text.contains("\n# golden_rows: "), "{text}");
}

/// The names of columns cannot be guessed: their order decides.
#[test]
fn a_card_of_a_model_with_one_tensor_needs_the_names_of_its_columns() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("trees.onnx");
    fs::copy(Path::new(ROOT).join("models/card-fraud.onnx"), &model).unwrap();
    let rows = rows_file(directory.path(), "rows.csv", "a,b\n1,2\n");
    let data = [&model, Path::new("--data"), &rows];
    let (code, shown) = models("card", &data, directory.path());
    assert_eq!(code, Some(2), "{shown}");
    assert!(
        shown.contains("name them in its order, `--inputs amount,night,…`"),
        "{shown}"
    );
    let named = [&data[..], &[Path::new("--inputs"), Path::new("a,b")]].concat();
    let (code, shown) = models("card", &named, directory.path());
    assert_eq!(code, Some(2), "{shown}");
    assert!(
        shown.contains("the model has 39 columns, `--inputs` names 2"),
        "{shown}"
    );
}

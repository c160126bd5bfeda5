//! What a roll-out may not say, and what the author reads.

use crate::shop::{OLD, directory, pipeline, pipeline_text};
use riskstream::file::Style;
use riskstream::rollout::prepare;
use std::fmt::Write;

#[test]
fn every_mistake_with_its_place_and_what_to_write() {
    // A second entity, so that what only the first one's features use is left behind.
    let two = pipeline_text("shop", OLD).replace(
        "{customer: {key: customer}}",
        "{customer: {key: customer}, payment: {key: id}}",
    );
    let pipeline = riskstream::file::compile("shop.yaml", &two, &directory(), &|_| None).unwrap();
    let cases = [
        ("no revision", "champion: {file: models/new.onnx}"),
        ("the pipeline file's own revision", "revision: 0"),
        ("a key mistyped", "{revision: 1, shadow: []}"),
        (
            "no such file",
            "{revision: 1, champion: {file: models/newer.onnx, inputs: [amount]}}",
        ),
        (
            "a file elsewhere",
            "{revision: 1, champion: {file: ../fixtures/channel.onnx}}",
        ),
        (
            "neither card nor inputs",
            "{revision: 1, champion: {file: models/nan.onnx}}",
        ),
        (
            "a field that does not reach the decision",
            "{revision: 1, champion: {file: models/nan.onnx, inputs: [note]}}",
        ),
        (
            "shares above one",
            "revision: 1\nchallengers:\n- {model: {file: models/new.onnx}, share: 0.7}\n- {model: {file: models/new.onnx}, share: 0.4}",
        ),
        (
            "a share in percent, an entity mistyped, a condition of another type",
            "revision: 1\nchallengers:\n- {model: {file: models/new.onnx}, share: 5, entity: costumer, when: amount}",
        ),
        (
            "a fallback of a fallback, and of a shadow",
            "revision: 1\nchampion: {file: models/new.onnx, fallback: {file: models/old.onnx, fallback: {file: models/old.onnx}}}\nshadows:\n- {file: models/old.onnx, fallback: {file: models/old.onnx}}",
        ),
        ("no time", "{revision: 1, champion: {file: models/new.onnx, within: 0}}"),
        (
            "nothing from the environment",
            "{revision: 1, champion: {file: '${HOME}/x.onnx'}}",
        ),
    ];
    let mut page = String::new();
    for (what, text) in cases {
        let told = match prepare("rollout.yaml", text, &pipeline) {
            Ok(_) => "ok".to_owned(),
            Err(report) => report.render(Style::Plain, 120),
        };
        let told = told.replace(&format!("{}/", directory().display()), "");
        writeln!(page, "## {what}\n\n{told}").unwrap();
    }
    insta::assert_snapshot!(page);
}

/// A card whose golden rows do not come out is found before the model decides anything.
#[test]
fn golden_rows_must_come_out() {
    let pipeline = pipeline(OLD);
    let folder = tempfile::tempdir().unwrap();
    let models = directory().join("models");
    std::fs::create_dir(folder.path().join("models")).unwrap();
    for file in ["old.onnx", "old.card.yaml", "new.onnx"] {
        std::fs::copy(models.join(file), folder.path().join("models").join(file)).unwrap();
    }
    let card = std::fs::read_to_string(models.join("new.card.yaml")).unwrap();
    let card = card.replace("score: 1.0}", "score: 0.75}");
    std::fs::write(folder.path().join("models/new.card.yaml"), card).unwrap();
    let text = pipeline_text("shop", OLD);
    let elsewhere = riskstream::file::compile("shop.yaml", &text, folder.path(), &|_| None).unwrap();
    let rollout = "{revision: 1, champion: {file: models/new.onnx}}";
    let told = prepare("rollout.yaml", rollout, &elsewhere)
        .unwrap_err()
        .render(Style::Plain, 120);
    assert!(told.contains("golden row 3 scores 1, its card says 0.75"), "{told}");
    assert!(prepare("rollout.yaml", rollout, &pipeline).is_ok());
}

//! What a roll-out may not say, and what the author reads.

use crate::shop::{OLD, directory, pipeline_text};
use riskstream_definition::{Compiled, Style, compile, prepare, prepare_again};
use std::fmt::Write;
use std::path::Path;

#[test]
fn every_mistake_with_its_place_and_what_to_write() {
    // A second entity, so that what only the first one's features use is left behind.
    let two = pipeline_text("shop", OLD).replace(
        "{customer: {key: customer}}",
        "{customer: {key: customer}, payment: {key: id}}",
    );
    let two = two.replace(
        "features:\n",
        "features:\n  repeats: {entity: payment, count: transactions, window: 1d}\n",
    );
    // A path that is as long wherever the checkout is: messages are wrapped.
    let here = Path::new("tests/rollout");
    let pipeline = compile("shop.yaml", &two, here, &|_| None).unwrap();
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
        let report = match prepare("rollout.yaml", text, &pipeline) {
            Ok(_) => "ok".to_owned(),
            Err(report) => report.render(Style::Plain, 120),
        };
        writeln!(page, "## {what}\n\n{report}").unwrap();
    }
    insta::assert_snapshot!(page);
}

/// The same pipeline over copies of the models.
fn elsewhere(folder: &Path) -> Compiled {
    std::fs::create_dir(folder.join("models")).unwrap();
    for file in std::fs::read_dir(directory().join("models")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join("models").join(file.file_name())).unwrap();
    }
    compile("shop.yaml", &pipeline_text("shop", OLD), folder, &|_| None).unwrap()
}

/// A card whose golden rows do not come out is found before the model decides anything.
#[test]
fn golden_rows_must_come_out() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = elsewhere(folder.path());
    let rollout = "{revision: 1, champion: {file: models/new.onnx}}";
    assert!(prepare("rollout.yaml", rollout, &pipeline).is_ok());
    let card = folder.path().join("models/new.card.yaml");
    let text = std::fs::read_to_string(&card).unwrap();
    std::fs::write(&card, text.replace("score: 1.0}", "score: 0.75}")).unwrap();
    let report = prepare("rollout.yaml", rollout, &pipeline)
        .unwrap_err()
        .render(Style::Plain, 120);
    assert!(report.contains("golden row 3 scores 1, its card says 0.75"), "{report}");
}

/// Where decisions are explained a model that may decide needs background rows, a shadow does not.
#[test]
fn only_deciders_have_to_be_explained() {
    let text = pipeline_text("shop", OLD) + "explain: {sample: 1}\n";
    let pipeline = compile("shop.yaml", &text, &directory(), &|_| None).unwrap();
    let rollout = |part: &str| format!("revision: 1\n{part}: [{{file: models/nan.onnx, inputs: [amount]}}]\n");
    assert!(prepare("rollout.yaml", &rollout("shadows"), &pipeline).is_ok());
    let challenger = "{revision: 1, challengers: [{share: 1, model: {file: models/nan.onnx, inputs: [amount]}}]}";
    let report = prepare("rollout.yaml", challenger, &pipeline)
        .unwrap_err()
        .render(Style::Plain, 200);
    assert!(report.contains("models/nan.card.yaml has no `background`"), "{report}");
}

/// What the log says was decided by a model is not decided again by another of the same name.
#[test]
fn exchanged_files_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = elsewhere(folder.path());
    let rollout = "{revision: 1, shadows: [{file: models/new.onnx}, {file: models/nan.onnx, inputs: [amount]}]}";
    let lineup = prepare("rollout.yaml", rollout, &pipeline).unwrap();
    let again = || prepare_again(&lineup.document, &pipeline).map_err(|error| error.to_string());
    assert_eq!(again().unwrap().document, lineup.document);
    for (file, by) in [
        ("models/new.card.yaml", None),
        ("models/nan.onnx", Some("models/failing.onnx")),
    ] {
        let path = folder.path().join(file);
        let before = std::fs::read(&path).unwrap();
        let other = match by {
            None => [&before[..], b"description: another\n"].concat(),
            Some(by) => std::fs::read(folder.path().join(by)).unwrap(),
        };
        std::fs::write(&path, other).unwrap();
        let report = again().unwrap_err();
        assert!(report.contains("has changed since it was rolled out"), "{report}");
        std::fs::write(&path, before).unwrap();
    }
    assert!(again().is_ok());
    assert!(prepare_again("{}", &pipeline).is_err());
}

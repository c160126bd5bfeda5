//! `riskstream record`: what is whole after a kill or Ctrl-C, and what is refused.

use crate::shop::Shop;
use crate::support::kafka::recreate_topic;
use crate::support::process::wait_for;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn manifest(directory: &Path) -> Option<Value> {
    let text = std::fs::read(directory.join("manifest.json")).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

fn files(manifest: &Value) -> usize {
    let topics = manifest["topics"].as_array().unwrap().iter();
    let partitions = topics.flat_map(|topic| topic["partitions"].as_array().unwrap());
    partitions
        .map(|partition| partition["files"].as_array().unwrap().len())
        .sum()
}

fn decided(name: &str, payments: u64) -> Shop {
    let mut shop = Shop::new(name, "exactly_once");
    let mut service = shop.start("state");
    shop.pay(0..payments);
    shop.wait_for(payments, &mut service);
    service.end();
    shop
}

#[test]
fn a_recording_goes_on_after_it_was_killed_or_interrupted_at_any_time() {
    let shop = decided("killed", 2_000);
    let output = shop.path("recording");
    let arguments = ["--personal-data", "--output", output.to_str().unwrap()];
    for (number, signal) in ["-KILL", "-INT", "-KILL", "-INT", "-KILL"].iter().enumerate() {
        let before = manifest(&output).map_or(0, |manifest| files(&manifest));
        let mut child = shop
            .command(&["record"], &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A few files later than the time before.
        wait_for("a few files", || {
            let has_more = manifest(&output).is_some_and(|manifest| files(&manifest) >= before + number % 3);
            (has_more || child.try_wait().unwrap().is_some()).then_some(())
        });
        let _ = Command::new("kill").args([*signal, &child.id().to_string()]).status();
        let ended = child.wait_with_output().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        if ended.status.code() == Some(1) {
            assert!(errors.contains("interrupted: all files are whole"), "{errors}");
        }
    }
    let out = shop.record("recording", &["--personal-data"]);
    assert!(out.contains("records"), "{out}");
    let (code, text, report) = shop.replay("recording");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(report["decisions"]["equal"], 2_069, "{text}");
    assert_eq!(report["not_compared"].as_object().unwrap().len(), 0, "{text}");
    // What is there is not recorded again.
    let before = manifest(&output);
    shop.record("recording", &["--personal-data"]);
    assert_eq!(manifest(&output), before);
}

#[test]
fn what_does_not_fit_what_is_there_is_refused() {
    let shop = decided("refused", 50);
    shop.record("recording", &[]);
    let output = shop.path("recording");
    let arguments = ["--output", output.to_str().unwrap()];
    let refused = |further: &[&str], word: &str| {
        let (code, _, errors) = shop.run(&["record"], &[&arguments, further].concat());
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(word), "{errors}");
    };
    refused(
        &["--personal-data"],
        "was not recorded so far: leave out --personal-data",
    );
    let text = std::fs::read_to_string(shop.path("pipeline.yaml")).unwrap();
    let other = text.replace("shop: {key: shop}", "shop: {key: card}");
    assert_ne!(text, other);
    std::fs::write(shop.path("pipeline.yaml"), other).unwrap();
    refused(&[], "the recording is of the pipeline");
    std::fs::write(shop.path("pipeline.yaml"), text).unwrap();
    recreate_topic(&shop.brokers, &shop.topic("decisions"), 3);
    refused(&[], "deleted and created again");
    let other = shop.path("elsewhere");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("notes.txt"), "mine").unwrap();
    let (code, _, errors) = shop.run(&["record"], &["--output", other.to_str().unwrap()]);
    assert!(code == Some(2) && errors.contains("holds other files"), "{errors}");
}

/// Runs a command with a limit of `kilobytes` on the size of files, as in tests/bad_input/disk.rs.
fn limited(command: &Command, kilobytes: u32) -> Command {
    let script = format!("trap '' XFSZ; ulimit -S -f {kilobytes}; exec \"$@\"");
    let mut limited = Command::new("bash");
    limited
        .args(["-c", &script, "bash"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

#[test]
fn a_full_disk_is_an_error_with_the_file_and_leaves_whole_files() {
    let shop = decided("full", 2_000);
    let output: PathBuf = shop.path("recording");
    let arguments = ["--personal-data", "--output", output.to_str().unwrap()];
    let ended = limited(&shop.command(&["record"], &arguments), 24).output().unwrap();
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("File too large") && errors.contains("recording/"),
        "{errors}"
    );
    let partial = Command::new("find")
        .args([output.to_str().unwrap(), "-name", "*.partial"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(partial.stdout).unwrap(),
        "",
        "nothing is left half written"
    );
    shop.record("recording", &["--personal-data"]);
    let (code, text, _) = shop.replay("recording");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_period_is_recorded_and_what_it_cannot_prove_is_counted() {
    let mut shop = Shop::new("period", "exactly_once");
    let mut service = shop.start("state");
    shop.pay(0..150);
    shop.wait_for(150, &mut service);
    let now = jiff::Timestamp::now().to_string();
    shop.pay(150..300);
    shop.wait_for(300, &mut service);
    service.end();
    shop.record("until", &["--personal-data", "--until", &now]);
    let (code, text, report) = shop.replay("until");
    assert_eq!(code, Some(0), "{text}");
    let decisions = |report: &Value, name: &str| report["decisions"][name].as_u64().unwrap();
    assert_eq!(
        (decisions(&report, "equal"), decisions(&report, "different")),
        (156, 0),
        "{text}"
    );
    let out = shop.record("from", &["--personal-data", "--from", &now]);
    assert!(out.contains("is recorded from offset"), "{out}");
    let (_, text, report) = shop.replay("from");
    assert_eq!(decisions(&report, "different"), 0, "{text}");
    let counted: u64 = report["not_compared"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert!(counted > 0, "{text}");
}

//! Errors before or without a broker: a clear message, or a service that waits and reports why.

use crate::support::process::{Service, riskstream, run};
use serde_json::Value;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const PIPELINE: &str = "
name: refusals
inputs:
  transactions:
    topic: refusals-transactions
    key: card
    id: id
    event_time: time
    fields: {id: text, time: timestamp, card: text, amount: float}
entities: {card: {key: card}}
features: {payments: {entity: card, count: transactions, window: 1d}}
decision: {decline: payments > 1000}
outputs: {decisions: refusals-decisions, dead_letters: refusals-dead-letters}
";

/// An address on which no server listens.
const NO_BROKER: &str = "127.0.0.1:1";

fn pipeline(directory: &Path, further: &str) -> PathBuf {
    let path = directory.join("pipeline.yaml");
    std::fs::write(&path, format!("{PIPELINE}{further}")).unwrap();
    path
}

/// A run that ends with an error: exit code and the last line of standard error. Standard error is no terminal, so each of
/// its lines is a JSON object; the last one is given as `error: ` and its error.
fn refused(directory: &Path, pipeline: &Path, further: &[&str]) -> (Option<i32>, String) {
    let state = directory.join("state");
    let mut arguments = vec![
        "run",
        pipeline.to_str().unwrap(),
        "--state-dir",
        state.to_str().unwrap(),
    ];
    arguments.extend(further);
    if !further.contains(&"--http") {
        arguments.extend(["--http", "127.0.0.1:0"]);
    }
    let (code, _, errors) = run(&arguments, &[]);
    let parse = |line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let last = errors.lines().map(parse).next_back().unwrap_or_default();
    (code, format!("error: {}", last["error"].as_str().unwrap_or_default()))
}

#[test]
fn missing_brokers_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(directory.path(), "");
    let (code, error) = refused(directory.path(), &pipeline, &[]);
    let expected = "error: neither the file nor the command line says where Kafka is: \
                    add `kafka: {brokers: host:port}` to the file, or --brokers host:port";
    assert_eq!((code, error.as_str()), (Some(2), expected));
}

#[test]
fn a_wrong_filter_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(directory.path(), "");
    let (code, error) = refused(
        directory.path(),
        &pipeline,
        &["--brokers", NO_BROKER, "--log", "riskstream=loud"],
    );
    assert_eq!(code, Some(2));
    assert!(error.starts_with("error: --log riskstream=loud: "), "{error}");
}

#[test]
fn a_port_in_use_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(directory.path(), "");
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let (code, error) = refused(
        directory.path(),
        &pipeline,
        &["--brokers", NO_BROKER, "--http", &address],
    );
    let expected = format!(
        "error: cannot listen on {address} for /metrics, /healthz and /readyz; choose another address with \
         --http HOST:PORT: Address already in use (os error 98)"
    );
    assert_eq!((code, error), (Some(1), expected));
}

#[test]
fn a_state_directory_that_cannot_be_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(directory.path(), "");
    std::fs::write(directory.path().join("state"), "in the way").unwrap();
    let (code, error) = refused(directory.path(), &pipeline, &["--brokers", NO_BROKER]);
    assert_eq!(code, Some(1));
    assert!(
        error.starts_with("error: the state directory ") && error.ends_with("choose another with --state-dir DIR"),
        "{error}"
    );

    std::fs::remove_file(directory.path().join("state")).unwrap();
    read_only_directory(directory.path(), &pipeline);
}

fn read_only_directory(directory: &Path, pipeline: &Path) {
    let locked = directory.join("state");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();
    let mut arguments = vec![
        "run",
        pipeline.to_str().unwrap(),
        "--state-dir",
        locked.to_str().unwrap(),
    ];
    arguments.extend(["--http", "127.0.0.1:0", "--brokers", NO_BROKER]);
    let mut command = riskstream(&arguments, &[]);
    if std::fs::write(locked.join("probe"), "").is_ok() {
        // Root may write to any directory. Without these capabilities it has the rights of other users.
        command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search");
        command.arg(env!("CARGO_BIN_EXE_riskstream")).args(&arguments);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("\"error\":\"the state directory ") && errors.contains("Permission denied"),
        "{errors}"
    );
}

#[test]
fn an_unknown_kafka_property_is_an_error_that_keeps_its_value_secret() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(
        directory.path(),
        "kafka: {brokers: \"127.0.0.1:1\", properties: {sasl.pasword: hunter2}}\n",
    );
    let (code, error) = refused(directory.path(), &pipeline, &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("sasl.pasword") && !error.contains("hunter2"), "{error}");
}

/// What `run` refuses because of its properties `check` refuses, too.
#[test]
fn check_refuses_properties_that_run_refuses() {
    let directory = tempfile::tempdir().unwrap();
    for (properties, expected) in [
        ("sasl.pasword: hunter2", "librdkafka has no property `sasl.pasword`"),
        ("acks: some", "`acks` does not take `some`"),
        ("group.id: mine", "riskstream sets `group.id` itself"),
        (
            "security.protocol: sasl_plaintext, sasl.mechanisms: OAUTHBEARER",
            "OAUTHBEARER needs a source of tokens",
        ),
        (
            "security.protocol: ssl, ssl.ca.location: /no/such/file",
            "ssl.ca.location failed",
        ),
    ] {
        let kafka = format!("kafka: {{brokers: \"{NO_BROKER}\", properties: {{{properties}}}}}\n");
        let pipeline = pipeline(directory.path(), &kafka);
        let (code, error) = refused(directory.path(), &pipeline, &[]);
        assert!(code == Some(2) && error.contains(expected), "{code:?} {error}");
        let (code, _, errors) = run(&["check", pipeline.to_str().unwrap()], &[]);
        assert!(code == Some(2) && errors.contains(expected), "{code:?} {errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

/// With a format of JSON the diagnostics of the pipeline file are in a JSON object, too.
#[test]
fn diagnostics_are_logged_as_json() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(directory.path(), "no_such_key: 1\n");
    let (code, error) = refused(directory.path(), &pipeline, &["--log-format", "json"]);
    assert!(code == Some(2) && error.contains("no_such_key"), "{code:?} {error}");
}

/// Another secret would make every card a new one.
#[test]
fn another_secret_over_existing_state_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = directory.path().join("pipeline.yaml");
    let text = PIPELINE.replace("card: text", "card: {type: text, personal: true}");
    let key = "personal_data: {key_env: RISKSTREAM_PERSONAL_DATA_KEY}\n";
    std::fs::write(&pipeline, text + key).unwrap();
    let path = |name: &str| directory.path().join(name);
    let start = |secret: &str| {
        let environment = [("RISKSTREAM_PERSONAL_DATA_KEY", secret.to_owned())];
        Service::start(
            &pipeline,
            &path("state"),
            &path("log"),
            &environment,
            &["--brokers", NO_BROKER],
        )
    };
    let mut service = start("the secret of the first run");
    service.wait_until_unready("worker 0 waits: ");
    service.end();
    assert_eq!(start("a secret of another run").wait().code(), Some(2));
    let log = std::fs::read_to_string(path("log")).unwrap();
    let last = log.lines().last().unwrap();
    assert!(
        last.contains("another secret for pseudonyms") && last.contains("RISKSTREAM_PERSONAL_DATA_KEY"),
        "{last}"
    );
    assert!(!log.contains("a secret of another run"), "{log}");
}

#[test]
fn the_service_waits_for_a_broker_that_is_out_of_reach() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(directory.path(), "");
    let path = |name: &str| directory.path().join(name);
    let arguments = ["--brokers", NO_BROKER];
    let mut service = Service::start(&pipeline, &path("state"), &path("log"), &[], &arguments);
    service.wait_until_unready("worker 0 waits: ");
    assert_eq!(service.get("/healthz").unwrap().0, 200);
    service.terminate();
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn topics_needs_brokers() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(directory.path(), "");
    let (code, _, errors) = run(&["topics", pipeline.to_str().unwrap()], &[]);
    assert_eq!(code, Some(2), "{errors}");
    let (code, _, errors) = run(&["topics"], &[]);
    assert_eq!(code, Some(2), "{errors}");
}

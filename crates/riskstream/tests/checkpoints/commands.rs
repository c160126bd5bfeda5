//! `riskstream state list`, `verify`, `export` and `restore`.

use crate::machine::Machine;
use crate::support::process::run;
use std::fs;

/// Exit code and output of `riskstream state COMMAND` on the machine's pipeline.
fn state(machine: &Machine, command: &str, further: &[&str]) -> (Option<i32>, String) {
    let file = machine.file();
    let arguments = [&["state", command, file.to_str().unwrap()], further].concat();
    let (code, output, errors) = run(&arguments, &[]);
    (code, output + &errors)
}

#[test]
fn checkpoints_are_written_listed_verified_and_restored_by_hand() {
    let mut machine = Machine::new();
    let (code, text) = state(&machine, "list", &[]);
    assert_eq!((code, text.as_str()), (Some(1), "error: there are no checkpoints\n"));
    machine.pay(0..100);
    let (code, text) = state(&machine, "export", &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("customer-0 has no checkpoint") && text.contains("in use by another process"),
        "{text}"
    );
    machine.end();

    let (code, text) = state(&machine, "export", &[]);
    assert_eq!((code, text.lines().count()), (Some(0), 4), "{text}");
    assert!(text.starts_with("customer-0  position "), "{text}");
    let (code, listed) = state(&machine, "list", &[]);
    let count = |part: &str| listed.lines().filter(|line| line.contains(part)).count();
    assert_eq!(
        (code, count("  state of "), count(" files")),
        (Some(0), 4, 4),
        "{listed}"
    );
    let (code, text) = state(&machine, "list", &["--task", "terminal-1"]);
    assert_eq!((code, text.lines().count()), (Some(0), 2), "{text}");
    assert!(
        state(&machine, "list", &["--task", "terminal-x"])
            .1
            .contains("is no task")
    );
    let (code, text) = state(&machine, "verify", &[]);
    assert_eq!(code, Some(0));
    assert!(text.lines().all(|line| line.ends_with("  whole")), "{text}");

    let (code, text) = state(&machine, "restore", &[]);
    assert_eq!(code, Some(0));
    assert!(
        text.lines().all(|line| line.contains("stays as it is, at position ")),
        "{text}"
    );
    machine.lose();
    let (code, text) = state(&machine, "restore", &["--task", "customer-1"]);
    assert_eq!((code, text.lines().count()), (Some(0), 1), "{text}");
    assert!(text.starts_with("customer-1  is restored, at position "), "{text}");
    let (code, text) = state(&machine, "restore", &[]);
    assert_eq!((code, text.matches("is restored").count()), (Some(0), 3), "{text}");
    // What was restored is what the worker had.
    machine.start();
    machine.wait_until_open();
    machine.pay(100..150);
    machine.check(150);
    machine.end();

    let damaged = machine
        .objects()
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("customer-0/files/"));
    fs::write(damaged.unwrap(), b"x").unwrap();
    let (code, text) = state(&machine, "verify", &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains(" is damaged: ") && text.contains("1 checkpoints are damaged"),
        "{text}"
    );
    machine.lose();
    let (code, text) = state(&machine, "restore", &["--task", "customer-0"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("is not used: ") && text.contains("no checkpoint that can be used"),
        "{text}"
    );
    assert!(!machine.state().join("customer-0").exists() && !machine.state().join("customer-0.restored").exists());
}

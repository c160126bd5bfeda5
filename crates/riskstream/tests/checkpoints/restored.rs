//! States that are lost, in this process.

use crate::machine::Machine;
use riskstream::service::checkpoints::TaskId;
use riskstream_pipeline::stop_reason::StopCode;
use std::collections::BTreeMap;
use std::fs;

#[test]
fn a_lost_state_is_restored_where_the_log_has_only_the_tail() {
    let mut machine = Machine::new();
    machine.pay(0..200);
    let positions = machine.checkpoint();
    machine.pay(200..300);
    machine.end();
    machine.trim(&positions);
    machine.lose();
    machine.start();
    machine.wait_until_open();
    machine.pay(300..400);
    machine.check(400);

    // The restored state is one from which checkpoints are made, and from which one is restored again.
    let positions = machine.checkpoint();
    machine.end();
    machine.trim(&positions);
    machine.lose();
    machine.start();
    machine.wait_until_open();
    machine.pay(400..450);
    machine.check(450);
}

#[test]
fn a_state_that_is_behind_the_log_or_damaged_is_replaced() {
    let mut machine = Machine::new();
    machine.pay(0..100);
    machine.end();
    let old = machine.root.path().join("old");
    fs::rename(machine.state(), &old).unwrap();
    copy(&old, &machine.state());
    machine.start();
    machine.wait_until_open();
    machine.pay(100..200);
    let positions = machine.checkpoint();
    machine.end();
    machine.trim(&positions);
    // A backup that was put in the place of a state, and a state that RocksDB cannot open.
    machine.lose();
    copy(&old, &machine.state());
    for task in ["customer-0", "terminal-1"] {
        fs::write(machine.state().join(task).join("CURRENT"), b"MANIFEST-999999\n").unwrap();
    }
    machine.start();
    machine.wait_until_open();
    machine.pay(200..300);
    machine.check(300);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_next_older_checkpoint_is_taken_where_one_is_damaged() {
    let mut machine = Machine::new();
    machine.pay(0..100);
    let older = machine.checkpoint();
    let before = machine.objects();
    machine.pay(100..200);
    let newer = machine.checkpoint();
    assert!(
        older.iter().all(|(task, position)| newer[task] > *position),
        "{older:?} {newer:?}"
    );
    // A byte of each file that only the newer ones have.
    for path in machine.objects().iter().filter(|path| !before.contains(path)) {
        let mut content = fs::read(path).unwrap();
        if let Some(byte) = content.last_mut() {
            *byte ^= 0x10;
        }
        fs::write(path, content).unwrap();
    }
    machine.end();
    machine.trim(&older);
    machine.lose();
    machine.start();
    machine.wait_until_open();
    machine.pay(200..250);
    machine.check(250);
}

#[test]
fn a_checkpoint_to_which_the_log_does_not_reach_back_is_not_taken() {
    let mut machine = Machine::new();
    machine.pay(0..100);
    machine.checkpoint();
    machine.pay(100..200);
    machine.end();
    let mut beyond: BTreeMap<TaskId, i64> = machine
        .checkpoints()
        .tasks()
        .unwrap()
        .into_iter()
        .map(|task| (task, 0))
        .collect();
    for (task, position) in &mut beyond {
        let stored = machine.checkpoints().of_task(task);
        *position = stored.list().unwrap()[0].position + 1;
    }
    machine.trim(&beyond);
    machine.lose();
    machine.start();
    for _ in 0..500 {
        machine.driver.round().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        if machine.driver.stopped().len() == crate::machine::TASKS {
            break;
        }
    }
    let stopped = machine.driver.stopped();
    assert_eq!(stopped.len(), crate::machine::TASKS);
    assert!(
        stopped.iter().all(|stopped| stopped.reason.code == StopCode::StateLost),
        "{stopped:?}"
    );
}

#[test]
fn a_checkpoint_of_another_layout_is_not_taken() {
    let mut machine = Machine::new();
    machine.pay(0..100);
    machine.checkpoint();
    machine.end();
    machine.lose();
    machine.change_window();
    machine.start();
    machine.wait_until_open();
    machine.pay(100..150);
    // Built from the whole log.
    machine.check(150);
}

#[test]
fn a_checkpoint_ahead_of_what_was_committed_is_not_taken() {
    let mut machine = Machine::new();
    machine.pay(0..50);
    let older = machine.checkpoint();
    machine.pay(50..100);
    let newer = machine.checkpoint();
    machine.end();
    // Offsets are set back to the older checkpoint: what follows is decided a second time, from the state of that moment.
    for (task, position) in &older {
        let topic = match task.entity.as_str() {
            "customer" => "payments",
            _ => "shop-hop-terminal",
        };
        let partition = riskstream_pipeline::log::TopicPartition {
            topic: topic.into(),
            partition: task.partition,
        };
        let mut committed = machine.driver.broker.committed(&partition).unwrap();
        assert!(committed.offset >= newer[task]);
        committed.offset = *position;
        machine.driver.broker.commit(partition, committed);
    }
    machine.lose();
    machine.start();
    machine.wait_until_open();
    machine.driver.run().unwrap();
    assert_eq!(machine.driver.stopped(), []);
    let decided = machine.driver.decisions().len();
    assert!((100..=150).contains(&decided), "{decided}");
}

//! What happens to processes, their disks and the log.

use crate::cluster::{Cluster, Failure, is_expected};
use crate::home::States;
use crate::load::SECOND;
use crate::scenario::Action;
use riskstream_features::state::StateStore;
use riskstream_pipeline::log::TopicPartition;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

impl Cluster<'_> {
    fn stop(&mut self, number: usize, down: u8) {
        let process = &mut self.processes[number];
        process.workers.clear();
        process.expelled = None;
        process.paused = 0;
        process.down = down + 1;
    }

    pub fn act(&mut self, number: usize, action: Action) -> Result<(), Failure> {
        self.note(|| format!("process {number}: {action:?}"));
        match action {
            Action::Kill { down } => self.stop(number, down),
            Action::KillAndWipe { down } => {
                self.stop(number, down);
                self.processes[number].home.set_states(States::new());
            }
            Action::KillAndLoseOne { down, which } => {
                self.stop(number, down);
                self.processes[number].home.lose_one(usize::from(which));
            }
            Action::KillAndGoBack { down } => {
                self.stop(number, down);
                let process = &self.processes[number];
                process.home.set_states(process.earlier.clone().unwrap_or_default());
            }
            Action::TakeStandby => {
                if let Some((_, home)) = self.standby.take() {
                    self.stop(number, 1);
                    self.processes[number].home.set_states(home.states());
                    self.start_standby();
                }
            }
            Action::Pause { rounds } => self.processes[number].paused = rounds,
            Action::Zombie { rounds, paused } => {
                let process = &mut self.processes[number];
                process
                    .workers
                    .iter()
                    .for_each(|(member, _)| self.broker.expel(*member));
                process.paused = paused;
                process.expelled = Some(rounds);
            }
            Action::Leave { down } => {
                for (_, worker) in &mut self.processes[number].workers {
                    // What cannot be committed is done again.
                    if let Err(error) = worker.finish() {
                        is_expected(&error)?;
                    }
                }
                self.stop(number, down);
            }
            Action::Checkpoint { damaged } => self.keep_checkpoints(number, !damaged),
            Action::Retention => self.forget(),
            Action::ClockJump { seconds } => {
                self.clock
                    .wall
                    .fetch_add(i64::from(seconds) * SECOND, Ordering::Relaxed);
            }
            Action::Remember => self.processes[number].earlier = Some(self.processes[number].home.states()),
        }
        Ok(())
    }

    fn keep_checkpoints(&mut self, number: usize, is_whole: bool) {
        let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        for (task, state) in self.processes[number].home.states() {
            let kept = checkpoints.entry(task).or_default();
            let newest = kept.iter().filter_map(|(state, _)| state.position().ok()?).max();
            if matches!(state.position(), Ok(Some(position)) if newest.is_none_or(|newest| position >= newest)) {
                kept.push((state, is_whole));
            }
        }
    }

    /// Forgets what nobody needs who has the checkpoints.
    fn forget(&mut self) {
        let checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        for topic in self.topology.input_topics() {
            let stage =
                (0..self.topology.plan.stages.len()).find(|stage| self.topology.topic_of_stage(*stage) == &*topic);
            for partition in 0..self.broker.partitions(&topic).unwrap_or(0) {
                let at = TopicPartition {
                    topic: Arc::clone(&topic),
                    partition,
                };
                let committed = self.broker.committed(&at).map_or(0, |committed| committed.offset);
                let kept = stage.map(|stage| {
                    let task = (self.topology.plan.stages[stage].entity.clone(), partition);
                    let whole = checkpoints
                        .get(&task)
                        .into_iter()
                        .flatten()
                        .filter(|(_, is_whole)| *is_whole);
                    whole.filter_map(|(state, _)| state.position().ok()?).max().unwrap_or(0)
                });
                // A task that reads on needs what follows its position, whatever there is of checkpoints.
                let workers = self.processes.iter().flat_map(|process| &process.workers);
                let read = workers.flat_map(|(_, worker)| worker.tasks());
                let read = read
                    .filter(|(reads, ..)| **reads == at)
                    .map(|(_, task, _)| task.position());
                let needed = read.chain(kept).chain([committed]).min().unwrap_or(0);
                self.broker.trim(&topic, partition, needed);
            }
        }
    }
}

//! The history of a pipeline's roll-outs, as the roll-out topic keeps it.

use riskstream_definition::read_rollout;
use riskstream_definition::syntax::RolloutFile;

/// A roll-out on the topic.
#[derive(Debug)]
pub struct PublishedRollout {
    /// Its revision.
    pub revision: u64,
    /// The revision whose models it restored, if it undid another one.
    pub restores: Option<u64>,
    /// Its content.
    pub file: RolloutFile,
    /// Its text, as it was typed.
    pub text: String,
}

/// The roll-outs that had an effect, oldest first.
#[derive(Debug, Default)]
pub struct History {
    rollouts: Vec<PublishedRollout>,
}

impl History {
    /// Adds the next record of the topic. A record that is no roll-out, or whose revision is not larger than the last
    /// one, has no effect, as in `riskstream run`.
    pub fn add(&mut self, text: String) {
        let Ok(file) = read_rollout("a roll-out", &text) else {
            return;
        };
        let Some(revision) = file.revision.as_ref().map(|revision| u64::from(revision.value)) else {
            return;
        };
        if revision > self.newest() {
            self.rollouts.push(PublishedRollout {
                revision,
                restores: file.restores.as_ref().map(|restores| u64::from(restores.value)),
                file,
                text,
            });
        }
    }

    /// The roll-outs, oldest first.
    pub fn rollouts(&self) -> &[PublishedRollout] {
        &self.rollouts
    }

    /// The newest revision; 0 if there was no roll-out.
    pub fn newest(&self) -> u64 {
        self.rollouts.last().map_or(0, |rollout| rollout.revision)
    }

    /// The revision whose models the next `rollout back` restores: 0 for those of the pipeline file, `None` if these are
    /// already in force. Going back twice undoes two roll-outs.
    pub fn previous(&self) -> Option<u64> {
        // The revisions that can be restored, the one in force on top.
        let mut stack = vec![0];
        for rollout in &self.rollouts {
            match rollout.restores {
                None => stack.push(rollout.revision),
                Some(restored) => {
                    while stack.len() > 1 && stack.last() != Some(&restored) {
                        stack.pop();
                    }
                }
            }
        }
        stack.pop();
        stack.pop()
    }

    /// The roll-out of this revision.
    pub fn get(&self, revision: u64) -> Option<&PublishedRollout> {
        self.rollouts.iter().find(|rollout| rollout.revision == revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(texts: &[&str]) -> History {
        let mut history = History::default();
        texts.iter().for_each(|text| history.add((*text).to_owned()));
        history
    }

    #[test]
    fn going_back_undoes_one_rollout_at_a_time() {
        for (texts, previous) in [
            (&[][..], None),
            (&["revision: 1"], Some(0)),
            (&["revision: 1", "revision: 2"], Some(1)),
            (&["revision: 1", "revision: 2", "{revision: 3, restores: 1}"], Some(0)),
            (
                &[
                    "revision: 1",
                    "revision: 2",
                    "{revision: 3, restores: 1}",
                    "{revision: 4, restores: 0}",
                ],
                None,
            ),
            (
                &[
                    "revision: 1",
                    "revision: 2",
                    "{revision: 3, restores: 1}",
                    "revision: 4",
                ],
                Some(1),
            ),
        ] {
            assert_eq!(history(texts).previous(), previous, "{texts:?}");
        }
    }

    #[test]
    fn records_without_effect_are_left_out() {
        let history = history(&["revision: 2", "nonsense", "revision: 1", "{revisoin: 3}", "revision: 5"]);
        let revisions: Vec<u64> = history.rollouts().iter().map(|rollout| rollout.revision).collect();
        assert_eq!(revisions, [2, 5]);
        assert_eq!(history.newest(), 5);
    }
}

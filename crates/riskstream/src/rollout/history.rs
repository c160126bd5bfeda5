//! What was rolled out, in order, as the topic keeps it.

use riskstream_definition::read_rollout;
use riskstream_definition::rollout::RolloutFile;

/// One roll-out in the topic.
#[derive(Debug)]
pub struct Entry {
    /// Its revision.
    pub revision: u64,
    /// The revision whose models it restored, if it was a rolling back.
    pub restores: Option<u64>,
    /// What it says.
    pub file: RolloutFile,
    /// As it was typed.
    pub text: String,
}

/// All roll-outs that could take effect, oldest first.
#[derive(Debug, Default)]
pub struct History {
    entries: Vec<Entry>,
}

impl History {
    /// Adds the next record of the topic. As in `run`, one that is no roll-out, or not newer than the last, has no effect.
    pub fn add(&mut self, text: String) {
        let Ok(file) = read_rollout("a roll-out", &text) else {
            return;
        };
        let Some(revision) = file.revision.as_ref().map(|revision| u64::from(revision.value)) else {
            return;
        };
        if revision > self.newest() {
            self.entries.push(Entry {
                revision,
                restores: file.restores.as_ref().map(|restores| u64::from(restores.value)),
                file,
                text,
            });
        }
    }

    /// The roll-outs.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The newest revision; 0 if there was none.
    pub fn newest(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.revision)
    }

    /// The revision whose models rolling back restores, 0 for the pipeline file's own; `None` if these decide already. Rolling
    /// back twice goes back by two.
    pub fn previous(&self) -> Option<u64> {
        // The revisions whose models decided, each on top of that before it.
        let mut stack = vec![0];
        for entry in &self.entries {
            match entry.restores {
                None => stack.push(entry.revision),
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
    pub fn get(&self, revision: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.revision == revision)
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
    fn rolling_back_goes_back_one_by_one() {
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
    fn what_has_no_effect_is_left_out() {
        let history = history(&["revision: 2", "nonsense", "revision: 1", "{revisoin: 3}", "revision: 5"]);
        let revisions: Vec<u64> = history.entries().iter().map(|entry| entry.revision).collect();
        assert_eq!(revisions, [2, 5]);
        assert_eq!(history.newest(), 5);
    }

    #[test]
    fn restored_texts_say_so() {
        for (text, expected) in [
            ("revision: 7\nshadows: []\n", "restores: 3\nrevision: 9\nshadows: []\n"),
            ("{revision: 7, shadows: []}", "{restores: 3, revision: 9, shadows: []}"),
            ("restores: 10\nrevision: 7\n", "restores: 3\nrevision: 9\n"),
            ("revision: 7\nrestores: 10 # why\n", "revision: 9\nrestores: 3 # why\n"),
        ] {
            let file = read_rollout("a roll-out", text).unwrap();
            assert_eq!(crate::rollout::restoring(text, &file, 9, 3), expected);
        }
    }
}

//! The history of a pipeline's roll-outs, as its topics keep it: what was proposed, approved and applied. Copies of the service
//! and `riskstream rollout` read it alike.

use riskstream_definition::syntax::RolloutFile;
use riskstream_definition::{AuthorAction, Compiled, Report, RolloutRecord, read_record, sections, sha256_of};

/// What messages call the topics.
const TOPIC: &str = "the roll-out topic";

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the topic of roll-outs.
    Rollouts,
    /// In the topic of approvals.
    Approvals,
}

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Who, as the record says.
    pub author: String,
    /// When the record was written, in milliseconds since the epoch, if the log knows.
    pub time: Option<i64>,
}

/// A roll-out on the topic.
#[derive(Debug)]
pub struct PublishedRollout {
    /// Its revision.
    pub revision: u64,
    /// The revision that it restored, if it undid another one.
    pub restores: Option<u64>,
    /// Its content.
    pub file: RolloutFile,
    /// Its text, as it was typed.
    pub text: String,
    /// The SHA-256 of its text, in hexadecimal digits.
    pub sha256: String,
    /// When it was written, in milliseconds since the epoch, if the log knows.
    pub time: Option<i64>,
}

impl PublishedRollout {
    /// Who answers for it.
    pub fn author(&self) -> Option<&str> {
        self.file.author.as_ref().map(|author| author.value.as_str())
    }
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Added {
    /// It counts.
    Counts,
    /// A roll-out of this revision came before, or a later one.
    Late(u64),
}

/// The records of the topics.
#[derive(Debug, Default)]
pub struct History {
    /// How many people must approve a roll-out.
    required: u32,
    /// Whether approvals have a topic of their own.
    approvals_apart: bool,
    rollouts: Vec<PublishedRollout>,
    approvals: Vec<(AuthorAction, Option<i64>)>,
    applications: Vec<(AuthorAction, Option<i64>)>,
    /// The index of the roll-out in force.
    in_force: Option<usize>,
}

impl History {
    /// An empty history, in which a roll-out needs so many approvals. `approvals_apart`: they have a topic of their own, and only
    /// count there.
    fn new(required: u32, approvals_apart: bool) -> History {
        History {
            required,
            approvals_apart,
            ..History::default()
        }
    }

    /// An empty history of a pipeline.
    pub fn of(pipeline: &Compiled) -> History {
        let settings = pipeline.rollout_settings.as_ref();
        let required = settings.map_or(0, |settings| settings.approvals);
        History::new(
            required,
            settings.is_some_and(|settings| settings.approvals_topic.is_some()),
        )
    }

    /// Adds the next record of a topic. `time` is when it was written, in milliseconds since the epoch.
    ///
    /// # Errors
    /// The record says nothing that can be used: it has no effect.
    pub fn add(&mut self, origin: Origin, text: String, time: Option<i64>) -> Result<Added, Report> {
        match (read_record(TOPIC, &text)?, origin) {
            (RolloutRecord::Rollout(file), Origin::Rollouts) => {
                if let late @ Added::Late(_) = self.add_rollout(*file, text, time) {
                    return Ok(late);
                }
            }
            (RolloutRecord::Application(action), Origin::Rollouts) => self.applications.push((action, time)),
            (RolloutRecord::Approval(action), origin) if (origin == Origin::Approvals) == self.approvals_apart => {
                self.approvals.push((action, time));
            }
            (RolloutRecord::Approval(_), _) => {
                return Err(Report::unreadable(
                    TOPIC,
                    &"approvals count only in the topic that `approvals_topic` names",
                ));
            }
            (_, Origin::Approvals) => {
                return Err(Report::unreadable(
                    "the topic of approvals",
                    &"a record there can only approve a roll-out",
                ));
            }
        }
        self.in_force = self.rollouts.iter().rposition(|rollout| self.takes_effect(rollout));
        Ok(Added::Counts)
    }

    fn add_rollout(&mut self, file: RolloutFile, text: String, time: Option<i64>) -> Added {
        let revision = file.revision.as_ref().map_or(0, |revision| u64::from(revision.value));
        if revision <= self.newest() {
            return Added::Late(revision);
        }
        self.rollouts.push(PublishedRollout {
            revision,
            restores: file.restores.as_ref().map(|restores| u64::from(restores.value)),
            file,
            sha256: sha256_of(&text),
            text,
            time,
        });
        Added::Counts
    }

    /// The roll-outs, proposals among them, oldest first.
    pub fn rollouts(&self) -> &[PublishedRollout] {
        &self.rollouts
    }

    /// The newest revision, whether it is in force or not; 0 if there was no roll-out.
    pub fn newest(&self) -> u64 {
        self.rollouts.last().map_or(0, |rollout| rollout.revision)
    }

    /// How many people must approve a roll-out.
    pub fn required(&self) -> u32 {
        self.required
    }

    /// Those other than its author who approved a roll-out, each once.
    pub fn approvals(&self, rollout: &PublishedRollout) -> Vec<Signed> {
        let mut approvals: Vec<Signed> = Vec::new();
        for approval in actions_on(&self.approvals, rollout) {
            let is_new = approvals
                .iter()
                .all(|other| !is_same_person(&other.author, &approval.author));
            let author = rollout.author().unwrap_or_default();
            if is_new && !is_same_person(author, &approval.author) && !approval.author.trim().is_empty() {
                approvals.push(approval);
            }
        }
        approvals
    }

    /// Whether enough people approved a roll-out. What was in force before needs no approval to be restored.
    pub fn is_approved(&self, rollout: &PublishedRollout) -> bool {
        let has_author = rollout.author().is_some_and(|author| !author.trim().is_empty());
        self.required == 0
            || (has_author && self.approvals(rollout).len() >= self.required as usize)
            || self.restores_approved(rollout)
    }

    /// Who applied a roll-out, if someone did.
    pub fn applied(&self, rollout: &PublishedRollout) -> Option<Signed> {
        actions_on(&self.applications, rollout).next()
    }

    /// Whether copies act on a roll-out, unless a later one is in force.
    pub fn takes_effect(&self, rollout: &PublishedRollout) -> bool {
        let is_applied = || self.applied(rollout).is_some();
        self.required == 0 || self.restores_approved(rollout) || (self.is_approved(rollout) && is_applied())
    }

    /// Whether a roll-out says what another one said that took effect, or the pipeline file.
    fn restores_approved(&self, rollout: &PublishedRollout) -> bool {
        let content = || sections(&rollout.text);
        match rollout.restores {
            None => false,
            Some(0) => content().is_empty(),
            Some(restored) if restored >= rollout.revision => false,
            Some(restored) => self
                .get(restored)
                .is_some_and(|before| self.takes_effect(before) && sections(&before.text) == content()),
        }
    }

    /// The roll-out in force; none if the pipeline file decides.
    pub fn in_force(&self) -> Option<&PublishedRollout> {
        self.in_force.map(|at| &self.rollouts[at])
    }

    /// Its revision; 0 if the pipeline file decides.
    pub fn revision_in_force(&self) -> u64 {
        self.in_force().map_or(0, |rollout| rollout.revision)
    }

    /// Its text; empty if the pipeline file decides.
    pub fn text_in_force(&self) -> &str {
        self.in_force().map_or("", |rollout| rollout.text.as_str())
    }

    /// The revision that the next `rollout back` restores: 0 for the pipeline file, `None` if that is in force. Going back twice
    /// undoes two roll-outs.
    pub fn previous(&self) -> Option<u64> {
        // The revisions that can be restored, the one in force on top.
        let mut stack = vec![0];
        for rollout in self.rollouts.iter().filter(|rollout| self.takes_effect(rollout)) {
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

/// The actions that concern a roll-out with just this text.
fn actions_on<'h>(
    actions: &'h [(AuthorAction, Option<i64>)],
    rollout: &'h PublishedRollout,
) -> impl Iterator<Item = Signed> + use<'h> {
    let of_rollout = actions
        .iter()
        .filter(|(action, _)| action.revision == rollout.revision && action.sha256 == rollout.sha256);
    of_rollout.map(|(action, time)| Signed {
        author: action.author.clone(),
        time: *time,
    })
}

/// Whether two names mean the same person: case and spaces around do not matter.
pub fn is_same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(texts: &[&str]) -> History {
        let mut history = History::default();
        for text in texts {
            let _ = history.add(Origin::Rollouts, (*text).to_owned(), None);
        }
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

    const PROPOSED: &str = "{revision: 1, author: Anna, explain: {score: 0.5}}";

    fn step(word: &str, text: &str, author: &str) -> String {
        format!("{{{word}: 1, sha256: {:?}, author: {author:?}}}", sha256_of(text))
    }

    /// A history of records, each in the topic of roll-outs or of approvals.
    fn governed(required: u32, records: &[(Origin, String)]) -> History {
        let mut history = History::new(required, true);
        for (origin, text) in records {
            let _ = history.add(*origin, text.clone(), None);
        }
        history
    }

    #[test]
    fn copies_act_on_what_others_than_the_author_approved_and_someone_applied() {
        use Origin::{Approvals, Rollouts};
        let proposed = || (Rollouts, PROPOSED.to_owned());
        let approved = |author: &str| (Approvals, step("approves", PROPOSED, author));
        let applied = || (Rollouts, step("applies", PROPOSED, "anna"));
        let cases = [
            ("proposed", 1, vec![proposed()], false),
            ("applied without approval", 1, vec![proposed(), applied()], false),
            ("approved, not applied", 1, vec![proposed(), approved("ben")], false),
            (
                "approved and applied",
                1,
                vec![proposed(), approved("ben"), applied()],
                true,
            ),
            (
                "in the other order",
                1,
                vec![approved("ben"), applied(), proposed()],
                true,
            ),
            (
                "approved by the author",
                1,
                vec![proposed(), approved(" anna"), applied()],
                false,
            ),
            (
                "one of two",
                2,
                vec![proposed(), approved("ben"), approved("Ben "), applied()],
                false,
            ),
            (
                "two of two",
                2,
                vec![proposed(), approved("ben"), approved("cleo"), applied()],
                true,
            ),
            (
                "approved where roll-outs are written",
                1,
                vec![proposed(), (Rollouts, step("approves", PROPOSED, "ben")), applied()],
                false,
            ),
            (
                "another text was approved",
                1,
                vec![
                    proposed(),
                    (Approvals, step("approves", "revision: 1", "ben")),
                    applied(),
                ],
                false,
            ),
            (
                "no author",
                1,
                {
                    let text = "revision: 1";
                    let approved = (Approvals, step("approves", text, "ben"));
                    vec![
                        (Rollouts, text.to_owned()),
                        approved,
                        (Rollouts, step("applies", text, "ben")),
                    ]
                },
                false,
            ),
        ];
        for (case, required, records, takes_effect) in cases {
            let history = governed(required, &records);
            assert_eq!(history.in_force().is_some(), takes_effect, "{case}");
        }
    }

    #[test]
    fn what_was_in_force_is_restored_without_approval_and_nothing_else() {
        let records = |more: &[&str]| {
            let mut records = vec![
                (Origin::Rollouts, PROPOSED.to_owned()),
                (Origin::Approvals, step("approves", PROPOSED, "ben")),
                (Origin::Rollouts, step("applies", PROPOSED, "anna")),
            ];
            records.extend(more.iter().map(|text| (Origin::Rollouts, (*text).to_owned())));
            records
        };
        for (more, in_force) in [
            (&["{revision: 2, restores: 0}"][..], 2),
            (&["{revision: 2, restores: 0, explain: {score: 0.1}}"], 1),
            (&["{revision: 2, restores: 1, explain: {score: 0.5}}"], 2),
            (&["{revision: 2, restores: 1, explain: {score: 0.1}}"], 1),
            (
                &[
                    "{revision: 2, explain: {score: 0.1}}",
                    "{revision: 3, restores: 2, explain: {score: 0.1}}",
                ],
                1,
            ),
            (&["{revision: 2, restores: 2, explain: {score: 0.1}}"], 1),
        ] {
            let history = governed(1, &records(more));
            assert_eq!(
                history.in_force().map(|rollout| rollout.revision),
                Some(in_force),
                "{more:?}"
            );
        }
    }
}

//! Outcomes: what happens to a transaction.

/// An outcome of a pipeline, ordered by severity. [`Outcomes`] has its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome(u8);

impl Outcome {
    /// The first outcome of every pipeline: that of a transaction for which nothing else is decided.
    pub const MILDEST: Outcome = Outcome(0);
    /// `approve` of the default outcomes: let it through.
    pub const APPROVE: Outcome = Outcome(0);
    /// `review` of the default outcomes: let a person look at it.
    pub const REVIEW: Outcome = Outcome(1);
    /// `decline` of the default outcomes: refuse it.
    pub const DECLINE: Outcome = Outcome(2);

    /// Its place in the order of severity, from 0. Decision records in Avro contain it.
    pub fn severity(self) -> usize {
        usize::from(self.0)
    }
}

/// The outcomes of a pipeline with their words, the mildest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes(Vec<String>);

/// What is wrong with a list of outcomes. Indices count its words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutcomesError {
    /// Fewer than two, or more than [`Outcomes::MOST`].
    #[error("a pipeline has 2 to {most} outcomes, here are {0}", most = Outcomes::MOST)]
    Count(usize),
    /// A word that is no symbol of an Avro enum.
    #[error("outcome {0} is not a valid name: a name has letters, digits and `_`, and does not begin with a digit")]
    Name(usize),
    /// A word that is listed twice.
    #[error("outcome {second} is the same as outcome {first}")]
    Repeated {
        /// The index of the first.
        first: usize,
        /// The index of the second.
        second: usize,
    },
}

impl Outcomes {
    /// The most outcomes of a pipeline: each is a value of a metric's label.
    pub const MOST: usize = 32;

    /// Outcomes with these words, the mildest first.
    ///
    /// # Errors
    /// All that is wrong with the words.
    pub fn new(words: Vec<String>) -> Result<Outcomes, Vec<OutcomesError>> {
        let mut errors = Vec::new();
        if !(2..=Self::MOST).contains(&words.len()) {
            errors.push(OutcomesError::Count(words.len()));
        }
        for (index, word) in words.iter().enumerate() {
            if !is_symbol(word) {
                errors.push(OutcomesError::Name(index));
            }
            if let Some(first) = words[..index].iter().position(|other| other == word) {
                errors.push(OutcomesError::Repeated { first, second: index });
            }
        }
        match errors.is_empty() {
            true => Ok(Outcomes(words)),
            false => Err(errors),
        }
    }

    /// The word for an outcome in pipeline files, decision records and metrics. Empty for an outcome of another pipeline, which
    /// has more of them.
    pub fn word(&self, outcome: Outcome) -> &str {
        self.0.get(outcome.severity()).map_or("", String::as_str)
    }

    /// The outcome with this word.
    pub fn find(&self, word: &str) -> Option<Outcome> {
        self.iter()
            .find(|(_, known)| *known == word)
            .map(|(outcome, _)| outcome)
    }

    /// All outcomes and their words, the mildest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Outcome, &str)> + ExactSizeIterator {
        let outcome = |severity: usize| Outcome(u8::try_from(severity).unwrap_or(u8::MAX));
        let words = self.0.iter().enumerate();
        words.map(move |(severity, word)| (outcome(severity), word.as_str()))
    }

    /// All words, the mildest first.
    pub fn words(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.0.iter().map(String::as_str)
    }
}

impl Default for Outcomes {
    /// `approve`, `review`, `decline`.
    fn default() -> Self {
        Outcomes(["approve", "review", "decline"].map(str::to_owned).to_vec())
    }
}

/// Whether Avro takes a word as the symbol of an enum.
fn is_symbol(word: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    word.bytes().next().is_some_and(is_letter) && word.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(words: &[&str]) -> Result<Outcomes, Vec<OutcomesError>> {
        Outcomes::new(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn outcomes_are_ordered_as_they_are_listed() {
        let four = outcomes(&["approve", "challenge", "review", "decline"]).unwrap();
        let find = |word| four.find(word).unwrap();
        assert_eq!(find("approve"), Outcome::MILDEST);
        assert!(find("approve") < find("challenge") && find("challenge") < find("review"));
        assert!(
            four.iter()
                .all(|(outcome, word)| four.word(outcome) == word && find(word) == outcome)
        );
        assert_eq!(find("decline").severity(), 3);
        assert_eq!(four.find("refuse"), None);
        let three = Outcomes::default();
        let known = [Outcome::APPROVE, Outcome::REVIEW, Outcome::DECLINE].map(|outcome| three.word(outcome));
        assert_eq!(known, ["approve", "review", "decline"]);
        assert_eq!(three.word(find("decline")), "");
    }

    #[test]
    fn wrong_lists_are_refused_with_all_that_is_wrong() {
        use OutcomesError::{Count, Name, Repeated};
        assert_eq!(outcomes(&[]), Err(vec![Count(0)]));
        assert_eq!(outcomes(&["approve"]), Err(vec![Count(1)]));
        let many: Vec<String> = (0..33).map(|n| format!("o{n}")).collect();
        assert_eq!(Outcomes::new(many.clone()), Err(vec![Count(33)]));
        assert!(Outcomes::new(many[1..].to_vec()).is_ok());
        let wrong = ["a", "step-up", "", "2fa", "a", "prüfen", "_"];
        let repeated = Repeated { first: 0, second: 4 };
        assert_eq!(
            outcomes(&wrong),
            Err(vec![Name(1), Name(2), Name(3), repeated, Name(5)])
        );
    }
}

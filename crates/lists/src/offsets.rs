//! Offsets up to which lists have been read. They identify the versions in force, in logs and in state.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// For each list's topic the offset of the first record that is not in the version in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets(BTreeMap<String, i64>);

impl Offsets {
    /// The offset of a topic.
    pub fn get(&self, topic: &str) -> Option<i64> {
        self.0.get(topic).copied()
    }

    /// Topics and offsets in order of the topics' names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(topic, offset)| (topic.as_str(), *offset))
    }

    /// Whether no list has an offset.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over the offsets of `other` that lie further. Offsets never go back: what a former owner of a partition writes
    /// late has no effect.
    pub fn advance(&mut self, other: &Offsets) {
        for (topic, offset) in &other.0 {
            match self.0.get_mut(topic) {
                Some(known) => *known = (*known).max(*offset),
                None => {
                    self.0.insert(topic.clone(), *offset);
                }
            }
        }
    }

    /// Whether `other` has an offset that lies further.
    pub fn is_behind(&self, other: &Offsets) -> bool {
        other
            .0
            .iter()
            .any(|(topic, offset)| self.get(topic).is_none_or(|known| known < *offset))
    }

    /// Only those of topics that `is_known` accepts.
    pub fn retain(&mut self, mut is_known: impl FnMut(&str) -> bool) {
        self.0.retain(|topic, _| is_known(topic));
    }
}

impl<'a> FromIterator<(&'a str, i64)> for Offsets {
    fn from_iter<I: IntoIterator<Item = (&'a str, i64)>>(offsets: I) -> Self {
        Offsets(
            offsets
                .into_iter()
                .map(|(topic, offset)| (topic.to_owned(), offset))
                .collect(),
        )
    }
}

/// `topic@offset` for each topic, separated by blanks. Names of topics have none.
impl fmt::Display for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (topic, offset)) in self.iter().enumerate() {
            let separator = if index > 0 { " " } else { "" };
            write!(f, "{separator}{topic}@{offset}")?;
        }
        Ok(())
    }
}

/// A text that holds no offsets of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offsets of lists have another form")]
pub struct OffsetsError;

impl FromStr for Offsets {
    type Err = OffsetsError;

    fn from_str(text: &str) -> Result<Self, OffsetsError> {
        let offset = |part: &str| {
            let (topic, offset) = part.rsplit_once('@')?;
            Some((topic.to_owned(), offset.parse().ok()?))
        };
        let offsets: Option<_> = text.split_whitespace().map(offset).collect();
        offsets.map(Offsets).ok_or(OffsetsError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_they_were_written() {
        for offsets in [
            Offsets::default(),
            Offsets::from_iter([("blocked-cards", 17), ("a.b_c", 0)]),
        ] {
            assert_eq!(offsets.to_string().parse(), Ok(offsets));
        }
        for damaged in ["blocked", "blocked@", "blocked@x", "a@1 b"] {
            assert_eq!(damaged.parse::<Offsets>(), Err(OffsetsError), "{damaged}");
        }
    }

    #[test]
    fn offsets_never_go_back() {
        let mut known = Offsets::from_iter([("a", 5), ("b", 7)]);
        let late = Offsets::from_iter([("a", 4), ("b", 6)]);
        assert!(!known.is_behind(&late));
        let news = Offsets::from_iter([("a", 9), ("b", 6), ("c", 0)]);
        assert!(known.is_behind(&news));
        known.advance(&late);
        known.advance(&news);
        assert_eq!(known, Offsets::from_iter([("a", 9), ("b", 7), ("c", 0)]));
        known.retain(|topic| topic != "b");
        assert_eq!(known.get("b"), None);
    }
}

//! Flags: the circumstances under which a decision was made.

/// A set of flags; travels with a row between stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// An event with a later event time came before it: in its source, or, of transactions, to one of its entities. Its
    /// features are exact as of its own time.
    pub const LATE: Flags = Flags(1);
    /// The event is older than some state keeps: it is scored but not inserted, and its features are incomplete. A label has it
    /// for the stage that applied it last.
    pub const TOO_LATE: Flags = Flags(1 << 1);
    /// The transaction id was seen before. The features are those of the first event with the id.
    pub const DUPLICATE: Flags = Flags(1 << 2);
    /// The model that was asked gave no score: its fallback, `without_score` or rules alone decided.
    pub const DEGRADED: Flags = Flags(1 << 3);
    /// A window begins before the first event that the state knows.
    pub const BOOTSTRAPPING: Flags = Flags(1 << 4);
    /// A feature aggregates a number of the event that is NaN, infinite or too large for sums, and therefore left out as a
    /// null is; or one so small that the feature's precision rounds it to 0.
    pub const INEXACT: Flags = Flags(1 << 5);
    /// The record was decided before; the group's position was set back since.
    pub const REPEATED: Flags = Flags(1 << 6);

    /// Every flag and its word.
    pub const NAMES: [(Flags, &'static str); 7] = [
        (Flags::LATE, "late"),
        (Flags::TOO_LATE, "too_late"),
        (Flags::DUPLICATE, "duplicate"),
        (Flags::DEGRADED, "degraded"),
        (Flags::BOOTSTRAPPING, "bootstrapping"),
        (Flags::INEXACT, "inexact"),
        (Flags::REPEATED, "repeated"),
    ];

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags but for `other`.
    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// The words of the flags that are set, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, name)| name)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

//! What a decision says about the circumstances under which it was made.

/// A set of flags; travels with a row between stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// The event came after one with a later event time; its features are exact as of its own time.
    pub const LATE: Flags = Flags(1);
    /// The event is older than what some state keeps: scored, not inserted, features incomplete.
    pub const TOO_LATE: Flags = Flags(1 << 1);
    /// The transaction id was seen before: the decision was not made anew.
    pub const DUPLICATE: Flags = Flags(1 << 2);
    /// Something was not available and a fallback decided.
    pub const DEGRADED: Flags = Flags(1 << 3);
    /// Some window reaches back to before the state began.
    pub const BOOTSTRAPPING: Flags = Flags(1 << 4);

    const NAMES: [(Flags, &'static str); 5] = [
        (Flags::LATE, "late"),
        (Flags::TOO_LATE, "too_late"),
        (Flags::DUPLICATE, "duplicate"),
        (Flags::DEGRADED, "degraded"),
        (Flags::BOOTSTRAPPING, "bootstrapping"),
    ];

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
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

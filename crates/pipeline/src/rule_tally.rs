//! Counts of each rule's hits, for the metrics.

use riskstream_policy::RuleMode;
use riskstream_scoring::Decision;
use std::collections::BTreeMap;

/// How often a rule or threshold fired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleHits {
    /// Decisions on which it fired or, being a shadow, would have.
    pub all: u64,
    /// Those on which no other rule or threshold fired that decides.
    pub unique: u64,
}

/// Hits by the names of rules and thresholds. Roll-outs bring other rules, so an index would not say which is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTally {
    deciding: BTreeMap<String, RuleHits>,
    shadows: BTreeMap<String, RuleHits>,
}

impl RuleTally {
    /// Counts what fired on one transaction. `name` gives the name for an index in the decision.
    pub fn count<'p>(&mut self, decision: &Decision, name: impl Fn(usize) -> Option<&'p str>) {
        let result = &decision.policy;
        for name in result.fired.iter().filter_map(|rule| name(*rule)) {
            add(&mut self.deciding, name, result.fired.len() == 1);
        }
        for name in result.shadows.iter().filter_map(|rule| name(*rule)) {
            add(&mut self.shadows, name, result.fired.is_empty());
        }
    }

    /// The rules and thresholds that fired: names, the words of their modes, and hits.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str, RuleHits)> {
        let deciding = self.deciding.iter().map(|rule| (RuleMode::Active, rule));
        let all = deciding.chain(self.shadows.iter().map(|rule| (RuleMode::Shadow, rule)));
        all.map(|(mode, (name, hits))| (name.as_str(), mode.as_str(), *hits))
    }
}

fn add(rules: &mut BTreeMap<String, RuleHits>, name: &str, is_unique: bool) {
    // A name is copied once in a batch.
    let hits = match rules.get_mut(name) {
        Some(hits) => hits,
        None => rules.entry(name.to_owned()).or_default(),
    };
    hits.all += 1;
    hits.unique += u64::from(is_unique);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules `a` and `c` decide, the rule `b` is a shadow.
    #[test]
    fn hits_that_no_other_rule_shares_are_unique() {
        let mut tally = RuleTally::default();
        for (fired, shadows) in [
            (&[][..], &[][..]),
            (&[0], &[]),
            (&[0, 2], &[1]),
            (&[], &[1]),
            (&[2], &[1]),
            (&[0], &[]),
        ] {
            let mut decision = Decision::default();
            decision.policy.fired = fired.to_vec();
            decision.policy.shadows = shadows.to_vec();
            tally.count(&decision, |rule| ["a", "b", "c"].get(rule).copied());
        }
        let hits: Vec<_> = tally
            .iter()
            .map(|(name, mode, hits)| (name, mode, hits.all, hits.unique))
            .collect();
        assert_eq!(
            hits,
            [("a", "active", 3, 2), ("c", "active", 2, 1), ("b", "shadow", 3, 1)]
        );
    }
}

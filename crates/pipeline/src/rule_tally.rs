//! Counts of each rule's hits, for the metrics.

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

/// Hits by the index of the rule or threshold in the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTally(BTreeMap<usize, RuleHits>);

impl RuleTally {
    /// Counts what fired on one transaction.
    pub fn count(&mut self, decision: &Decision) {
        let result = &decision.policy;
        for rule in &result.fired {
            self.add(*rule, result.fired.len() == 1);
        }
        for rule in &result.shadows {
            self.add(*rule, result.fired.is_empty());
        }
    }

    fn add(&mut self, rule: usize, is_unique: bool) {
        let hits = self.0.entry(rule).or_default();
        hits.all += 1;
        hits.unique += u64::from(is_unique);
    }

    /// The rules that fired, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, RuleHits)> {
        self.0.iter().map(|(rule, hits)| (*rule, *hits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules 0 and 2 decide, rule 1 is a shadow.
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
            tally.count(&decision);
        }
        let hits: Vec<(usize, u64, u64)> = tally.iter().map(|(rule, hits)| (rule, hits.all, hits.unique)).collect();
        assert_eq!(hits, [(0, 3, 2), (1, 3, 1), (2, 2, 1)]);
    }
}

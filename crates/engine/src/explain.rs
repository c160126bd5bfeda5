//! Which decisions are explained.

use riskstream_events::{DecisionId, Outcome};

/// When a decision is explained: if its outcome is listed, or its score is high enough, or it is in the sample.
#[derive(Clone, Debug)]
pub struct ExplainPlan {
    /// Decisions of these outcomes are explained.
    pub outcomes: Vec<Outcome>,
    /// Decisions with at least this score are explained.
    pub score: Option<f64>,
    /// This share of all decisions is explained, from 0 to 1: those with the smallest decision ids.
    pub sample: f64,
    /// How many inputs an explanation names at most.
    pub top: usize,
}

impl ExplainPlan {
    /// Whether the decision of `pipeline` on the event `event_id` is explained.
    pub fn calls_for(&self, outcome: Outcome, score: f64, pipeline: &str, event_id: &str) -> bool {
        self.outcomes.contains(&outcome)
            || self.score.is_some_and(|least| score >= least)
            || (self.sample > 0.0 && is_sampled(&DecisionId::new(pipeline, event_id), self.sample))
    }
}

/// Whether the id's first eight digits, read as a number, lie in the lowest `share` of such numbers.
fn is_sampled(id: &DecisionId, share: f64) -> bool {
    let first = u32::from_str_radix(&id.as_str()[..8], 16).expect("an id is hexadecimal digits");
    f64::from(first) < share * 2f64.powi(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_hold_their_share_and_grow_with_it() {
        let sampled = |share: f64| -> Vec<usize> {
            let is_sampled = |event: &usize| is_sampled(&DecisionId::new("shop", &event.to_string()), share);
            (0..10_000).filter(is_sampled).collect()
        };
        let (tenth, fifth) = (sampled(0.1), sampled(0.2));
        assert!((900..1100).contains(&tenth.len()), "{}", tenth.len());
        assert!(tenth.iter().all(|event| fifth.contains(event)));
        assert_eq!((sampled(0.0).len(), sampled(1.0).len()), (0, 10_000));
    }

    #[test]
    fn outcome_score_and_sample_each_suffice() {
        let plan = |outcomes: &[Outcome], score, sample| ExplainPlan {
            outcomes: outcomes.to_vec(),
            score,
            sample,
            top: 3,
        };
        let calls_for = |plan: ExplainPlan| plan.calls_for(Outcome::REVIEW, 0.5, "shop", "t1");
        assert!(!calls_for(plan(&[], None, 0.0)));
        assert!(!calls_for(plan(&[Outcome::APPROVE, Outcome::DECLINE], Some(0.51), 0.0)));
        assert!(calls_for(plan(&[Outcome::REVIEW], None, 0.0)));
        assert!(calls_for(plan(&[], Some(0.5), 0.0)));
        assert!(calls_for(plan(&[], None, 1.0)));
    }
}

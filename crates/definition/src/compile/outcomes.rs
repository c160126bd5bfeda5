//! Phase `outcomes`: the outcomes of the pipeline, by which rules, thresholds, explanations and examples name them.

use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::read::{List, Spanned};
use crate::syntax::{OutcomeWord, PipelineFile, Thresholds};
use riskstream_events::{Outcome, Outcomes, OutcomesError};

/// The pipeline's outcomes.
#[derive(Clone, Debug)]
pub struct DeclaredOutcomes {
    /// The default ones if the declaration is broken.
    pub outcomes: Outcomes,
    is_broken: bool,
}

/// The outcomes that the file lists, or else the default ones.
pub fn compile(file: &PipelineFile, diagnostics: &mut Diagnostics) -> DeclaredOutcomes {
    let outcomes = match &file.outcomes {
        Some(listed) => declared(listed, file.is_flawed, diagnostics),
        None => Some(Outcomes::default()),
    };
    DeclaredOutcomes {
        is_broken: outcomes.is_none(),
        outcomes: outcomes.unwrap_or_default(),
    }
}

impl DeclaredOutcomes {
    /// The outcome with this word. The mildest, with a diagnostic, if there is none.
    pub fn find(&self, word: &Spanned<OutcomeWord>, diagnostics: &mut Diagnostics) -> Outcome {
        let found = self.outcomes.find(&word.value.0);
        if found.is_none() && !self.is_broken {
            diagnostics.add(
                Diagnostic::new(format!("`{}` is not an outcome", word.value.0), word.span.clone())
                    .nearest(&word.value.0, self.outcomes.words())
                    .help(format!("write one of {}", enumerate(self.outcomes.words()))),
            );
        }
        found.unwrap_or(Outcome::MILDEST)
    }

    /// The outcomes that can have a threshold, with their words: all but the mildest. `None` if they are not known.
    pub fn severe(&self) -> Option<impl DoubleEndedIterator<Item = (Outcome, &str)>> {
        (!self.is_broken).then(|| self.outcomes.iter().filter(|(outcome, _)| *outcome != Outcome::MILDEST))
    }
}

/// `is_flawed`: whether words may be missing because they could not be read, which was reported.
fn declared(listed: &Spanned<List<String>>, is_flawed: bool, diagnostics: &mut Diagnostics) -> Option<Outcomes> {
    let words = &listed.value.0;
    let before = diagnostics.count();
    for word in words.iter().filter(|word| Thresholds::reserves(&word.value)) {
        diagnostics.add(
            Diagnostic::new(
                format!("an outcome cannot be called `{}`", word.value),
                word.span.clone(),
            )
            .help("outcomes are keys of `decision:`, where `without_score` and names that end in `_reason` mean something else"),
        );
    }
    match Outcomes::new(words.iter().map(|word| word.value.clone()).collect()) {
        Ok(outcomes) => (diagnostics.count() == before).then_some(outcomes),
        Err(errors) => {
            let follows = |error: &OutcomesError| is_flawed && matches!(error, OutcomesError::Count(_));
            let found = errors.into_iter().filter(|error| !follows(error));
            let found = found.map(|error| diagnostic(listed, error));
            found.for_each(|diagnostic| diagnostics.add(diagnostic));
            None
        }
    }
}

fn diagnostic(listed: &Spanned<List<String>>, error: OutcomesError) -> Diagnostic {
    let words = &listed.value.0;
    match error {
        OutcomesError::Count(_) => Diagnostic::new(error.to_string(), listed.span.clone())
            .help("the first is the mildest and the last the most severe: `outcomes: [approve, review, decline]`"),
        OutcomesError::Name(index) => Diagnostic::new(
            format!("`{}` is not a valid name of an outcome", words[index].value),
            words[index].span.clone(),
        )
        .help("a name has letters, digits and `_`, and does not begin with a digit: it is a symbol of an Avro enum"),
        OutcomesError::Repeated { first, second } => Diagnostic::new(
            format!("the outcome `{}` is listed twice", words[second].value),
            words[second].span.clone(),
        )
        .label("the second time")
        .also(words[first].span.clone(), "the first time")
        .help("remove one of them: the order of the list is the order of severity"),
    }
}

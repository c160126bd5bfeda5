//! The section `reasons:` of a card: for each input a reason code, and words with places for values.

use super::CardError;
use riskstream_policy::is_reason_code;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// What is told where an input raised the score.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonSection {
    /// The reason code.
    pub code: Spanned<String>,
    /// What an analyst reads: words, and in braces the names of values.
    pub text: Option<Spanned<String>>,
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// As it stands.
    Words(&'t str),
    /// `{value}`: the input's own value.
    Value,
    /// `{usual}`: the middle one of the background rows' values of the input.
    Usual,
    /// `{name}`: a feature or field of the pipeline.
    Name(&'t str),
}

impl ReasonSection {
    /// The parts of its text; none without one.
    ///
    /// # Errors
    /// What is wrong with the braces.
    pub fn parts(&self) -> Result<Vec<Part<'_>>, &'static str> {
        self.text.as_ref().map_or(Ok(Vec::new()), |text| parts(&text.value))
    }

    /// The line of the card in which its text stands.
    pub fn text_line(&self) -> u64 {
        self.text.as_ref().map_or(0, |text| text.referenced.line())
    }

    /// Refuses what is wrong whatever the pipeline.
    pub(super) fn check(&self, input: &str, inputs: &[String]) -> Result<(), CardError> {
        let reason = |line, problem: String| CardError::Reason {
            line,
            input: input.to_owned(),
            problem,
        };
        let line = self.code.referenced.line();
        if !inputs.iter().any(|name| name == input) {
            return Err(reason(line, "the model has no such input".to_owned()));
        }
        if !is_reason_code(&self.code.value) {
            let problem = format!(
                "a code is made of letters, digits, _, - and . (at most 64): {:?}",
                self.code.value
            );
            return Err(reason(line, problem));
        }
        match self.parts() {
            Ok(_) => Ok(()),
            Err(problem) => Err(reason(self.text_line(), problem.to_owned())),
        }
    }
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, &'static str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        if brace > 0 {
            parts.push(Part::Words(&rest[..brace]));
        }
        let inner = rest[brace..].strip_prefix('{').ok_or("a `}` has no `{` before it")?;
        let end = inner.find(['{', '}']).ok_or("a `{` has no `}` after it")?;
        if inner[end..].starts_with('{') {
            return Err("a `{` has no `}` after it");
        }
        parts.push(match inner[..end].trim() {
            "" => return Err("`{}` names no value: write `{value}`, `{usual}` or the name of a feature or field"),
            "value" => Part::Value,
            "usual" => Part::Usual,
            name => Part::Name(name),
        });
        rest = &inner[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Words(rest));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_hold_names() {
        let found = parts("{value} payments; usual: { usual }, {customer.count}.").unwrap();
        let expected = [
            Part::Value,
            Part::Words(" payments; usual: "),
            Part::Usual,
            Part::Words(", "),
            Part::Name("customer.count"),
            Part::Words("."),
        ];
        assert_eq!(found, expected);
        assert_eq!(parts(""), Ok(Vec::new()));
        for text in ["{value", "value}", "{a{b}}", "{}", "{ }", "a {"] {
            assert!(parts(text).is_err(), "{text}");
        }
    }
}

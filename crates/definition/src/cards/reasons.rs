//! The section `reasons:` of a card: for each input a reason code, and a text with placeholders for values.

use super::error::CardError;
use riskstream_policy::is_reason_code;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// The reason code and text of a decision if an input raised the score.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonSection {
    /// The reason code.
    pub code: Spanned<String>,
    /// The text for an analyst; placeholders are in braces.
    pub text: Option<Spanned<String>>,
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// Literal text.
    Words(&'t str),
    /// `{value}`: the input's own value.
    Value,
    /// `{usual}`: the median of the input's values in the background rows.
    Usual,
    /// `{name}`: a feature or field of the pipeline.
    Name(&'t str),
}

impl ReasonSection {
    /// The parts of the text; none without a text.
    ///
    /// # Errors
    /// Braces do not match, or are empty.
    pub fn parts(&self) -> Result<Vec<Part<'_>>, &'static str> {
        self.text.as_ref().map_or(Ok(Vec::new()), |text| parts(&text.value))
    }

    /// The line of the card that the text is on.
    pub fn text_line(&self) -> u64 {
        self.text.as_ref().map_or(0, |text| text.referenced.line())
    }

    /// Checks what does not depend on a pipeline: the input's name, the code and the braces.
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

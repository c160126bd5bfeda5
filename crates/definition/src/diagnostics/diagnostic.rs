//! Diagnostics as they are found.

use super::words::nearest;
use std::ops::Range;

/// A place in the file, in bytes.
pub type Span = Range<usize>;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub(super) message: String,
    /// Where.
    pub(super) span: Span,
    /// The text under the caret; may be empty.
    pub(super) label: String,
    /// Other places that the message is about, each with its label.
    pub(super) others: Vec<(Span, String)>,
    /// What to write instead.
    pub(super) help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic at a place in the file.
    pub fn new(message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic {
            message: message.into(),
            span,
            label: String::new(),
            others: Vec::new(),
            help: None,
        }
    }

    /// Sets the text under the caret.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// Adds another place that the message is about.
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Diagnostic {
        self.others.push((span, label.into()));
        self
    }

    /// Sets what to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Suggests the closest of `names` in the label, if one is close enough.
    pub fn nearest<'n>(self, typed: &str, names: impl IntoIterator<Item = &'n str>) -> Diagnostic {
        match nearest(typed, names) {
            Some(name) => self.label(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// All diagnostics that were found so far.
#[derive(Debug, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds a diagnostic. An equal one is kept once.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// Adds what is valid, but probably not meant.
    pub fn warn(&mut self, warning: Diagnostic) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Takes out the warnings.
    pub fn take_warnings(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether there are none, apart from warnings.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are, apart from warnings.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// The diagnostics in the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found
            .sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        self.found
    }
}

//! What is wrong with a pipeline file: every diagnostic with its place and what to write instead.

use super::node::Span;
use miette::{LabeledSpan, NamedSource, SourceCode};
use std::fmt;
use std::sync::Arc;

/// One diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    span: Span,
    label: String,
    others: Vec<(Span, String)>,
    help: Option<String>,
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

    /// What stands under the caret.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// Another place that has to do with it.
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Diagnostic {
        self.others.push((span, label.into()));
        self
    }

    /// What to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds the name that was probably meant to what the label says, if one of `names` is near enough.
    pub fn nearest<'n>(self, typed: &str, names: impl IntoIterator<Item = &'n str>) -> Diagnostic {
        match nearest(typed, names) {
            Some(name) => self.label(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// The name of `names` that `typed` was probably meant to be.
pub fn nearest<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = typed.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + typed.len().max(name.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `a, b and c` in backquotes; `nothing` if there are none.
pub fn enumerate<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Diagnostics as they are found.
#[derive(Debug, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Notes a diagnostic; the same one twice is one.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// All of them in the order of the file, to be shown with the source that they point into.
    pub fn into_report(self, name: &str, source: &str) -> Report {
        self.into_report_of(["diagnostic", "diagnostics"], name, source)
    }

    /// As [`Diagnostics::into_report`], with another word for them: one, and several.
    pub fn into_report_of(mut self, words: [&'static str; 2], name: &str, source: &str) -> Report {
        self.found
            .sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        let source = Arc::new(NamedSource::new(name, source.to_owned()).with_language("yaml"));
        let found = self
            .found
            .into_iter()
            .map(|diagnostic| Placed {
                diagnostic,
                source: source.clone(),
            })
            .collect();
        Report {
            name: name.to_owned(),
            found,
            words,
        }
    }
}

/// All diagnostics of a pipeline file, or that it cannot be read. [`fmt::Display`] shows each with its place; so does
/// miette, in colours.
pub struct Report {
    name: String,
    found: Vec<Placed>,
    words: [&'static str; 2],
}

impl Report {
    /// A file that cannot be opened: there is no place to point at.
    pub fn unreadable(name: &str, why: &dyn fmt::Display) -> Report {
        let mut diagnostics = Diagnostics::default();
        diagnostics.add(Diagnostic::new(format!("cannot read {name}: {why}"), 0..0));
        diagnostics.into_report(name, "")
    }

    /// How many diagnostics there are.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// The diagnostics as text for a terminal of this width.
    pub fn render(&self, style: Style, width: usize) -> String {
        let theme = match style {
            Style::Plain => miette::GraphicalTheme::unicode_nocolor(),
            Style::Coloured => miette::GraphicalTheme::unicode(),
        };
        let handler = miette::GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_context_lines(1)
            .with_links(false);
        let mut text = String::new();
        for diagnostic in &self.found {
            handler
                .render_report(&mut text, diagnostic)
                .expect("writing to a string cannot fail");
            text.push('\n');
        }
        text.push_str(&self.to_summary());
        text.push('\n');
        text
    }

    fn to_summary(&self) -> String {
        match self.found.len() {
            1 => format!("{}: 1 {}", self.name, self.words[0]),
            many => format!("{}: {many} {}", self.name, self.words[1]),
        }
    }
}

/// How a [`Report`] is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without colours.
    Plain,
    /// With colours.
    Coloured,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain, 120))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Report {}

/// A diagnostic together with the source that it points into.
struct Placed {
    diagnostic: Diagnostic,
    source: Arc<NamedSource<String>>,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.diagnostic, f)
    }
}

impl std::error::Error for Placed {}

impl miette::Diagnostic for Placed {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.diagnostic
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        if self.source.inner().is_empty() {
            return None;
        }
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = (!self.diagnostic.label.is_empty()).then(|| self.diagnostic.label.clone());
        let first = LabeledSpan::new_primary_with_span(label, self.diagnostic.span.clone());
        let others = self
            .diagnostic
            .others
            .iter()
            .map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), span.clone()));
        Some(Box::new(std::iter::once(first).chain(others)))
    }
}

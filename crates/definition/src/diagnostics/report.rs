//! Renders diagnostics with miette.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::excerpt::Excerpt;
use super::secrets::masked;
use miette::{LabeledSpan, Severity, SourceCode};
use std::fmt;

/// What the diagnostics of a report are, for its last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Findings {
    /// Errors in a file.
    Errors,
    /// Differences between what examples expect and what was decided.
    Differences,
    /// Differences between what the pipeline file's examples expect and what a roll-out would decide.
    DifferencesByRollout,
    /// What is valid, but probably not meant.
    Warnings,
}

/// All diagnostics of a file, or that the file cannot be read. [`fmt::Display`] renders them without colours.
pub struct Report {
    name: String,
    findings: Findings,
    found: Vec<Diagnostic>,
    /// The text of the file without its secrets.
    source: String,
}

impl Report {
    /// The diagnostics of the file `name`, whose text is `source`.
    pub fn new(findings: Findings, diagnostics: Diagnostics, name: &str, source: &str) -> Report {
        Report {
            name: name.to_owned(),
            findings,
            found: diagnostics.into_sorted(),
            source: masked(source),
        }
    }

    /// A file that cannot be opened: the diagnostic has no place.
    pub fn unreadable(name: &str, why: &dyn fmt::Display) -> Report {
        let mut diagnostics = Diagnostics::default();
        diagnostics.add(Diagnostic::new(format!("cannot read {name}: {why}"), 0..0));
        Report::new(Findings::Errors, diagnostics, name, "")
    }

    /// How many diagnostics there are.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// The diagnostics as text for a terminal that is `width` columns wide.
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
            let (source, diagnostic) = Excerpt::new(&self.name, &self.source, diagnostic);
            handler
                .render_report(&mut text, &self.placed(diagnostic, source))
                .expect("writing to a string cannot fail");
            text.push('\n');
        }
        text.push_str(&self.to_summary());
        text.push('\n');
        text
    }

    /// Each diagnostic in one line, with its place and what to write instead: for logs.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.found.iter().map(|diagnostic| {
            let before = &self.source[..diagnostic.span.start.min(self.source.len())];
            let line = before.matches('\n').count() + 1;
            let help = diagnostic
                .help
                .as_deref()
                .map(|help| format!("; {help}"))
                .unwrap_or_default();
            format!("{}:{line}: {}{help}", self.name, diagnostic.message)
        })
    }

    /// Each diagnostic with its place, for programs.
    pub fn findings(&self) -> impl Iterator<Item = Finding<'_>> {
        self.found.iter().map(|diagnostic| {
            let before = self.source.get(..diagnostic.span.start).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            Finding {
                file: &self.name,
                message: &diagnostic.message,
                place: (!self.source.is_empty()).then(|| {
                    let line = before.matches('\n').count() + 1;
                    (line, before[line_start..].chars().count() + 1)
                }),
                label: (!diagnostic.label.is_empty()).then_some(&*diagnostic.label),
                help: diagnostic.help.as_deref(),
            }
        })
    }

    fn placed(&self, diagnostic: Diagnostic, source: Excerpt) -> LocatedDiagnostic {
        let severity = match self.findings {
            Findings::Warnings => Severity::Warning,
            Findings::Errors | Findings::Differences | Findings::DifferencesByRollout => Severity::Error,
        };
        LocatedDiagnostic {
            diagnostic,
            source,
            severity,
        }
    }

    /// The last line: how many there are.
    fn to_summary(&self) -> String {
        let count = self.found.len();
        let noun = match (self.findings, count) {
            (Findings::Errors, 1) => "error",
            (Findings::Errors, _) => "errors",
            (Findings::Differences | Findings::DifferencesByRollout, 1) => "difference",
            (Findings::Differences | Findings::DifferencesByRollout, _) => "differences",
            (Findings::Warnings, 1) => "warning",
            (Findings::Warnings, _) => "warnings",
        };
        let more = match self.findings {
            Findings::DifferencesByRollout => ": if they are meant, give the roll-out `examples:` of its own",
            _ => "",
        };
        format!("{count} {noun} in {}{more}", self.name)
    }
}

/// One diagnostic of a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding<'r> {
    /// The file.
    pub file: &'r str,
    /// What is wrong.
    pub message: &'r str,
    /// The line and the column, in characters, both from 1; none if the file could not be read.
    pub place: Option<(usize, usize)>,
    /// What is said at the place.
    pub label: Option<&'r str>,
    /// What to write instead.
    pub help: Option<&'r str>,
}

/// How a [`Report`] is rendered.
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

/// A diagnostic together with the text that it points into.
struct LocatedDiagnostic {
    diagnostic: Diagnostic,
    source: Excerpt,
    severity: Severity,
}

impl fmt::Display for LocatedDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl fmt::Debug for LocatedDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.diagnostic, f)
    }
}

impl std::error::Error for LocatedDiagnostic {}

impl miette::Diagnostic for LocatedDiagnostic {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let help = self.diagnostic.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.source.is_empty()).then_some(&self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Diagnostic {
            label, span, others, ..
        } = &self.diagnostic;
        let label = (!label.is_empty()).then(|| label.clone());
        let first = LabeledSpan::new_primary_with_span(label, span.clone());
        let others = others
            .iter()
            .map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), span.clone()));
        Some(Box::new(std::iter::once(first).chain(others)))
    }
}

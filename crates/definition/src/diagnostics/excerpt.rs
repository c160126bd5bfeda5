//! The text around a diagnostic: long lines are cut, so that a place far to the right can be shown.

use super::diagnostic::{Diagnostic, Span};
use miette::{MietteError, MietteSpanContents, NamedSource, SourceCode, SourceSpan, SpanContents};

/// The longest line that is shown as it is, in bytes.
const LONGEST: usize = 160;
/// How much of a longer line is shown before its place.
const BEFORE: usize = 60;
const CUT: &str = "…";

/// The text of a file as one diagnostic shows it.
pub struct Excerpt {
    source: NamedSource<String>,
    /// How many bytes are cut off before the diagnostic's place in its line.
    cut_before: usize,
}

/// A line of which only a part is shown. Places are in bytes of the file.
struct CutLine {
    line: Span,
    shown: Span,
}

impl Excerpt {
    /// The text of `name` with long lines cut, and the diagnostic with its places in that text.
    pub fn new(name: &str, text: &str, diagnostic: &Diagnostic) -> (Excerpt, Diagnostic) {
        let lines = cut_lines(text, diagnostic);
        let moved = |span: &Span| moved(&lines, span.start)..moved(&lines, span.end);
        let at = diagnostic.span.start;
        let line = lines.iter().find(|cut| cut.line.start <= at && at <= cut.line.end);
        let cut_before = line.map_or(0, |cut| {
            at - cut.line.start - (self::moved(&lines, at) - self::moved(&lines, cut.line.start))
        });
        let placed = Diagnostic {
            span: moved(&diagnostic.span),
            others: diagnostic
                .others
                .iter()
                .map(|(span, label)| (moved(span), label.clone()))
                .collect(),
            ..diagnostic.clone()
        };
        let source = NamedSource::new(name, shown(text, &lines)).with_language("yaml");
        (Excerpt { source, cut_before }, placed)
    }

    /// Whether there is a text.
    pub fn is_empty(&self) -> bool {
        self.source.inner().is_empty()
    }
}

/// The lines of the text that are too long. What is shown of one is around the first place in it.
fn cut_lines(text: &str, diagnostic: &Diagnostic) -> Vec<CutLine> {
    let places = || std::iter::once(&diagnostic.span).chain(diagnostic.others.iter().map(|(span, _)| span));
    let mut start = 0;
    let mut cut = Vec::new();
    for line in text.split_inclusive('\n') {
        let line = start..start + line.trim_end_matches(['\n', '\r']).len();
        start += text[start..].find('\n').map_or(text.len() - start, |end| end + 1);
        if line.len() <= LONGEST {
            continue;
        }
        let place = places().find(|span| line.contains(&span.start) || line.end == span.start);
        let wanted = place.map_or(line.start, |span| span.start.saturating_sub(BEFORE).max(line.start));
        let from = text.floor_char_boundary(wanted);
        let shown = from..text.floor_char_boundary((from + LONGEST).min(line.end));
        cut.push(CutLine { line, shown });
    }
    cut
}

/// The text without what is cut off.
fn shown(text: &str, lines: &[CutLine]) -> String {
    let mut result = String::new();
    let mut from = 0;
    for CutLine { line, shown } in lines {
        result.push_str(&text[from..line.start]);
        result.push_str(if shown.start > line.start { CUT } else { "" });
        result.push_str(&text[shown.clone()]);
        result.push_str(if shown.end < line.end { CUT } else { "" });
        from = line.end;
    }
    result.push_str(&text[from..]);
    result
}

/// The place in the shown text of a place in the file. What is cut off is at the end that it was cut off from.
fn moved(lines: &[CutLine], at: usize) -> usize {
    let mut moved = at;
    for CutLine { line, shown } in lines.iter().take_while(|cut| cut.line.start < at) {
        let mark_before = if shown.start > line.start { CUT.len() } else { 0 };
        let mark_after = if shown.end < line.end { CUT.len() } else { 0 };
        if at <= line.end {
            let within = at.clamp(shown.start, shown.end) - shown.start;
            return moved - (at - line.start) + mark_before + within;
        }
        moved = moved + mark_before + shown.len() + mark_after - line.len();
    }
    moved
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.source.read_span(span, context_lines_before, context_lines_after)?;
        // The headline of a diagnostic reads its place without the lines around it.
        let is_headline = context_lines_before == 0 && context_lines_after == 0;
        let column = contents.column() + if is_headline { self.cut_before } else { 0 };
        let (line, count) = (contents.line(), contents.line_count());
        let named = MietteSpanContents::new_named(
            self.source.name().to_owned(),
            contents.data(),
            *contents.span(),
            line,
            column,
            count,
        );
        Ok(Box::new(named.with_language("yaml")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_where_they_were_within_what_is_shown() {
        let long = format!("first\n{}wrong{}\nlast wrong\n", "ä".repeat(50_000), "b".repeat(50_000));
        let places: Vec<Span> = long
            .match_indices("wrong")
            .map(|(at, word)| at..at + word.len())
            .collect();
        let diagnostic = Diagnostic::new("wrong", places[0].clone()).also(places[1].clone(), "too");
        let (excerpt, placed) = Excerpt::new("file", &long, &diagnostic);
        let text = excerpt.source.inner();
        assert!(text.len() < 1_000);
        assert_eq!(&text[placed.span.clone()], "wrong");
        assert_eq!(&text[placed.others[0].0.clone()], "wrong");
        let headline = excerpt.read_span(&placed.span.into(), 0, 0).unwrap();
        assert_eq!((headline.line(), headline.column()), (1, 100_000));
    }

    #[test]
    fn short_lines_stay() {
        let (excerpt, placed) = Excerpt::new("file", "a: b\nc", &Diagnostic::new("wrong", 3..4));
        assert_eq!(
            (excerpt.source.inner().as_str(), placed.span, excerpt.cut_before),
            ("a: b\nc", 3..4, 0)
        );
    }
}

//! Scans the source before the parser does: refuses sources that are so long or nested so deeply that parsing, checking or
//! evaluating them could exhaust the stack, and finds matching brackets.

use crate::error::ExpressionError;
use std::ops::Range;

/// Sources longer than this many bytes are refused.
pub const MAX_LENGTH: usize = 65_536;

/// Expressions nested deeper than this are refused. Brackets, the operators of a chain such as
/// `a + b + c` and the `:` of chained conditions count; terms joined by `&&`, `||` or `,` do not.
pub const MAX_DEPTH: usize = 128;

/// The places of matching brackets, in the order of the opening ones.
#[derive(Debug, Default)]
pub(crate) struct Brackets(Vec<(usize, usize)>);

impl Brackets {
    /// Where the bracket that opens at `open` closes.
    pub(crate) fn close(&self, open: usize) -> Option<usize> {
        let index = self.0.binary_search_by_key(&open, |pair| pair.0).ok()?;
        Some(self.0[index].1)
    }

    /// The span grown until it cuts no pair of brackets in two.
    pub(crate) fn balance(&self, mut span: Range<usize>) -> Range<usize> {
        loop {
            let before = span.clone();
            for &(open, close) in &self.0 {
                let (opens, closes) = (span.contains(&open), span.contains(&close));
                if opens && !closes {
                    span.end = close + 1;
                } else if closes && !opens {
                    span.start = open;
                }
            }
            if span == before {
                return span;
            }
        }
    }
}

/// What decides how deep the syntax tree is at one level of brackets.
#[derive(Default)]
struct Level {
    open: usize,
    opener: u8,
    conditions: usize,
    chain: usize,
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    levels: Vec<Level>,
    pairs: Vec<(usize, usize)>,
}

/// Finds the brackets.
///
/// # Errors
/// The source is too long or nested too deeply, a text is never closed or has an unknown escape, a bracket has no counterpart,
/// or a character cannot occur in an expression.
pub(crate) fn scan(source: &str) -> Result<Brackets, ExpressionError> {
    if source.len() > MAX_LENGTH {
        return Err(ExpressionError::new(
            format!("the expression has {} bytes, {MAX_LENGTH} are allowed", source.len()),
            0..source.len(),
        ));
    }
    let mut scanner = Scanner {
        source,
        at: 0,
        levels: vec![Level::default()],
        pairs: Vec::new(),
    };
    while scanner.at < source.len() {
        scanner.token()?;
    }
    if let Some(level) = scanner.levels.get(1..).and_then(<[Level]>::last) {
        let message = format!("this {} is never closed", char::from(level.opener));
        return Err(ExpressionError::new(message, level.open..level.open + 1));
    }
    scanner.pairs.sort_unstable();
    Ok(Brackets(scanner.pairs))
}

impl Scanner<'_> {
    fn token(&mut self) -> Result<(), ExpressionError> {
        let rest = &self.source.as_bytes()[self.at..];
        match (rest[0], rest.get(1).copied()) {
            (b' ' | b'\t' | b'\r' | b'\n' | 0x0c, _) => self.at += 1,
            (b'/', Some(b'/')) => self.comment(),
            (b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => return self.word(),
            (b'0'..=b'9', _) => self.number(),
            (b'"' | b'\'', _) => return self.text(self.at, false),
            (open @ (b'(' | b'[' | b'{'), _) => {
                self.link();
                self.levels.push(Level {
                    open: self.at,
                    opener: open,
                    ..Level::default()
                });
                self.at += 1;
            }
            (close @ (b')' | b']' | b'}'), _) => return self.close(close),
            (b',', _) => {
                let level = self.level();
                (level.conditions, level.chain) = (0, 0);
                self.at += 1;
            }
            (b'&', Some(b'&')) | (b'|', Some(b'|')) => {
                self.level().chain = 0;
                self.at += 2;
            }
            (b'?', _) => {
                let level = self.level();
                (level.conditions, level.chain) = (level.conditions + 1, 0);
                self.at += 1;
            }
            (b':', _) => {
                self.level().chain = 0;
                self.at += 1;
            }
            (b'=' | b'!' | b'<' | b'>', Some(b'=')) => {
                self.link();
                self.at += 2;
            }
            (b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'.' | b'!', _) => {
                self.link();
                self.at += 1;
            }
            _ => return Err(self.stray()),
        }
        self.depth_allowed()
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the outermost level is never popped")
    }

    fn link(&mut self) {
        self.level().chain += 1;
    }

    fn depth_allowed(&self) -> Result<(), ExpressionError> {
        let depth: usize = self.levels.iter().map(|level| 1 + level.conditions + level.chain).sum();
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        Err(ExpressionError::new(
            format!("the expression is nested too deeply: {MAX_DEPTH} levels are allowed"),
            self.at.saturating_sub(1)..self.at,
        )
        .with_help("split it into several named expressions"))
    }

    fn close(&mut self, close: u8) -> Result<(), ExpressionError> {
        let opener = match close {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        let level = self.level();
        if level.opener != opener {
            let message = format!("this {} closes nothing", char::from(close));
            return Err(ExpressionError::new(message, self.at..self.at + 1));
        }
        let open = level.open;
        self.levels.pop();
        self.pairs.push((open, self.at));
        self.at += 1;
        Ok(())
    }

    fn comment(&mut self) {
        let rest = &self.source[self.at..];
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    /// A name or keyword, or the prefix of a text such as `r"..."`.
    fn word(&mut self) -> Result<(), ExpressionError> {
        let start = self.at;
        let rest = &self.source[start..];
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        self.at += length;
        let word = &rest[..length];
        let quoted = matches!(rest.as_bytes().get(length), Some(b'"' | b'\''));
        match word.to_ascii_lowercase().as_str() {
            "r" | "br" if quoted => return self.text(start, true),
            "b" if quoted => return self.text(start, false),
            "in" => self.link(),
            _ => {}
        }
        self.depth_allowed()
    }

    /// A number. The sign of an exponent is scanned as an operator and counts as a link of a chain.
    fn number(&mut self) {
        let bytes = self.source.as_bytes();
        let digits = |from: usize| {
            bytes[from..]
                .iter()
                .position(|byte| !byte.is_ascii_alphanumeric())
                .map_or(bytes.len(), |n| from + n)
        };
        self.at = digits(self.at);
        if bytes.get(self.at) == Some(&b'.') && bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            self.at = digits(self.at + 1);
        }
    }

    /// A quoted text that begins at `start` (with its prefix) and whose quote is at `self.at`.
    fn text(&mut self, start: usize, raw: bool) -> Result<(), ExpressionError> {
        let bytes = self.source.as_bytes();
        let quote = bytes[self.at];
        let triple = bytes[self.at..].starts_with(&[quote; 3]);
        let width = if triple { 3 } else { 1 };
        self.at += width;
        loop {
            match bytes.get(self.at) {
                Some(byte) if *byte == quote && (!triple || bytes[self.at..].starts_with(&[quote; 3])) => {
                    self.at += width;
                    return Ok(());
                }
                Some(b'\\') if !raw => self.escape()?,
                None => break,
                Some(b'\n' | b'\r') if !triple => break,
                Some(_) => self.at += 1,
            }
        }
        Err(ExpressionError::new("this text is never closed", start..self.at)
            .with_help(format!("end it with {}", String::from(char::from(quote)).repeat(width))))
    }

    fn escape(&mut self) -> Result<(), ExpressionError> {
        let rest = &self.source.as_bytes()[self.at + 1..];
        let hex = |count: usize| {
            rest.get(1..=count)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                .then_some(1 + count)
        };
        let length = match rest.first() {
            Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`') => Some(1),
            Some(b'x' | b'X') => hex(2),
            Some(b'u') => hex(4),
            Some(b'U') => hex(8),
            Some(b'0'..=b'3') => rest
                .get(1..3)
                .is_some_and(|d| d.iter().all(|d| (b'0'..=b'7').contains(d)))
                .then_some(3),
            _ => None,
        };
        let Some(length) = length else {
            return Err(ExpressionError::new("this escape is unknown", self.at..self.at + 1)
                .with_help(r"write \\ for a backslash"));
        };
        self.at += 1 + length;
        Ok(())
    }

    /// The error for a character that begins no token, with what was probably meant.
    fn stray(&self) -> ExpressionError {
        let found = self.source[self.at..].chars().next().unwrap_or_default();
        let error = ExpressionError::new(format!("unexpected {found:?}"), self.at..self.at + found.len_utf8());
        match found {
            '=' => error.with_help("write == to compare"),
            '&' => error.with_help("write && for and"),
            '|' => error.with_help("write || for or"),
            '“' | '”' | '‘' | '’' | '`' => error.with_help("write texts in straight quotes: \"...\" or '...'"),
            '≤' => error.with_help("write <="),
            '≥' => error.with_help("write >="),
            '≠' => error.with_help("write !="),
            _ => error,
        }
    }
}

//! From source to syntax tree: the `cel` crate's parser, with limits on size and depth and with this crate's messages.

use crate::error::ExpressionError;
use crate::foreign_syntax;
use crate::scan::{Brackets, MAX_DEPTH, scan};
use cel::IdedExpr;
use cel::common::ast::{Expr, SourceInfo};
use cel::parser::{ParseError, Parser};
use std::ops::Range;

/// The places of the parts of a syntax tree in the source.
pub(crate) struct Positions {
    info: SourceInfo,
    brackets: Brackets,
}

/// Parses CEL.
///
/// # Errors
/// All syntax errors, ordered by place.
pub(crate) fn parse(source: &str) -> Result<(IdedExpr, Positions), Vec<ExpressionError>> {
    if source.trim().is_empty() {
        return Err(vec![ExpressionError::new("the expression is empty", 0..source.len())]);
    }
    let brackets = scan(source).map_err(|error| vec![error])?;
    let limit = u16::try_from(MAX_DEPTH).unwrap_or(u16::MAX - 1);
    match Parser::new().max_recursion_depth(limit).parse_with_source_info(source) {
        Ok((tree, info)) => Ok((tree, Positions { info, brackets })),
        Err(errors) => {
            // Once the grammar has failed, errors of the parser's later steps are consequences of it.
            let from_grammar = errors.errors.iter().any(is_from_grammar);
            let errors = errors
                .errors
                .iter()
                .filter(|error| !from_grammar || is_from_grammar(error));
            let mut errors: Vec<_> = errors.map(|error| syntax_error(source, error)).collect();
            errors.dedup_by(|later, earlier| later.span == earlier.span);
            if errors.first().is_some_and(|error| error.help.is_some()) {
                // Once the first is understood, the others are consequences of it.
                errors.truncate(1);
            }
            Err(errors)
        }
    }
}

impl Positions {
    /// The token that a node of the tree is numbered by: a literal, a name, an operator, or the
    /// bracket that opens a list, an index or the arguments of a call.
    pub(crate) fn token(&self, id: u64) -> Range<usize> {
        match self.info.offset_for(id) {
            Some((start, stop)) => start as usize..(stop as usize + 1).min(self.info.source.len()),
            None => 0..self.info.source.len(),
        }
    }

    /// All of an expression.
    pub(crate) fn span(&self, tree: &IdedExpr) -> Range<usize> {
        let token = self.token(tree.id);
        let mut span = token.clone();
        let mut include = |part: Range<usize>| span = span.start.min(part.start)..span.end.max(part.end);
        match &tree.expr {
            Expr::Call(call) => {
                if let Some(close) = self.brackets.close(token.start) {
                    include(token.start..close + 1);
                    include(self.name_before(token.start, &call.func_name));
                }
                call.target
                    .iter()
                    .map(|part| &**part)
                    .chain(&call.args)
                    .for_each(|part| include(self.span(part)));
            }
            Expr::Select(select) => {
                include(self.span(&select.operand));
                include(self.name_after(token.end, &select.field));
            }
            Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => {
                if let Some(close) = self.brackets.close(token.start) {
                    include(token.start..close + 1);
                }
            }
            _ => {}
        }
        self.brackets.balance(span)
    }

    /// The text of an expression.
    pub(crate) fn text(&self, tree: &IdedExpr) -> &str {
        &self.info.source[self.span(tree)]
    }

    /// The name of the function whose arguments open at `open`; an empty range at `open` if the name does not stand there.
    pub(crate) fn name_before(&self, open: usize, name: &str) -> Range<usize> {
        let before = self.info.source[..open].trim_end();
        match before.ends_with(name) {
            true => before.len() - name.len()..before.len(),
            false => open..open,
        }
    }

    fn name_after(&self, dot: usize, name: &str) -> Range<usize> {
        let rest = &self.info.source[dot..];
        let start = dot + rest.len() - rest.trim_start().len();
        match self.info.source[start..].starts_with(name) {
            true => start..start + name.len(),
            false => dot..dot,
        }
    }
}

const GRAMMAR: &str = "Syntax error: ";

fn is_from_grammar(error: &ParseError) -> bool {
    error.msg.starts_with(GRAMMAR)
}

/// The parser's message without its internal vocabulary, at the place it names.
fn syntax_error(source: &str, error: &ParseError) -> ExpressionError {
    let at = offset(source, error.pos);
    let message = error.msg.strip_prefix(GRAMMAR).unwrap_or(&error.msg);
    let rest = &source[at..];
    let word_length = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(rest.len());
    let length = word_length.max(rest.chars().next().map_or(0, char::len_utf8));
    let span = at..at + length;
    let found = &source[span.clone()];
    if message.starts_with("invalid argument to has() macro") {
        return ExpressionError::new("has() takes a dotted name", span).with_help("write name != null");
    }
    if let Some(name) = message.strip_prefix("reserved identifier: ") {
        let error = ExpressionError::new(format!("{name} is a reserved word of CEL"), span);
        return if name == "if" {
            error.with_help("write condition ? a : b")
        } else {
            error
        };
    }
    if message.starts_with("argument must be a simple name") {
        return ExpressionError::new("the variable of a loop must be a simple name", span)
            .with_help("write list.exists(x, x > 1)");
    }
    if message == "invalid int literal" {
        return ExpressionError::new("this int does not fit into 64 bits", span).with_help("write a float, as in 1e20");
    }
    if !is_from_grammar(error) {
        return ExpressionError::new(message, span);
    }
    if found.is_empty() {
        return ExpressionError::new("the expression ends too early", span);
    }
    let help = foreign_syntax::syntax(&source[..at], found, &source[span.end..]);
    let error = ExpressionError::new(format!("unexpected {found}"), span);
    match help {
        Some(help) => error.with_help(help),
        None => error,
    }
}

/// The byte at a line and column, both counted from 1, the column in characters.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let (Ok(line), Ok(column)) = (usize::try_from(line - 1), usize::try_from(column - 1)) else {
        return 0;
    };
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    source[start..]
        .char_indices()
        .nth(column)
        .map_or(source.len(), |(index, _)| start + index)
}

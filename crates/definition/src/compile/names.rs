//! Every name that expressions may use, its slot and its type.

use super::identifiers::identifiers;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::node::Span;
use crate::place::within;
use crate::read::{ExpressionText, Spanned};
use riskstream_engine::plan::{CANONICAL, EVENT_TIME, SlotInfo};
use riskstream_events::{Slot, Value, ValueType};
use riskstream_expressions::{Expression, ExpressionError, Scope, ScopeError};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Words that CEL or the plan keep for themselves.
const RESERVED: [&str; 27] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "event_id",
    "written_at",
    "score",
    "has",
    "expect",
    "event_time",
];

/// What a name stands for.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// Its place in the row.
    pub slot: Slot,
    /// What it holds.
    pub value_type: ValueType,
    /// Set if it is a `last_k` feature.
    pub sequence: Option<Sequence>,
}

/// What a model has to know of a `last_k` feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// How many values it holds at most.
    pub k: usize,
    /// What each of them is.
    pub element: ValueType,
    /// Which events they are of: equal for features over the same events.
    pub events: String,
    /// Whether there may be events without a value, which it leaves out.
    pub has_gaps: bool,
}

/// The names of a pipeline and the slots of its rows.
#[derive(Clone, Debug)]
pub struct Names<'s> {
    source: &'s str,
    scope: Scope,
    symbols: HashMap<String, Symbol>,
    /// Where each name was declared.
    places: HashMap<String, Span>,
    /// Names whose declaration is broken: that was reported, what uses them is not.
    broken: HashSet<String>,
    /// Names whose values do not reach the decision: a roll-out cannot use them.
    absent: HashSet<String>,
    slots: Vec<SlotInfo>,
}

impl<'s> Names<'s> {
    /// The canonical slots, of which expressions may use `event_time`.
    pub fn new(source: &'s str) -> Names<'s> {
        let slots = CANONICAL
            .iter()
            .map(|(_, name, value_type)| SlotInfo {
                name: (*name).to_owned(),
                value_type: *value_type,
                element: *value_type,
            })
            .collect();
        let mut scope = Scope::new();
        scope.add("event_time", EVENT_TIME, ValueType::Timestamp);
        let symbol = Symbol {
            slot: EVENT_TIME,
            value_type: ValueType::Timestamp,
            sequence: None,
        };
        let symbols = HashMap::from([("event_time".to_owned(), symbol)]);
        Names {
            source,
            scope,
            symbols,
            places: HashMap::new(),
            broken: HashSet::new(),
            absent: HashSet::new(),
            slots,
        }
    }

    /// A slot without a name in expressions.
    pub fn slot(&mut self, name: &str, value_type: ValueType) -> Slot {
        self.slots.push(SlotInfo {
            name: name.to_owned(),
            value_type,
            element: value_type,
        });
        self.slots.len() - 1
    }

    /// A slot with a name. The elements of a list are of type `element`.
    pub fn declare(&mut self, name: &str, value_type: ValueType, element: ValueType, span: Span) -> Slot {
        let slot = self.slot(name, value_type);
        self.slots[slot].element = element;
        match value_type {
            ValueType::List => self.scope.add_list(name, slot, element),
            _ => self.scope.add(name, slot, value_type),
        }
        let symbol = Symbol {
            slot,
            value_type,
            sequence: None,
        };
        self.symbols.insert(name.to_owned(), symbol);
        self.places.insert(name.to_owned(), span);
        slot
    }

    /// Notes that a declared name is a `last_k` feature.
    pub fn declare_sequence(&mut self, name: &str, sequence: Sequence) {
        if let Some(symbol) = self.symbols.get_mut(name) {
            symbol.sequence = Some(sequence);
        }
    }

    /// A list of constants.
    pub fn declare_list(&mut self, name: &str, values: &[Value], span: Span) -> Result<(), ScopeError> {
        self.places.insert(name.to_owned(), span);
        self.scope.add_constants(name, values)
    }

    /// Notes that the declaration of a name is broken.
    pub fn declare_broken(&mut self, name: &str) {
        self.broken.insert(name.to_owned());
    }

    /// The names with `score`, for rules and thresholds.
    pub fn scope_with_score(&self, score: Slot) -> Scope {
        let mut scope = self.scope.clone();
        scope.add("score", score, ValueType::Float);
        scope
    }

    /// What a name stands for.
    pub fn get(&self, name: &str) -> Option<&Symbol> {
        self.symbols.get(name)
    }

    /// Whether the declaration of a name was reported as broken.
    pub fn is_broken(&self, name: &str) -> bool {
        self.broken.contains(name)
    }

    /// Whether an expression uses a name whose declaration was reported as broken.
    pub fn uses_broken(&self, source: &str) -> bool {
        identifiers(source).iter().any(|name| self.is_broken(name))
    }

    /// All names in order of their declaration.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.scope.names()
    }

    /// The slots of a row.
    pub fn slots(&self) -> &[SlotInfo] {
        &self.slots
    }

    /// The same names for another text, such as a roll-out, of which only those in `at_hand` have values.
    pub fn of_decision(&self, at_hand: &BTreeSet<Slot>) -> Names<'static> {
        let absent = self
            .symbols
            .iter()
            .filter(|(_, symbol)| !at_hand.contains(&symbol.slot));
        Names {
            source: "",
            scope: self.scope.clone(),
            symbols: self.symbols.clone(),
            places: self.places.clone(),
            broken: HashSet::new(),
            absent: absent.map(|(name, _)| name.clone()).collect(),
            slots: self.slots.clone(),
        }
    }

    /// The same names in expressions that stand in `source`.
    pub fn in_source<'t>(&self, source: &'t str) -> Names<'t> {
        Names { source, ..self.clone() }
    }

    /// Whether a name's value does not reach the decision. Then that is reported.
    pub fn refuse_absent(&self, name: &str, span: &Span, diagnostics: &mut Diagnostics) -> bool {
        let is_absent = self.absent.contains(name);
        if is_absent {
            diagnostics.add(
                Diagnostic::new(format!("`{name}` does not reach the decision"), span.clone())
                    .label("no rule, threshold or model of the pipeline file uses it there")
                    .help(format!(
                        "add a feature to the pipeline file, which every decision carries: `{name}_value: {{expression: {name}}}`"
                    )),
            );
        }
        is_absent
    }

    /// Checks that a name can be used in expressions and is still free.
    pub fn check_free(&self, name: &str, span: &Span, diagnostics: &mut Diagnostics) -> bool {
        if !is_identifier(name) {
            diagnostics.add(
                Diagnostic::new(format!("`{name}` is not a name"), span.clone())
                    .help("names are letters, digits and `_`, and do not begin with a digit"),
            );
            return false;
        }
        if RESERVED.contains(&name) {
            diagnostics.add(
                Diagnostic::new(format!("`{name}` is a reserved name"), span.clone()).help("give it another name"),
            );
            return false;
        }
        if let Some(other) = self.places.get(name) {
            diagnostics.add(
                Diagnostic::new(format!("`{name}` is declared twice"), span.clone())
                    .label("the second time")
                    .also(other.clone(), "the first time")
                    .help("fields, features and lists share one space of names: rename one of them"),
            );
            return false;
        }
        true
    }

    /// Compiles an expression. `None` if it has diagnostics, which are then reported with their places, or if it uses
    /// something broken.
    pub fn compile(&self, source: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) -> Option<Expression> {
        self.compile_with(Expression::compile, source, diagnostics)
    }

    /// Compiles a condition, as [`Names::compile`] does expressions.
    pub fn condition(&self, source: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) -> Option<Expression> {
        self.compile_with(Expression::condition, source, diagnostics)
    }

    fn compile_with(
        &self,
        compile: impl Fn(&str, &Scope) -> Result<Expression, Vec<ExpressionError>>,
        source: &Spanned<ExpressionText>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Expression> {
        if self.uses_broken(&source.value.0) || self.uses_absent(source, diagnostics) {
            return None;
        }
        match compile(&source.value.0, &self.scope) {
            Ok(expression) => Some(expression),
            Err(errors) => {
                errors
                    .into_iter()
                    .for_each(|error| diagnostics.add(self.place(source, error)));
                None
            }
        }
    }

    fn uses_absent(&self, source: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) -> bool {
        let mut uses_absent = false;
        for name in identifiers(&source.value.0) {
            uses_absent |= self.refuse_absent(name, &source.span, diagnostics);
        }
        uses_absent
    }

    /// A diagnostic of an expression at its place in the file.
    pub fn place(&self, source: &Spanned<ExpressionText>, error: ExpressionError) -> Diagnostic {
        let place = within(self.source, &source.span, &source.value.0, &error.span);
        let is_score = error.message == "unknown name score";
        let diagnostic = Diagnostic::new(error.message, place).label("here");
        if is_score {
            return diagnostic
                .help("the score is known to rules and thresholds only: features are what the model sees");
        }
        match error.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// Whether `name` is `a`, `a_1` or, of a field, `a.b`.
pub fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && name.split('.').all(|part| {
            part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
}

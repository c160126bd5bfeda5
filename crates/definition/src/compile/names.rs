//! Every name that expressions may use, its slot and its type.

use super::advice::{about_rows, column_called, known_later, needs_a_restart, rows_of};
use super::identifiers::identifiers;
use super::symbols::DecisionSlots;
use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::syntax::read::{ExpressionText, Spanned};
use crate::text::within;
use riskstream_engine::plan::{CANONICAL, EVENT_TIME, SlotInfo};
use riskstream_events::{PublishedPseudonyms, Slot, Value, ValueType};
use riskstream_expressions::{EntrySlots, Expression, ExpressionError, Scope, ScopeError};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Names that CEL or the plan reserve.
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

/// A declared name.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// Its slot in the row.
    pub slot: Slot,
    /// Its type.
    pub value_type: ValueType,
    /// Its sequence, if it is a `last_k` feature.
    pub sequence: Option<Sequence>,
}

/// The properties of a `last_k` feature that a model needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The most values that it has.
    pub k: usize,
    /// The type of each value.
    pub element: ValueType,
    /// The events that the values are of; equal for features over the same events.
    pub events: String,
    /// Whether events may lack a value. The sequence leaves those out.
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
    /// Names whose declaration is broken. That was reported; their uses are not reported again.
    broken: HashSet<String>,
    /// Names whose values do not reach the decision. A roll-out cannot use them.
    absent: HashSet<String>,
    /// Whether they are those of a roll-out, which cannot have all that the pipeline file can.
    is_rollout: bool,
    /// The lists whose entries change: only decisions look values up in them.
    entry_lists: Vec<(String, Vec<(Slot, EntrySlots)>)>,
    /// The tables of the file. Those whose look-ups are known are in the scope.
    tables: Vec<String>,
    /// The inputs of rows, with the names of their columns in expressions.
    rows: Vec<(String, Vec<String>)>,
    slots: Vec<SlotInfo>,
    publishes_others: bool,
    /// What a name that is unknown may be meant to be.
    suggested: Vec<String>,
}

impl<'s> Names<'s> {
    /// The canonical slots. Expressions may use one of them, `event_time`. `source` is the text that expressions are in.
    pub fn new(source: &'s str) -> Names<'s> {
        let slots = CANONICAL
            .iter()
            .map(|(_, name, value_type)| SlotInfo {
                name: (*name).to_owned(),
                value_type: *value_type,
                element: *value_type,
                holds_pseudonyms: false,
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
            is_rollout: false,
            entry_lists: Vec::new(),
            tables: Vec::new(),
            rows: Vec::new(),
            slots,
            publishes_others: false,
            suggested: Vec::new(),
        }
    }

    /// Adds a slot without a name in expressions.
    pub fn slot(&mut self, name: &str, value_type: ValueType) -> Slot {
        self.slots.push(SlotInfo {
            name: name.to_owned(),
            value_type,
            element: value_type,
            holds_pseudonyms: false,
        });
        self.slots.len() - 1
    }

    /// Adds a slot of a list without a name in expressions.
    pub fn slot_of_list(&mut self, name: &str, element: ValueType) -> Slot {
        let slot = self.slot(name, ValueType::List);
        self.slots[slot].element = element;
        slot
    }

    /// Adds a slot with a name. `element` is the type of a list's elements.
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
        self.absent.remove(name);
        slot
    }

    /// Gives a slot a name in expressions.
    pub fn alias(&mut self, name: &str, slot: Slot, value_type: ValueType) {
        self.scope.add(name, slot, value_type);
    }

    /// Marks a slot whose texts are pseudonyms: of personal fields, or computed from them.
    pub fn mark_pseudonym(&mut self, slot: Slot) {
        self.scope.mark_pseudonym(slot);
        self.slots[slot].holds_pseudonyms = true;
    }

    /// Others see other pseudonyms than rows hold: see [`Scope::write_published`]. Without `published` constants stay as they are.
    pub fn write_published(&mut self, published: Option<&PublishedPseudonyms>) {
        self.publishes_others = true;
        if let Some(published) = published {
            self.scope.write_published(published.clone());
        }
    }

    /// Whether a slot has pseudonyms, and others see other ones.
    pub fn publishes_others(&self, slot: Slot) -> bool {
        self.publishes_others && self.is_pseudonym(slot)
    }

    /// Whether the texts of a slot are pseudonyms.
    pub fn is_pseudonym(&self, slot: Slot) -> bool {
        self.slots[slot].holds_pseudonyms
    }

    /// Marks a declared name as a `last_k` feature.
    pub fn declare_sequence(&mut self, name: &str, sequence: Sequence) {
        if let Some(symbol) = self.symbols.get_mut(name) {
            symbol.sequence = Some(sequence);
        }
    }

    /// Adds a list of constants.
    pub fn declare_list(&mut self, name: &str, values: &[Value], span: Span) -> Result<(), ScopeError> {
        self.places.insert(name.to_owned(), span);
        self.scope.add_constants(name, values)
    }

    /// Reserves the name of a list whose entries change.
    pub fn declare_entries(&mut self, name: &str, span: Span) {
        self.places.insert(name.to_owned(), span);
        self.entry_lists.push((name.to_owned(), Vec::new()));
    }

    /// Says what is looked up in a list whose entries change, and where the results stand.
    pub fn set_lookups(&mut self, name: &str, lookups: Vec<(Slot, EntrySlots)>) {
        if let Some((_, known)) = self.entry_lists.iter_mut().find(|(list, _)| list == name) {
            *known = lookups;
        }
    }

    /// Reserves the name of a table.
    pub fn declare_table(&mut self, name: &str, span: Span) {
        self.places.insert(name.to_owned(), span);
        self.tables.push(name.to_owned());
    }

    /// Says what is looked up in a table, and where the results stand. From here on expressions may use it.
    pub fn set_table_lookups(&mut self, name: &str, lookups: Vec<(Slot, EntrySlots)>) {
        self.scope.add_table(name, lookups);
    }

    /// Says which columns the rows of an input have.
    pub fn declare_rows(&mut self, input: &str, columns: Vec<String>) {
        self.rows.push((input.to_owned(), columns));
    }

    /// Whether this is the name of a table.
    pub fn is_table(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table == name)
    }

    /// Marks a name whose declaration is broken.
    pub fn declare_broken(&mut self, name: &str) {
        self.broken.insert(name.to_owned());
    }

    /// The names and what else is known at the decision, for rules and thresholds. A field or feature that is called `late_by`
    /// or `flags` keeps its name.
    pub fn scope_of_rules(&self, decision: DecisionSlots) -> Scope {
        let mut scope = self.scope.clone();
        scope.add("score", decision.score, ValueType::Float);
        if !scope.contains("late_by") {
            scope.add("late_by", decision.late_by, ValueType::Float);
        }
        if !scope.contains("flags") {
            scope.add_list("flags", decision.flags, ValueType::Text);
        }
        self.add_entries(&mut scope);
        scope
    }

    /// The text that expressions are in.
    pub fn source(&self) -> &'s str {
        self.source
    }

    /// The declaration of a name.
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

    /// The same names for roll-outs. Only those with slots in `at_decision` have values there; the fields `unread` have no slot.
    pub fn of_decision(&self, at_decision: &BTreeSet<Slot>, unread: impl Iterator<Item = String>) -> Names<'static> {
        let absent = self
            .symbols
            .iter()
            .filter(|(_, symbol)| !at_decision.contains(&symbol.slot));
        Names {
            source: "",
            scope: self.scope.clone(),
            symbols: self.symbols.clone(),
            // They are places of another text.
            places: HashMap::new(),
            broken: HashSet::new(),
            absent: absent.map(|(name, _)| name.clone()).chain(unread).collect(),
            is_rollout: true,
            entry_lists: self.entry_lists.clone(),
            tables: self.tables.clone(),
            rows: self.rows.clone(),
            slots: self.slots.clone(),
            publishes_others: self.publishes_others,
            suggested: Vec::new(),
        }
    }

    /// The same names for expressions in another text.
    pub fn in_source<'t>(&self, source: &'t str) -> Names<'t> {
        Names { source, ..self.clone() }
    }

    /// Whether a name's value does not reach the decision; if so, adds a diagnostic.
    pub fn refuse_absent(&self, name: &str, span: &Span, diagnostics: &mut Diagnostics) -> bool {
        let is_absent = self.absent.contains(name);
        if is_absent {
            diagnostics.add(
                Diagnostic::new(format!("`{name}` does not reach the decision"), span.clone())
                    .label("no rule, threshold or model of the pipeline file uses it")
                    .help(format!(
                        "add a feature to the pipeline file, since all features reach the decision: `{name}_value: {{expression: {name}}}`"
                    )),
            );
        }
        is_absent
    }

    /// Whether a name is valid in expressions and not declared yet; if not, adds a diagnostic.
    pub fn check_free(&self, name: &str, span: &Span, diagnostics: &mut Diagnostics) -> bool {
        if !is_identifier(name) {
            diagnostics.add(
                Diagnostic::new(format!("`{name}` is not a valid name"), span.clone())
                    .help("a name has letters, digits and `_`, and does not begin with a digit"),
            );
            return false;
        }
        if RESERVED.contains(&name) {
            diagnostics
                .add(Diagnostic::new(format!("`{name}` is a reserved name"), span.clone()).help("use another name"));
            return false;
        }
        if let Some(other) = self.places.get(name) {
            diagnostics.add(
                Diagnostic::new(format!("`{name}` is declared twice"), span.clone())
                    .label("the second declaration")
                    .also(other.clone(), "the first declaration")
                    .help("the names of fields, features, lists and tables must differ: rename one of them"),
            );
            return false;
        }
        true
    }

    /// Compiles an expression. `None`, with diagnostics at their places, if it is wrong; `None` if it uses a broken name.
    pub fn compile(&self, source: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) -> Option<Expression> {
        self.compile_with(Expression::compile, source, diagnostics)
    }

    /// What names that are unknown may be meant to be, from now on.
    pub fn suggest(&mut self, names: Vec<String>) {
        self.suggested = names;
    }

    /// Compiles a text that is not in this source.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn expression(&self, text: &str) -> Result<Expression, String> {
        let first = |errors: Vec<ExpressionError>| {
            errors
                .into_iter()
                .next()
                .map_or_else(String::new, |error| error.message)
        };
        Expression::compile(text, &self.scope).map_err(first)
    }

    /// Compiles a condition, as [`Names::compile`] does expressions.
    pub fn condition(&self, source: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) -> Option<Expression> {
        self.compile_with(Expression::condition, source, diagnostics)
    }

    /// Compiles a condition that may ask lists whose entries change.
    pub fn condition_with_entries(
        &self,
        source: &Spanned<ExpressionText>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Expression> {
        let mut scope = self.scope.clone();
        self.add_entries(&mut scope);
        self.compile_with(|text, _| Expression::condition(text, &scope), source, diagnostics)
    }

    fn add_entries(&self, scope: &mut Scope) {
        for (name, lookups) in &self.entry_lists {
            scope.add_entries(name.as_str(), lookups.clone());
        }
    }

    /// Whether all names that an expression mentions can be used; if some do not reach the decision, adds a diagnostic.
    pub fn can_use(&self, source: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) -> bool {
        !self.uses_broken(&source.value.0) && !self.uses_absent(source, diagnostics)
    }

    fn compile_with(
        &self,
        compile: impl Fn(&str, &Scope) -> Result<Expression, Vec<ExpressionError>>,
        source: &Spanned<ExpressionText>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Expression> {
        if !self.can_use(source, diagnostics) {
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

    fn only_decisions_use(&self, name: &str) -> Option<String> {
        if self.is_table(name) {
            return Some(format!(
                "the table {name} is asked when a transaction is decided: use it in rules, thresholds, outputs, and expressions that \
                 nothing is aggregated over"
            ));
        }
        self.entry_lists.iter().any(|(list, _)| list == name).then(|| {
            format!(
                "only rules, thresholds and outputs can use the list {name}: its entries change while the pipeline runs, and \
                 features must not depend on that"
            )
        })
    }

    fn uses_absent(&self, source: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) -> bool {
        let mut uses_absent = false;
        for name in identifiers(&source.value.0) {
            uses_absent |= self.refuse_absent(name, &source.span, diagnostics);
        }
        uses_absent
    }

    /// The diagnostic of an expression's error, at its place in the file.
    pub fn place(&self, source: &Spanned<ExpressionText>, error: ExpressionError) -> Diagnostic {
        let place = within(self.source, &source.span, &source.value.0, &error.span);
        let unknown = error.message.strip_prefix("unknown name ");
        let rows = unknown.and_then(|name| rows_of(&self.rows, name));
        let help = unknown.and_then(|name| known_later(name).or_else(|| self.only_decisions_use(name)));
        let help = help.or_else(|| rows.map(|(input, columns)| about_rows(input, columns, self.is_rollout)));
        let help = help.or_else(|| unknown.and_then(|name| column_called(&self.rows, name)));
        let help = help.or_else(|| {
            unknown
                .filter(|_| self.is_rollout && error.help.is_none())
                .map(needs_a_restart)
        });
        let columns = rows.into_iter().flat_map(|(_, columns)| columns);
        let suggested = columns.chain(&self.suggested).map(String::as_str);
        let mut diagnostic = Diagnostic::new(error.message.clone(), place).label("here");
        if let Some(name) = unknown {
            diagnostic = diagnostic.nearest(name, suggested);
        }
        match help.or(error.help) {
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

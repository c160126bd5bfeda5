//! Assigns listed inputs to the columns of a model, and sequences to its tensors.

use crate::compile::names::{Names, Sequence, Symbol};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{List, Spanned};
use riskstream_events::{Slot, ValueType};
use riskstream_models::{ColumnKind, Model};
use riskstream_scoring::Column;

/// The inputs of a model, and the columns that they fill.
#[derive(Debug)]
pub struct ModelInputs {
    /// The slots of the listed inputs.
    pub slots: Vec<Slot>,
    /// For each column of the model, where its value comes from.
    pub columns: Vec<Column>,
}

/// Assigns the listed inputs to the columns of `model`. Without a model only the names are checked; that is so if it
/// could not be loaded or if the list is not that of its card.
pub fn lay_out(
    inputs: &Spanned<List<String>>,
    model: Option<&Model>,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<ModelInputs> {
    let before = diagnostics.count();
    let listed = inputs.value.0.iter().map(|name| Listed::find(name, names, diagnostics));
    let listed: Vec<Option<Listed<'_>>> = listed.collect();
    // The width of an unknown name is not known, so the columns cannot be counted.
    let listed: Vec<Listed<'_>> = listed.into_iter().collect::<Option<_>>()?;
    let model = model?;
    let given: usize = listed.iter().map(Listed::width).sum();
    if given != model.input_width() {
        diagnostics.add(
            Diagnostic::new(
                format!("the model has {} columns, the listed inputs fill {given}", model.input_width()),
                inputs.span.clone(),
            )
            .label(format!("{given} columns"))
            .help("list every input once, in the order in which the model was trained; a `last_k` feature fills k columns"),
        );
        return None;
    }
    let mut layout = Layout {
        listed: &listed,
        next: 0,
        columns: Vec::new(),
        kinds: model.columns(),
        diagnostics,
    };
    for (tensor, axes) in model.inputs() {
        layout.tensor(tensor, axes)?;
    }
    let columns = layout.columns;
    check_side_by_side(&listed, diagnostics);
    (diagnostics.count() == before).then(|| ModelInputs {
        slots: listed.iter().map(|input| input.symbol.slot).collect(),
        columns,
    })
}

/// An input as it is listed.
struct Listed<'a> {
    name: &'a Spanned<String>,
    symbol: &'a Symbol,
}

impl<'a> Listed<'a> {
    fn find(name: &'a Spanned<String>, names: &'a Names<'_>, diagnostics: &mut Diagnostics) -> Option<Listed<'a>> {
        if names.is_broken(&name.value) {
            return None;
        }
        let Some(symbol) = names.get(&name.value) else {
            diagnostics.add(
                Diagnostic::new(
                    format!("the model's input `{}` is not defined", name.value),
                    name.span.clone(),
                )
                .label("not a field or a feature")
                .nearest(&name.value, names.all())
                .help(format!("add a feature of this name: `{}: {{…}}`", name.value)),
            );
            return None;
        };
        if names.refuse_absent(&name.value, &name.span, diagnostics) {
            return None;
        }
        if names.publishes_others(symbol.slot) {
            diagnostics.add(
                Diagnostic::new(
                    format!(
                        "`{}` has other pseudonyms here than in decisions and backfills",
                        name.value
                    ),
                    name.span.clone(),
                )
                .label("under the state's secret")
                .help("leave it out: a model that was trained on published pseudonyms knows none of these"),
            );
            return None;
        }
        let fits = symbol.sequence.is_some()
            || matches!(
                symbol.value_type,
                ValueType::Bool | ValueType::Int | ValueType::Float | ValueType::Text
            );
        if !fits {
            let kind = symbol.value_type.name();
            diagnostics.add(
                Diagnostic::new(
                    format!("inputs of a model are numbers and texts, `{}` is {kind}", name.value),
                    name.span.clone(),
                )
                .help("compute a number from it with a feature"),
            );
            return None;
        }
        Some(Listed { name, symbol })
    }

    fn sequence(&self) -> Option<&'a Sequence> {
        self.symbol.sequence.as_ref()
    }

    /// The number of columns that it fills.
    fn width(&self) -> usize {
        self.sequence().map_or(1, |sequence| sequence.k)
    }

    fn place(&self, message: String) -> Diagnostic {
        Diagnostic::new(message, self.name.span.clone())
    }
}

/// Fills columns from the first to the last.
struct Layout<'a> {
    listed: &'a [Listed<'a>],
    /// The index of the next input.
    next: usize,
    columns: Vec<Column>,
    kinds: &'a [ColumnKind],
    diagnostics: &'a mut Diagnostics,
}

impl Layout<'_> {
    /// Fills the columns of one tensor. `None` if the next ones cannot be filled.
    fn tensor(&mut self, tensor: &str, axes: &[usize]) -> Option<()> {
        match axes {
            &[k, fields] if self.listed.get(self.next)?.sequence().is_some() => self.grid(tensor, k, fields),
            _ => self.line(tensor, axes.iter().product()),
        }
    }

    /// A tensor of columns: one input after the other.
    fn line(&mut self, tensor: &str, width: usize) -> Option<()> {
        let end = self.columns.len() + width;
        while self.columns.len() < end {
            let input = self.listed.get(self.next)?;
            let left = end - self.columns.len();
            if input.width() > left {
                let message = format!(
                    "`{}` fills {} columns, the model's input `{tensor}` has {left} left",
                    input.name.value,
                    input.width()
                );
                self.diagnostics.add(input.place(message).help(
                    "`riskstream models inspect FILE` shows the model's inputs: list the features of each, one after the other",
                ));
                return None;
            }
            self.check_kind(input);
            let places = match input.sequence() {
                None => vec![None],
                Some(sequence) => (0..sequence.k).rev().map(Some).collect(),
            };
            let columns = places.into_iter().map(|back| Column { input: self.next, back });
            self.columns.extend(columns);
            self.next += 1;
        }
        Some(())
    }

    /// A tensor of events by features: for each event, from the oldest on, the value of each sequence.
    fn grid(&mut self, tensor: &str, k: usize, fields: usize) -> Option<()> {
        let inputs = self.listed.get(self.next..self.next + fields)?;
        let first = inputs.first()?;
        for input in inputs {
            let problem = match input.sequence() {
                None => format!("`{}` is one value", input.name.value),
                Some(sequence) if sequence.k != k => format!("`{}` has {}", input.name.value, sequence.k),
                Some(sequence) if Some(&sequence.events) != first.sequence().map(|first| &first.events) => {
                    let message = format!(
                        "`{}` and `{}` are sequences of different events",
                        first.name.value, input.name.value
                    );
                    let keys = "`entity`, `of`, `when`, `window`, `delay` and `include_current`";
                    self.diagnostics
                        .add(input.place(message).help(format!("use the same {keys} for both")));
                    return None;
                }
                Some(_) => {
                    self.check_kind(input);
                    continue;
                }
            };
            let message = format!("the model's input `{tensor}` takes {fields} sequences of {k} events, {problem}");
            self.diagnostics.add(
                input
                    .place(message)
                    .help(format!("list {fields} `last_k` features with `k: {k}` here")),
            );
            return None;
        }
        for back in (0..k).rev() {
            let step = (self.next..self.next + fields).map(|input| Column {
                input,
                back: Some(back),
            });
            self.columns.extend(step);
        }
        self.next += fields;
        Some(())
    }

    /// Checks that the next column takes values of the input's type.
    fn check_kind(&mut self, input: &Listed<'_>) {
        let element = input.sequence().map(|sequence| sequence.element);
        let given = element.unwrap_or(input.symbol.value_type);
        let (name, kind) = (&input.name.value, given.name());
        let of = if element.is_some() { "a sequence of " } else { "" };
        let (message, help) = match self.kinds.get(self.columns.len()) {
            Some(ColumnKind::Number) if given == ValueType::Text => (
                format!("the model takes a number here, `{name}` is {of}{kind}"),
                "compute a number from it with a feature: `{expression: country in risky_countries ? 1 : 0}`",
            ),
            Some(ColumnKind::Text) if given != ValueType::Text => (
                format!("the model takes a text here, `{name}` is {of}{kind}"),
                "list a field or feature that is text; `riskstream models inspect FILE` shows the model's inputs",
            ),
            _ => return,
        };
        self.diagnostics.add(input.place(message).help(help));
    }
}

/// Checks that sequences of the same events leave no event out: the model gets them side by side.
fn check_side_by_side(listed: &[Listed<'_>], diagnostics: &mut Diagnostics) {
    for (index, input) in listed.iter().enumerate() {
        let Some(sequence) = input.sequence().filter(|sequence| sequence.has_gaps) else {
            continue;
        };
        let is_other = |(at, other): &(usize, &Listed<'_>)| {
            *at != index && other.sequence().is_some_and(|other| other.events == sequence.events)
        };
        if let Some((_, other)) = listed.iter().enumerate().find(is_other) {
            let message = format!(
                "`{}` leaves out events without a value, so it does not match `{}` event by event",
                input.name.value, other.name.value
            );
            diagnostics.add(
                input
                    .place(message)
                    .help("replace missing values, `last_k: coalesce(x, -1)`, or declare the field `required: true`"),
            );
        }
    }
}

//! The expressions of a roll-out.

use crate::compile::{DecisionExpression, Names, RolloutScope, identifiers, in_order};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{Feature, RolloutFile};
use crate::text::Key;
use riskstream_engine::plan::SlotExpression;
use riskstream_events::{Slot, ValueType};
use std::collections::{BTreeSet, HashMap};

/// The expressions that are evaluated at the decision.
pub struct RolloutFeatures {
    /// All of them, in order of their dependencies.
    pub expressions: Vec<SlotExpression>,
    /// Names and slots of those that the pipeline file does not have.
    pub added: Vec<(String, Slot)>,
    /// All names whose values are personal data.
    pub personal: BTreeSet<String>,
}

/// An expression of the roll-out, or one of the pipeline file that stays.
enum Source<'a> {
    Own(&'a Key, &'a Spanned<ExpressionText>),
    Inherited(&'a DecisionExpression, &'a SlotExpression),
}

impl Source<'_> {
    fn name(&self) -> &str {
        match self {
            Source::Own(key, _) => &key.name,
            Source::Inherited(expression, _) => &expression.name,
        }
    }

    fn text(&self) -> &str {
        match self {
            Source::Own(_, text) => &text.value.0,
            Source::Inherited(expression, _) => &expression.source,
        }
    }
}

/// Compiles the expressions. `inherited`: those of the pipeline file.
pub fn compile_features(
    file: &RolloutFile,
    scope: &RolloutScope,
    names: &mut Names<'_>,
    inherited: &[SlotExpression],
    diagnostics: &mut Diagnostics,
) -> RolloutFeatures {
    let own = own(file, scope, names, diagnostics);
    let is_own = |name: &str| file.features.get(name).is_some();
    let stays = scope.expressions.iter().filter(|expression| !is_own(&expression.name));
    let stays = stays.filter_map(|expression| {
        let compiled = inherited.iter().find(|compiled| compiled.slot == expression.slot)?;
        Some(Source::Inherited(expression, compiled))
    });
    let sources: Vec<Source<'_>> = own
        .into_iter()
        .map(|(key, text)| Source::Own(key, text))
        .chain(stays)
        .collect();
    let mut features = RolloutFeatures {
        expressions: Vec::with_capacity(sources.len()),
        added: Vec::new(),
        personal: scope.personal.clone(),
    };
    for at in order(&sources, scope, diagnostics) {
        let compiled = match &sources[at] {
            Source::Own(key, text) => own_expression(key, text, scope, names, &mut features, diagnostics),
            Source::Inherited(expression, compiled) => again(expression, compiled, file, names, diagnostics),
        };
        match compiled {
            Some(compiled) => features.expressions.push(compiled),
            None => names.declare_broken(sources[at].name()),
        }
    }
    features
        .added
        .sort_by_key(|(name, _)| file.features.names().position(|other| other == name));
    features
}

/// The features of the roll-out that can be rolled out.
fn own<'f>(
    file: &'f RolloutFile,
    scope: &RolloutScope,
    names: &mut Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<(&'f Key, &'f Spanned<ExpressionText>)> {
    let mut own = Vec::new();
    for (key, feature) in &file.features.0 {
        let text = feature
            .as_ref()
            .and_then(|feature| expression_of(key, feature, diagnostics));
        match text.filter(|_| may_have(key, scope, names, diagnostics)) {
            Some(text) => own.push((key, text)),
            None => names.declare_broken(&key.name),
        }
    }
    own
}

/// The text of an expression. An aggregation is refused.
fn expression_of<'f>(
    key: &Key,
    feature: &'f Feature,
    diagnostics: &mut Diagnostics,
) -> Option<&'f Spanned<ExpressionText>> {
    if let Some(aggregated) = feature.aggregations.0.first() {
        diagnostics.add(
            Diagnostic::new(format!("`{}` cannot be rolled out", key.name), key.span.clone())
                .label(format!("`{}` needs state", aggregated.definition.name))
                .help(
                    "what an aggregation counts is kept from its first event on: add it to the pipeline file, and restart. A roll-out \
                     can add expressions over fields and features that there are",
                ),
        );
        return None;
    }
    for (word, span) in feature.keys_of_aggregations() {
        diagnostics.add(Diagnostic::new(format!("an expression takes no `{word}`"), span).help("remove it"));
    }
    if feature.expression.is_none() && !feature.is_flawed {
        diagnostics.add(
            Diagnostic::new(format!("`{}` does not say what to compute", key.name), key.span.clone())
                .help("add `expression:`"),
        );
    }
    feature.expression.as_ref()
}

/// Whether an expression of a roll-out may have this name. Reports it if not.
fn may_have(key: &Key, scope: &RolloutScope, names: &Names<'_>, diagnostics: &mut Diagnostics) -> bool {
    let name = &key.name;
    let at_decision = scope.expressions.iter().any(|expression| expression.name == *name);
    let is_taken = names.get(name).is_some() || scope.lists.contains_key(name) || scope.tables.contains_key(name);
    if !at_decision && is_taken {
        diagnostics.add(
            Diagnostic::new(format!("`{name}` cannot be rolled out"), key.span.clone())
                .label("state depends on it, or it is a field, a list or a table")
                .help("only expressions that no aggregation uses can be replaced: give this one another name"),
        );
        return false;
    }
    let is_free = names.check_free(name, &key.span, diagnostics);
    if is_free && name.contains('.') {
        diagnostics.add(
            Diagnostic::new(format!("`{name}` is not a name"), key.span.clone())
                .help("the name of a feature has no dots"),
        );
        return false;
    }
    is_free
}

/// The order of the expressions: each after those that it reads, and those that are looked up in tables that it reads. Circles are
/// reported.
fn order(sources: &[Source<'_>], scope: &RolloutScope, diagnostics: &mut Diagnostics) -> Vec<usize> {
    let index: HashMap<&str, usize> = sources
        .iter()
        .enumerate()
        .map(|(at, source)| (source.name(), at))
        .collect();
    let needs = |source: &Source<'_>| {
        let mentioned = identifiers(source.text());
        let looked_up = mentioned.iter().filter_map(|name| scope.tables.get(*name));
        let looked_up = looked_up.flatten().map(String::as_str);
        let needed = mentioned.iter().copied().chain(looked_up);
        needed.filter_map(|name| index.get(name).copied()).collect()
    };
    let needs: Vec<Vec<usize>> = sources.iter().map(needs).collect();
    in_order(&needs, &mut |circle| {
        let chain = circle.iter().chain(circle.first()).map(|at| sources[*at].name());
        let place = circle.iter().find_map(|at| match &sources[*at] {
            Source::Own(key, _) => Some(key.span.clone()),
            Source::Inherited(..) => None,
        });
        diagnostics.add(
            Diagnostic::new(
                "these features are defined by each other in a circle",
                place.unwrap_or_default(),
            )
            .label(chain.collect::<Vec<_>>().join(" → "))
            .help("one of them must be defined without the others"),
        );
    })
}

fn own_expression(
    key: &Key,
    text: &Spanned<ExpressionText>,
    scope: &RolloutScope,
    names: &mut Names<'_>,
    features: &mut RolloutFeatures,
    diagnostics: &mut Diagnostics,
) -> Option<SlotExpression> {
    let expression = names.compile(text, diagnostics)?;
    let (value_type, element) = (expression.value_type(), expression.element_type());
    let before = scope.expressions.iter().find(|before| before.name == key.name);
    let slot = match before {
        Some(before) => {
            let info = &names.slots()[before.slot];
            let is_same = info.value_type == value_type
                && (value_type != ValueType::List || info.element == element)
                && info.holds_pseudonyms == expression.holds_pseudonyms();
            if !is_same {
                diagnostics.add(
                    Diagnostic::new(
                        format!("`{}` has another type in the pipeline file", key.name),
                        key.span.clone(),
                    )
                    .label(format!("{} here, {} there", value_type.name(), info.value_type.name()))
                    .help("rules and models that use it rely on its type: give this one another name"),
                );
                return None;
            }
            before.slot
        }
        None => {
            let slot = names.declare(&key.name, value_type, element, key.span.clone());
            if expression.holds_pseudonyms() {
                names.mark_pseudonym(slot);
            }
            features.added.push((key.name.clone(), slot));
            slot
        }
    };
    let mut mentioned = identifiers(&text.value.0).into_iter();
    if matches!(value_type, ValueType::Text | ValueType::List) && mentioned.any(|name| features.personal.contains(name))
    {
        features.personal.insert(key.name.clone());
    }
    Some(SlotExpression { slot, expression })
}

/// An expression of the pipeline file. If it uses a list that the roll-out brings it is compiled again.
fn again(
    expression: &DecisionExpression,
    compiled: &SlotExpression,
    file: &RolloutFile,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<SlotExpression> {
    let mentioned = identifiers(&expression.source);
    let Some((key, _)) = file
        .lists
        .0
        .iter()
        .find(|(key, _)| mentioned.contains(key.name.as_str()))
    else {
        return Some(compiled.clone());
    };
    if names.is_broken(&key.name) {
        return None;
    }
    match names.expression(&expression.source) {
        Ok(again) => Some(SlotExpression {
            slot: compiled.slot,
            expression: again,
        }),
        Err(why) => {
            diagnostics.add(Diagnostic::new(
                format!(
                    "the feature `{}` of the pipeline file would not be valid any more: {why}",
                    expression.name
                ),
                key.span.clone(),
            ));
            None
        }
    }
}

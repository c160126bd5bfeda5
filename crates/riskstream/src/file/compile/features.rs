//! Features: in order of their dependencies, typed, each with its slot.

use super::identifiers::identifiers;
use super::inputs::ResolvedInput;
use super::names::Names;
use super::provenance::Provenances;
use crate::file::duration;
use crate::file::feature::{Feature, Window};
use crate::file::mistakes::{Mistake, Mistakes, enumerate};
use crate::file::node::{Key, Span};
use crate::file::read::{Map, Source, Spanned};
use riskstream_events::{Slot, Value, ValueType};
use riskstream_expressions::Expression;
use riskstream_features::{Aggregation, FeatureSpec};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The aggregations that name an input instead of a value.
const COUNTING: [&str; 3] = ["count", "time_since_last", "decayed_count"];

/// A stage's entity, as far as features need to know it.
#[derive(Clone, Debug)]
pub struct StageEntity {
    /// Its name.
    pub name: String,
    /// How late events may be, in microseconds.
    pub lateness: i64,
    /// How long events may be kept at most, and where that is said.
    pub retention: Option<(i64, Span)>,
}

/// An expression and the slot of its value.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// Where.
    pub slot: Slot,
    /// What.
    pub expression: Expression,
}

/// All features, compiled.
#[derive(Debug, Default)]
pub struct CompiledFeatures {
    /// Each stage's aggregations.
    pub stages: Vec<Vec<FeatureSpec>>,
    /// Expressions in order of their dependencies: those that are features, and values of aggregations.
    pub steps: Vec<PlannedStep>,
    /// Feature names and slots in the order of the file.
    pub listed: Vec<(String, Slot)>,
}

/// Compiles features.
pub struct FeatureCompiler<'a, 's> {
    /// The names, to which features are added.
    pub names: &'a mut Names<'s>,
    /// Where slots come from.
    pub provenances: &'a mut Provenances,
    /// All inputs that are not broken.
    pub inputs: &'a [ResolvedInput],
    /// The index in the plan of each input that is used.
    pub input_index: &'a BTreeMap<String, u8>,
    /// The stages' entities.
    pub entities: &'a [StageEntity],
    /// The names of all entities of the file.
    pub entity_names: &'a [String],
    /// Where mistakes go.
    pub mistakes: &'a mut Mistakes,
    compiled: CompiledFeatures,
    values: HashMap<String, Slot>,
}

impl<'a, 's> FeatureCompiler<'a, 's> {
    /// A compiler over what is known so far.
    pub fn new(
        names: &'a mut Names<'s>,
        provenances: &'a mut Provenances,
        inputs: &'a [ResolvedInput],
        input_index: &'a BTreeMap<String, u8>,
        entities: &'a [StageEntity],
        entity_names: &'a [String],
        mistakes: &'a mut Mistakes,
    ) -> FeatureCompiler<'a, 's> {
        let compiled = CompiledFeatures {
            stages: vec![Vec::new(); entities.len()],
            ..CompiledFeatures::default()
        };
        FeatureCompiler {
            names,
            provenances,
            inputs,
            input_index,
            entities,
            entity_names,
            mistakes,
            compiled,
            values: HashMap::new(),
        }
    }

    /// Compiles all features of the file.
    pub fn compile(mut self, features: &Map<Feature>) -> CompiledFeatures {
        for name in features
            .0
            .iter()
            .filter(|(_, feature)| feature.is_none())
            .map(|(name, _)| name)
        {
            self.names.declare_broken(&name.name);
        }
        for (name, feature) in self.in_order(features) {
            if self.feature(name, feature).is_none() {
                self.names.declare_broken(&name.name);
            }
        }
        for name in features.names() {
            if let Some(symbol) = self.names.get(name)
                && !self.names.is_broken(name)
            {
                self.compiled.listed.push((name.to_owned(), symbol.slot));
            }
        }
        self.compiled
    }

    /// The features so that each comes after those that it mentions. Those in a circle are reported and left out.
    fn in_order<'f>(&mut self, features: &'f Map<Feature>) -> Vec<(&'f Key, &'f Feature)> {
        let nodes: Vec<(&Key, &Feature)> = features
            .iter()
            .filter(|(name, _)| self.is_free(name))
            .collect();
        let index: HashMap<&str, usize> = nodes
            .iter()
            .enumerate()
            .map(|(at, (name, _))| (name.name.as_str(), at))
            .collect();
        let needs: Vec<Vec<usize>> = nodes
            .iter()
            .map(|(_, feature)| {
                let mut needs: Vec<usize> = sources(feature)
                    .flat_map(|source| identifiers(&source.value.0))
                    .filter_map(|name| index.get(name).copied())
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            })
            .collect();
        let mut order = Vec::new();
        let mut marks = vec![Mark::New; nodes.len()];
        for start in 0..nodes.len() {
            let mut path = Vec::new();
            if let Err(circle) = visit(start, &needs, &mut marks, &mut path, &mut order) {
                self.report_circle(&circle.iter().map(|at| nodes[*at].0).collect::<Vec<_>>());
            }
        }
        order
            .into_iter()
            .map(|at| nodes[at])
            .filter(|(name, _)| !self.names.is_broken(&name.name))
            .collect()
    }

    /// A name that is taken goes on meaning what it meant.
    fn is_free(&mut self, name: &Key) -> bool {
        let free = self.names.check_free(&name.name, &name.span, self.mistakes);
        if free && name.name.contains('.') {
            let mistake = Mistake::new(format!("`{}` is not a name", name.name), name.span.clone());
            self.mistakes
                .add(mistake.help("the name of a feature has no dots"));
            return false;
        }
        free
    }

    fn report_circle(&mut self, circle: &[&Key]) {
        let Some((first, others)) = circle.split_first() else {
            return;
        };
        let mut chain: Vec<&str> = circle.iter().map(|key| key.name.as_str()).collect();
        chain.push(&first.name);
        let message = if others.is_empty() {
            format!("`{}` is defined by itself", first.name)
        } else {
            "these features are defined by each other in a circle".to_owned()
        };
        let mut mistake = Mistake::new(message, first.span.clone())
            .label(chain.join(" → "))
            .help("one of them must be defined without the others");
        for other in others {
            mistake = mistake.also(other.span.clone(), "part of the circle");
        }
        self.mistakes.add(mistake);
        circle
            .iter()
            .for_each(|key| self.names.declare_broken(&key.name));
    }

    fn feature(&mut self, name: &Key, feature: &Feature) -> Option<()> {
        let aggregations: Vec<_> = aggregations(feature).collect();
        match (&feature.expression, aggregations.as_slice()) {
            (Some(source), []) => self.expression(name, feature, source),
            (None, [(word, source)]) => self.aggregation(name, feature, word, source),
            (None, []) if feature.is_flawed => None,
            (None, []) => {
                let words: Vec<&str> = all_aggregations(feature)
                    .iter()
                    .map(|(word, _)| *word)
                    .collect();
                self.mistakes.add(
                    Mistake::new(
                        format!("`{}` does not say what to compute", name.name),
                        name.span.clone(),
                    )
                    .help(format!("add `expression:` or one of {}", enumerate(words))),
                );
                None
            }
            (expression, several) => {
                let mut mistake = Mistake::new(
                    format!("`{}` says more than one thing to compute", name.name),
                    name.span.clone(),
                )
                .help("keep one of them; put the others into features of their own");
                let expression = expression.as_ref().map(|source| ("expression", source));
                for (word, source) in expression.into_iter().chain(several.iter().copied()) {
                    mistake = mistake.also(source.span.clone(), word);
                }
                self.mistakes.add(mistake);
                None
            }
        }
    }

    fn expression(
        &mut self,
        name: &Key,
        feature: &Feature,
        source: &Spanned<Source>,
    ) -> Option<()> {
        for (key, span) in keys_of_aggregations(feature) {
            self.mistakes.add(
                Mistake::new(format!("an expression takes no `{key}`"), span)
                    .help("remove it, or replace `expression:` by an aggregation such as `mean:`"),
            );
        }
        let expression = self.names.compile(source, self.mistakes)?;
        let value_type = expression.value_type();
        let slot = self
            .names
            .declare(&name.name, value_type, ValueType::Float, name.span.clone());
        self.provenances.expression(slot, expression.slots());
        self.compiled.steps.push(PlannedStep { slot, expression });
        Some(())
    }

    fn aggregation(
        &mut self,
        name: &Key,
        feature: &Feature,
        word: &'static str,
        source: &Spanned<Source>,
    ) -> Option<()> {
        let stage = self.entity_of(name, feature);
        let input = self.input_of(feature, word, source);
        let aggregation = self.parameters(name, feature, word);
        let delay = feature.delay.as_ref().map_or(0, |delay| delay.value.0);
        let window = self.window(name, feature, aggregation);
        let value = match (COUNTING.contains(&word), stage) {
            (true, _) => Some(None),
            (false, Some(stage)) => self
                .value(name, source, aggregation, stage, input)
                .map(Some),
            (false, None) => None,
        };
        let condition = feature
            .when
            .as_ref()
            .map(|when| self.condition(when, stage, input));
        let stage = stage?;
        let window = window?;
        self.check_retention(feature, stage, window, delay);
        let value_type = value?.map(|value| self.names.slots()[value].value_type);
        let aggregation = aggregation?;
        let output_type = aggregation.output_type(value_type);
        let empty = match &feature.empty {
            Some(empty) => Some(self.empty(empty, output_type)?),
            None => None,
        };
        let condition = match condition {
            Some(condition) => Some(condition?),
            None => None,
        };
        let input = *self.input_index.get(input?)?;
        let element = value_type.unwrap_or(ValueType::Float);
        let output = self
            .names
            .declare(&name.name, output_type, element, name.span.clone());
        self.provenances.aggregation(output, stage);
        self.compiled.stages[stage].push(FeatureSpec {
            name: name.name.clone(),
            output,
            aggregation,
            input,
            value: value?,
            condition,
            window,
            delay,
            include_current: feature
                .include_current
                .as_ref()
                .is_none_or(|include| include.value),
            empty,
        });
        Some(())
    }

    fn entity_of(&mut self, name: &Key, feature: &Feature) -> Option<usize> {
        let Some(entity) = &feature.entity else {
            if feature.is_flawed {
                return None;
            }
            self.mistakes.add(
                Mistake::new(
                    format!("`{}` does not say whose events it aggregates", name.name),
                    name.span.clone(),
                )
                .help(format!(
                    "add `entity:` with one of {}",
                    self.known_entities()
                )),
            );
            return None;
        };
        let stage = self
            .entities
            .iter()
            .position(|stage| stage.name == entity.value);
        if stage.is_none() && !self.entity_names.contains(&entity.value) {
            self.mistakes.add(
                Mistake::new(
                    format!("unknown entity `{}`", entity.value),
                    entity.span.clone(),
                )
                .label("not declared under `entities:`")
                .nearest(&entity.value, self.entity_names.iter().map(String::as_str))
                .help(format!("the entities are {}", self.known_entities())),
            );
        }
        stage
    }

    fn known_entities(&self) -> String {
        enumerate(self.entity_names.iter().map(String::as_str))
    }

    /// The input whose events are aggregated.
    fn input_of(
        &mut self,
        feature: &Feature,
        word: &str,
        source: &Spanned<Source>,
    ) -> Option<&'a str> {
        let counted = COUNTING.contains(&word).then(|| Spanned {
            value: source.value.0.clone(),
            span: source.span.clone(),
        });
        if let (Some(counted), Some(of)) = (&counted, &feature.of)
            && counted.value != of.value
        {
            self.mistakes.add(
                Mistake::new(
                    format!("`{word}: {}` contradicts `of: {}`", counted.value, of.value),
                    of.span.clone(),
                )
                .also(counted.span.clone(), "this names the input already")
                .help("remove `of:`"),
            );
            return None;
        }
        let Some(named) = counted.as_ref().or(feature.of.as_ref()) else {
            return Some("transactions");
        };
        let inputs = self.inputs;
        let found = inputs.iter().find(|input| input.name == named.value);
        // That there are no transactions at all was reported.
        if found.is_none() && named.value != "transactions" {
            let names = || self.inputs.iter().map(|input| input.name.as_str());
            let mut mistake = Mistake::new(
                format!("unknown input `{}`", named.value),
                named.span.clone(),
            )
            .label("not declared under `inputs:`")
            .nearest(&named.value, names())
            .help(format!("the inputs are {}", enumerate(names())));
            if counted.is_some() && self.names.get(&named.value).is_some() {
                mistake = Mistake::new(
                    format!("`{word}` counts events, `{}` is a value", named.value),
                    named.span.clone(),
                )
                .label("this should be an input")
                .help(format!(
                    "write `{word}: transactions`; for different values `distinct: {}`",
                    named.value
                ));
            }
            self.mistakes.add(mistake);
        }
        found.map(|input| input.name.as_str())
    }

    fn parameters(&mut self, name: &Key, feature: &Feature, word: &str) -> Option<Aggregation> {
        let k = feature.k.as_ref().map(|k| (k.value as usize, &k.span));
        let q = feature.q.as_ref().map(|q| (q.value, &q.span));
        let half_life = feature
            .half_life
            .as_ref()
            .map(|half_life| (half_life.value.0, &half_life.span));
        self.superfluous("k", k.map(|k| k.1), &["last_k", "top_k"], word);
        self.superfluous("q", q.map(|q| q.1), &["quantile"], word);
        self.superfluous(
            "half_life",
            half_life.map(|h| h.1),
            &["decayed_count", "decayed_sum"],
            word,
        );
        let place = (&name.span, feature.is_flawed);
        Some(match word {
            "count" => Aggregation::Count,
            "sum" => Aggregation::Sum,
            "mean" => Aggregation::Mean,
            "min" => Aggregation::Min,
            "max" => Aggregation::Max,
            "variance" => Aggregation::Variance,
            "standard_deviation" => Aggregation::StandardDeviation,
            "distinct" => Aggregation::Distinct,
            "first" => Aggregation::First,
            "last" => Aggregation::Last,
            "time_since_last" => Aggregation::TimeSinceLast,
            "last_k" => Aggregation::LastK(
                self.parameter(word, "k", "5", k, place, |k| (1..=1_000).contains(&k))?,
            ),
            "top_k" => Aggregation::TopK(
                self.parameter(word, "k", "3", k, place, |k| (1..=1_000).contains(&k))?,
            ),
            "quantile" => {
                Aggregation::Quantile(
                    self.parameter(word, "q", "0.95", q, place, |q| (0.0..=1.0).contains(&q))?,
                )
            }
            "decayed_count" | "decayed_sum" => {
                let half_life =
                    self.parameter(word, "half_life", "1d", half_life, place, |h| h > 0)?;
                if word == "decayed_count" {
                    Aggregation::DecayedCount { half_life }
                } else {
                    Aggregation::DecayedSum { half_life }
                }
            }
            _ => unreachable!("every aggregation of the surface is listed"),
        })
    }

    fn superfluous(&mut self, key: &str, span: Option<&Span>, only: &[&str], word: &str) {
        if let Some(span) = span.filter(|_| !only.contains(&word)) {
            self.mistakes.add(
                Mistake::new(format!("`{word}` takes no `{key}`"), span.clone()).help(format!(
                    "`{key}` belongs to {}",
                    enumerate(only.iter().copied())
                )),
            );
        }
    }

    fn parameter<T: Copy>(
        &mut self,
        word: &str,
        key: &str,
        example: &str,
        given: Option<(T, &Span)>,
        (place, flawed): (&Span, bool),
        fits: impl Fn(T) -> bool,
    ) -> Option<T> {
        match given {
            Some((value, _)) if fits(value) => Some(value),
            Some((_, span)) => {
                let range = match key {
                    "k" => "`k` lies between 1 and 1000",
                    "q" => "`q` lies between 0 and 1",
                    _ => "a half-life is longer than nothing",
                };
                self.mistakes.add(
                    Mistake::new(range, span.clone()).help(format!("write `{key}: {example}`")),
                );
                None
            }
            None if flawed => None,
            None => {
                self.mistakes.add(
                    Mistake::new(format!("`{word}` needs `{key}`"), place.clone())
                        .help(format!("add `{key}: {example}`")),
                );
                None
            }
        }
    }

    /// The window: `Some(None)` if unlimited.
    fn window(
        &mut self,
        name: &Key,
        feature: &Feature,
        aggregation: Option<Aggregation>,
    ) -> Option<Option<i64>> {
        let Some(window) = &feature.window else {
            let aggregation = aggregation?;
            let unlimited = matches!(
                aggregation,
                Aggregation::Last | Aggregation::LastK(_) | Aggregation::TimeSinceLast
            );
            if unlimited || aggregation.is_decayed() {
                return Some(None);
            }
            if feature.is_flawed {
                return None;
            }
            let unlimited = if aggregation.allows_no_window() {
                ", or `window: unlimited`"
            } else {
                ""
            };
            self.mistakes.add(
                Mistake::new(format!("`{}` has no window", name.name), name.span.clone())
                    .label(format!("`{}` needs `window:`", aggregation.name()))
                    .help(format!(
                        "add how far back it reaches: `window: 7d`{unlimited}"
                    )),
            );
            return None;
        };
        let mut wrong = |message: String, help: &str| {
            self.mistakes
                .add(Mistake::new(message, window.span.clone()).help(help));
            None
        };
        match (window.value, aggregation) {
            (_, Some(aggregation)) if aggregation.is_decayed() => wrong(
                format!("`{}` takes a half-life, not a window", aggregation.name()),
                "remove `window:`: what is old fades away by itself",
            ),
            (Window::Limited(0), _) => {
                wrong("a window is longer than nothing".to_owned(), duration::FORM)
            }
            (Window::Unlimited, Some(aggregation)) if !aggregation.allows_no_window() => wrong(
                format!("`{}` needs a limited window", aggregation.name()),
                "write how far back it reaches: `window: 30d`",
            ),
            (Window::Unlimited, _) => Some(None),
            (Window::Limited(window), _) => Some(Some(window)),
        }
    }

    fn check_retention(
        &mut self,
        feature: &Feature,
        stage: usize,
        window: Option<i64>,
        delay: i64,
    ) {
        let entity = &self.entities[stage];
        let (Some((retention, place)), Some(window), Some(given)) =
            (&entity.retention, window, &feature.window)
        else {
            return;
        };
        let reach = delay + window + entity.lateness;
        if reach > *retention {
            self.mistakes.add(
                Mistake::new(
                    format!(
                        "the window reaches back beyond the retention of `{}`",
                        entity.name
                    ),
                    given.span.clone(),
                )
                .label(format!(
                    "delay + window + lateness = {}",
                    duration::text(reach)
                ))
                .also(
                    place.clone(),
                    format!("only {} are kept", duration::text(*retention)),
                )
                .help("make the window shorter, or the retention longer"),
            );
        }
    }

    fn value(
        &mut self,
        name: &Key,
        source: &Spanned<Source>,
        aggregation: Option<Aggregation>,
        stage: usize,
        input: Option<&str>,
    ) -> Option<Slot> {
        let text = source.value.0.as_str();
        let slot = match (self.names.get(text), self.values.get(text)) {
            (Some(symbol), _) => symbol.slot,
            (None, Some(slot)) => *slot,
            (None, None) => {
                let expression = self.names.compile(source, self.mistakes)?;
                let slot = self
                    .names
                    .slot(&format!("{}: {text}", name.name), expression.value_type());
                self.provenances.expression(slot, expression.slots());
                self.compiled.steps.push(PlannedStep { slot, expression });
                self.values.insert(text.to_owned(), slot);
                slot
            }
        };
        let available = self.check_available(slot, &source.span, stage, input);
        let value_type = self.names.slots()[slot].value_type;
        let aggregation = aggregation?;
        if !aggregation.accepts(value_type) {
            let help = match aggregation {
                Aggregation::Min | Aggregation::Max => "it takes numbers and timestamps",
                _ if value_type == ValueType::List => "take one of the list's elements: `x[0]`",
                _ => {
                    "it takes numbers; for texts there are `distinct`, `first`, `last`, `last_k` and `top_k`"
                }
            };
            self.mistakes.add(
                Mistake::new(
                    format!(
                        "`{}` of {} makes no sense",
                        aggregation.name(),
                        value_type.name()
                    ),
                    source.span.clone(),
                )
                .label(format!("this is {}", value_type.name()))
                .help(help),
            );
            return None;
        }
        available.then_some(slot)
    }

    fn condition(
        &mut self,
        when: &Spanned<Source>,
        stage: Option<usize>,
        input: Option<&str>,
    ) -> Option<Expression> {
        let expression = self.names.compile(when, self.mistakes)?;
        if expression.value_type() != ValueType::Bool {
            self.mistakes.add(
                Mistake::new(
                    format!(
                        "a condition must be bool, this is {}",
                        expression.value_type().name()
                    ),
                    when.span.clone(),
                )
                .help("compare it with something: `amount > 100`"),
            );
            return None;
        }
        let mut available = true;
        for slot in expression.slots() {
            available &= self.check_available(*slot, &when.span, stage?, input);
        }
        available.then_some(expression)
    }

    /// Whether what a feature aggregates is known when its stage gets an event of the input.
    fn check_available(
        &mut self,
        slot: Slot,
        span: &Span,
        stage: usize,
        input: Option<&str>,
    ) -> bool {
        let Some(input) = self
            .inputs
            .iter()
            .find(|candidate| Some(candidate.name.as_str()) == input)
        else {
            return false;
        };
        let provenance = self.provenances.of(slot);
        let slots = self.names.slots();
        let foreign = provenance
            .fields
            .iter()
            .map(|field| slots[*field].name.as_str())
            .find(|field| !input.fields.contains_key(*field));
        let mistake = if let Some(field) = foreign {
            let owner = self
                .inputs
                .iter()
                .find(|other| other.fields.contains_key(field));
            let owner = owner.map_or("another input", |owner| owner.name.as_str());
            Mistake::new(
                format!("`{field}` is a field of `{owner}`, not of `{}`", input.name),
                span.clone(),
            )
            .help(format!(
                "say whose events are aggregated with `of: {owner}`, or use a field of `{}`",
                input.name
            ))
        } else if let Some(other) = provenance
            .stage
            .filter(|other| input.name != "transactions" || *other >= stage)
        {
            let feature = provenance
                .feature
                .map_or("a feature", |feature| slots[feature].name.as_str());
            let help = if input.name != "transactions" {
                "what is aggregated over labels can use their own fields only".to_owned()
            } else if other == stage {
                format!(
                    "all features of `{0}` are computed together: use a feature of an entity declared before `{0}`, or compare in an `expression`",
                    self.entities[stage].name
                )
            } else {
                format!(
                    "declare the entity `{}` before `{}`",
                    self.entities[other].name, self.entities[stage].name
                )
            };
            Mistake::new(
                format!("`{feature}` is not yet known when this is aggregated"),
                span.clone(),
            )
            .help(help)
        } else {
            return true;
        };
        self.mistakes.add(mistake);
        false
    }

    fn empty(&mut self, empty: &Spanned<f64>, output_type: ValueType) -> Option<Value> {
        match output_type {
            ValueType::Float => return Some(Value::Float(empty.value)),
            ValueType::Int if empty.value.fract() == 0.0 && empty.value.abs() < 1e15 => {
                return Some(Value::Int(empty.value as i64));
            }
            _ => {}
        }
        self.mistakes.add(
            Mistake::new(
                format!("the feature is {}, `empty` is not", output_type.name()),
                empty.span.clone(),
            )
            .help("`empty` gives a number to features that are numbers: whole ones to counts"),
        );
        None
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Depth first; the error is a circle.
fn visit(
    at: usize,
    needs: &[Vec<usize>],
    marks: &mut [Mark],
    path: &mut Vec<usize>,
    order: &mut Vec<usize>,
) -> Result<(), Vec<usize>> {
    match marks[at] {
        Mark::Done => return Ok(()),
        Mark::Open => {
            let start = path.iter().position(|other| *other == at).unwrap_or(0);
            let circle = path[start..].to_vec();
            path.iter().for_each(|open| marks[*open] = Mark::Done);
            return Err(circle);
        }
        Mark::New => {}
    }
    marks[at] = Mark::Open;
    path.push(at);
    for next in &needs[at] {
        visit(*next, needs, marks, path, order)?;
    }
    path.pop();
    marks[at] = Mark::Done;
    order.push(at);
    Ok(())
}

/// The keys that name an aggregation, given or not.
fn all_aggregations(feature: &Feature) -> [(&'static str, &Option<Spanned<Source>>); 16] {
    [
        ("count", &feature.count),
        ("sum", &feature.sum),
        ("mean", &feature.mean),
        ("min", &feature.min),
        ("max", &feature.max),
        ("variance", &feature.variance),
        ("standard_deviation", &feature.standard_deviation),
        ("distinct", &feature.distinct),
        ("first", &feature.first),
        ("last", &feature.last),
        ("last_k", &feature.last_k),
        ("time_since_last", &feature.time_since_last),
        ("top_k", &feature.top_k),
        ("quantile", &feature.quantile),
        ("decayed_count", &feature.decayed_count),
        ("decayed_sum", &feature.decayed_sum),
    ]
}

fn aggregations(feature: &Feature) -> impl Iterator<Item = (&'static str, &Spanned<Source>)> {
    all_aggregations(feature)
        .into_iter()
        .filter_map(|(word, source)| Some((word, source.as_ref()?)))
}

/// Everything in a feature that is or may be an expression.
pub fn sources(feature: &Feature) -> impl Iterator<Item = &Spanned<Source>> {
    aggregations(feature)
        .map(|(_, source)| source)
        .chain(&feature.expression)
        .chain(&feature.when)
}

/// The keys that only an aggregation takes and that are there.
fn keys_of_aggregations(feature: &Feature) -> impl Iterator<Item = (&'static str, Span)> {
    [
        ("entity", feature.entity.as_ref().map(|value| &value.span)),
        ("of", feature.of.as_ref().map(|value| &value.span)),
        ("window", feature.window.as_ref().map(|value| &value.span)),
        ("delay", feature.delay.as_ref().map(|value| &value.span)),
        ("when", feature.when.as_ref().map(|value| &value.span)),
        (
            "include_current",
            feature.include_current.as_ref().map(|value| &value.span),
        ),
        ("empty", feature.empty.as_ref().map(|value| &value.span)),
        ("k", feature.k.as_ref().map(|value| &value.span)),
        ("q", feature.q.as_ref().map(|value| &value.span)),
        (
            "half_life",
            feature.half_life.as_ref().map(|value| &value.span),
        ),
    ]
    .into_iter()
    .filter_map(|(key, span)| Some((key, span?.clone())))
}

/// The fields that enter sums, by the input they come from.
pub fn summed_slots(stages: &[Vec<FeatureSpec>], input: u8) -> BTreeSet<(usize, Slot)> {
    let is_summed = |aggregation: Aggregation| {
        matches!(
            aggregation,
            Aggregation::Sum
                | Aggregation::Mean
                | Aggregation::Variance
                | Aggregation::StandardDeviation
                | Aggregation::Quantile(_)
                | Aggregation::Min
                | Aggregation::Max
                | Aggregation::DecayedSum { .. }
        )
    };
    stages
        .iter()
        .enumerate()
        .flat_map(|(stage, features)| features.iter().map(move |feature| (stage, feature)))
        .filter(|(_, feature)| feature.input == input && is_summed(feature.aggregation))
        .filter_map(|(stage, feature)| Some((stage, feature.value?)))
        .collect()
}

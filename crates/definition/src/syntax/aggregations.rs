//! The aggregations among a feature's keys: one key for each entry of the table in riskstream-features.

use super::read::{ExpressionText, Keys, Spanned};
use crate::diagnostics::{Diagnostics, enumerate};
use riskstream_features::{Aggregation, Definition, Empty, WindowRule};
use schemars::{Schema, SchemaGenerator};

/// An aggregation that a feature names, and what it aggregates: a value, or the events of an input.
#[derive(Clone, Debug)]
pub struct Aggregated {
    /// The aggregation's entry in the table.
    pub definition: &'static Definition,
    /// The value or the input.
    pub source: Spanned<ExpressionText>,
}

/// The aggregations that a feature names, in the order of the table. A correct feature names at most one.
#[derive(Clone, Debug)]
pub struct Aggregations(pub Vec<Aggregated>);

const TABLE: &[Definition] = Aggregation::TABLE;

/// The names of the entries that meet a condition, as a list in a sentence.
pub fn enumerate_where(condition: impl Fn(&Definition) -> bool) -> String {
    let meets = TABLE.iter().filter(|definition| condition(definition));
    enumerate(meets.map(|definition| definition.name))
}

impl Aggregations {
    /// The keys, in the order of the table.
    pub const KEYS: &[&'static str] = &{
        let mut names = [""; TABLE.len()];
        let mut at = 0;
        while at < TABLE.len() {
            names[at] = TABLE[at].name;
            at += 1;
        }
        names
    };

    /// Reads the keys that are given.
    pub(crate) fn take_all(keys: &Keys<'_>, diagnostics: &mut Diagnostics) -> Self {
        let mut given = Vec::new();
        for definition in TABLE {
            let source = keys.take::<Option<Spanned<ExpressionText>>>(definition.name, diagnostics);
            given.extend(source.flatten().map(|source| Aggregated { definition, source }));
        }
        Aggregations(given)
    }

    /// Adds the keys to the schema of a feature, and to the descriptions of other keys what the table says of them.
    pub(crate) fn describe(feature: &mut Schema) {
        let source = SchemaGenerator::default().subschema_for::<Option<Spanned<ExpressionText>>>();
        let Some(properties) = feature.get_mut("properties").and_then(|keys| keys.as_object_mut()) else {
            return;
        };
        for definition in TABLE {
            let mut key = source.clone();
            key.insert("description".to_owned(), definition.summary.into());
            properties.insert(definition.name.to_owned(), key.into());
        }
        for (key, more) in additions() {
            if let Some(serde_json::Value::String(text)) = properties[key].get_mut("description") {
                text.push(' ');
                text.push_str(&more);
            }
        }
    }
}

/// What the table says of keys that are not aggregations.
fn additions() -> [(&'static str, String); 5] {
    let with_key = |key| enumerate_where(|definition| definition.constructor.key() == Some(key));
    let with_window = |rule| enumerate_where(|definition| definition.window == rule);
    let window = format!(
        "{} need one with a limit. {} are unlimited unless it is given. {} take a `half_life` instead.",
        with_window(WindowRule::Limited),
        with_window(WindowRule::UnlimitedByDefault),
        with_window(WindowRule::HalfLife),
    );
    let zero = enumerate_where(|definition| definition.empty == Empty::Zero);
    [
        ("window", window),
        ("empty", format!("Unless given, 0 for {zero}, null for the others.")),
        ("k", format!("Needed by {}.", with_key("k"))),
        ("q", format!("Needed by {}.", with_key("q"))),
        ("half_life", format!("Needed by {}.", with_key("half_life"))),
    ]
}

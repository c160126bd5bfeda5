//! Tables among features: their keys may be features, and features may use them.

use super::FeatureCompiler;
use crate::compile::identifiers::identifiers;
use crate::compile::lists::{EntryListSettings, keys_of};
use crate::compile::lookups::{Holder, known, plan_lookups, resolve_keys};
use crate::compile::names::Symbol;
use crate::compile::tables::{LoadedTable, RowsOf};
use crate::diagnostics::Diagnostic;
use crate::syntax::Feature;
use riskstream_engine::plan::Within;
use riskstream_events::ValueType;
use riskstream_lists::{Records, RowKeys};

const HELP: &str = "use the field or feature that the rows are for: a BIN, a currency, an address";

/// What the keys of a table can be.
fn holder(keys: RowKeys) -> Holder {
    let (types, types_text): (&[ValueType], _) = match keys {
        RowKeys::Exact => (&[ValueType::Text, ValueType::Int], "texts or ints"),
        RowKeys::Range => (
            &[ValueType::Int, ValueType::Text],
            "ints, or texts of digits, if `match` is `range`",
        ),
        RowKeys::Network => (&[ValueType::Text], "texts if `match` is `network`"),
    };
    Holder {
        word: "table",
        types,
        types_text,
        help: HELP,
    }
}

impl<'f> FeatureCompiler<'_, 'f, '_> {
    /// The names of features that must be compiled before an expression that mentions `name`: those that a table of this name has
    /// as keys.
    pub(super) fn keys_of_table(&self, name: &str) -> impl Iterator<Item = &'f str> {
        let tables = self.tables.iter().filter(move |table| table.name == name);
        tables.flat_map(|table| {
            let also = table.also.0.iter().map(|also| also.value.as_str());
            also.chain([table.key.value.as_str()])
        })
    }

    /// Plans the look-ups in the tables that a feature mentions.
    pub(super) fn plan_tables_of(&mut self, feature: &Feature) {
        for source in feature.sources() {
            let mentioned = identifiers(&source.value.0);
            let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.tables)
                .into_iter()
                .partition(|table| mentioned.contains(table.name.as_str()));
            self.tables = later;
            now.into_iter().for_each(|table| self.plan_table(table));
        }
    }

    /// Plans the look-ups in the tables that no feature mentions.
    pub(super) fn plan_other_tables(&mut self) {
        let others = std::mem::take(&mut self.tables);
        others.into_iter().for_each(|table| self.plan_table(table));
    }

    fn plan_table(&mut self, table: &'f LoadedTable<'f>) {
        let holder = holder(table.table.keys());
        let keys = resolve_keys(
            holder,
            (table.key, table.also),
            self.inputs,
            self.names,
            self.diagnostics,
        );
        let Some(keys) = keys.filter(|keys| !self.refuse_personal(table, &keys[0])) else {
            return self.names.declare_broken(&table.name);
        };
        let columns = table
            .columns
            .iter()
            .map(|(name, value_type)| (name.as_str(), *value_type));
        let within = self.rows_of(table, &keys[0]);
        let lookups = plan_lookups(&table.name, &within, columns, &keys, self.names);
        for lookup in &lookups {
            for slot in lookup.entry.all() {
                self.provenances.looked_up(slot, lookup.key);
            }
        }
        self.names.set_table_lookups(&table.name, known(&lookups));
        self.compiled.lookups.extend(lookups);
    }

    /// Where the rows of a table are found. One that is from a topic gets an index among the versions in force.
    fn rows_of(&mut self, table: &LoadedTable<'_>, key: &Symbol) -> Within {
        let RowsOf::Topic(topic) = &table.rows else {
            return Within::Table(table.table.clone());
        };
        let tables = &mut self.compiled.topic_tables;
        tables.push(EntryListSettings {
            name: table.name.clone(),
            topic: topic.clone(),
            key: table.key.value.clone(),
            records: Records::Rows {
                keys: table.table.keys(),
                of: keys_of(key, self.names),
                columns: table.table.columns().clone(),
            },
        });
        Within::TableInForce(tables.len() - 1)
    }

    /// Whether the values of a key are pseudonyms that no row can be for, which is reported.
    fn refuse_personal(&mut self, table: &LoadedTable<'_>, key: &Symbol) -> bool {
        let has_pseudonyms = matches!(table.rows, RowsOf::Topic(_)) && table.table.keys() == RowKeys::Exact;
        let is_refused = self.names.is_pseudonym(key.slot) && !has_pseudonyms;
        if is_refused {
            let message = format!(
                "`{}` is personal data: no row of the table is for its pseudonym",
                table.key.value
            );
            self.diagnostics.add(Diagnostic::new(message, table.key.span.clone()).help(
                "look up a field that is derived from it (`derive: {card_bin: bin}`), or use a list: its commands compute the pseudonyms",
            ));
        }
        is_refused
    }
}

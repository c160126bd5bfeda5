//! The columns of rows that belong to entities: `merchants.category` is what the newest row of the transaction's merchant says.

use super::FeatureCompiler;
use crate::compile::rows::{UsedTable, columns};
use riskstream_engine::plan::InputKind;
use riskstream_events::{Slot, ValueType};
use riskstream_features::{Aggregation, FeatureSpec, Precision};

impl FeatureCompiler<'_, '_, '_> {
    /// Says which columns the tables have, for messages about names that are unknown. Uses of a table that was reported as broken
    /// are not reported again.
    pub(super) fn declare_tables_of_rows(&mut self, broken: &[String]) {
        for input in self.inputs.iter().filter(|input| input.kind == InputKind::Table) {
            let names = columns(input).map(|column| format!("{}.{column}", input.name));
            self.names.declare_rows(&input.name, names.collect());
        }
        broken.iter().for_each(|table| self.names.declare_broken(table));
    }

    /// Declares the columns of a table that are used. Gives their names and slots.
    pub(super) fn columns(&mut self, table: &UsedTable) -> Vec<(String, Slot)> {
        let columns = table.columns.iter();
        columns.filter_map(|column| self.column(table, column)).collect()
    }

    fn column(&mut self, table: &UsedTable, column: &str) -> Option<(String, Slot)> {
        let stage = self.entities.iter().position(|entity| entity.name == table.entity)?;
        let index = *self.input_index.get(&table.input)?;
        let input = self.inputs.iter().find(|input| input.name == table.input)?;
        let field = input.fields.get(column)?;
        let name = table.name_of(column);
        if !self.names.check_free(&name, &field.span, self.diagnostics) {
            return None;
        }
        let value = *self.fields.get(column)?;
        let output = self
            .names
            .declare(&name, field.value_type, ValueType::Float, field.span.clone());
        if self.names.is_pseudonym(value) {
            self.names.mark_pseudonym(output);
        }
        self.provenances.aggregation(output, stage);
        self.compiled.stages[stage].push(FeatureSpec {
            name: name.clone(),
            output,
            aggregation: Aggregation::Row,
            input: index,
            value: Some(value),
            condition: None,
            window: None,
            delay: 0,
            include_current: true,
            empty: None,
            precision: Precision::MILLIONTH,
        });
        Some((name, output))
    }
}

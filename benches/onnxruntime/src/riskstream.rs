//! riskstream-models, with the same interface as the module for ONNX Runtime.

use anyhow::Result;
use riskstream_models::{Cell, ColumnKind, Model, Scorer};

use crate::data::{Column, Table};

/// A loaded model, and the rows in its layout.
pub struct Riskstream<'t> {
    model: Model,
    scorer: Scorer,
    rows: Rows<'t>,
}

enum Rows<'t> {
    Numbers(Vec<f64>),
    Cells { cells: Vec<Cell<'t>>, encoded: Vec<f64> },
}

impl<'t> Riskstream<'t> {
    pub fn new(model: Model, table: &'t Table) -> Result<Self> {
        let rows = match &table.columns[..] {
            [Column::Numbers { values, .. }] => Rows::Numbers(values.iter().copied().map(f64::from).collect()),
            _ => Rows::Cells {
                cells: table.cells()?,
                encoded: Vec::new(),
            },
        };
        Ok(Riskstream {
            scorer: model.scorer(),
            model,
            rows,
        })
    }

    pub fn takes_texts(model: &Model) -> bool {
        model.columns().contains(&ColumnKind::Text)
    }

    /// Scores `count` rows from row `first` on. The time includes the encoding of texts.
    pub fn score(&mut self, first: usize, count: usize, scores: &mut Vec<f32>) -> Result<()> {
        let width = self.model.input_width();
        let range = first * width..(first + count) * width;
        match &mut self.rows {
            Rows::Numbers(rows) => self.scorer.score(&rows[range], scores)?,
            Rows::Cells { cells, encoded } => {
                encoded.clear();
                self.model.encode(&cells[range], encoded)?;
                self.scorer.score(encoded, scores)?;
            }
        }
        Ok(())
    }
}

//! The rows that both libraries score.

use std::ffi::{CString, c_char};
use std::path::Path;

use anyhow::{Context, Result};
use riskstream_models::Cell;

/// Rows in memory in ONNX Runtime's layout: one matrix for each input of a model.
pub struct Table {
    pub rows: usize,
    pub columns: Vec<Column>,
}

/// The columns of one input, in row-major order.
pub enum Column {
    Numbers {
        width: usize,
        values: Vec<f32>,
    },
    Texts {
        width: usize,
        texts: Vec<CString>,
        pointers: Vec<*const c_char>,
    },
}

impl Table {
    /// Reads 30 columns of floats from `numbers` and, with `has_texts`, two columns of texts from `cat.txt`.
    pub fn read(directory: &Path, numbers: &str, has_texts: bool) -> Result<Table> {
        let bytes = std::fs::read(directory.join(numbers)).with_context(|| format!("{}", directory.display()))?;
        let values: Vec<f32> = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect();
        let rows = values.len() / 30;
        let mut columns = vec![Column::Numbers { width: 30, values }];
        if has_texts {
            let text = std::fs::read_to_string(directory.join("cat.txt"))?;
            let texts: Vec<CString> = text
                .lines()
                .flat_map(|line| line.split(','))
                .map(CString::new)
                .collect::<Result<_, _>>()?;
            let pointers = texts.iter().map(|text| text.as_ptr()).collect();
            columns.push(Column::Texts {
                width: 2,
                texts,
                pointers,
            });
        }
        Ok(Table { rows, columns })
    }

    /// All cells in row-major order, which is riskstream's layout of rows with texts.
    pub fn cells(&self) -> Result<Vec<Cell<'_>>> {
        let mut cells = Vec::new();
        for row in 0..self.rows {
            for column in &self.columns {
                match column {
                    Column::Numbers { width, values } => {
                        cells.extend(values[row * width..][..*width].iter().map(|&value| Cell::Number(f64::from(value))));
                    }
                    Column::Texts { width, texts, .. } => {
                        for text in &texts[row * width..][..*width] {
                            cells.push(Cell::Text(text.to_str()?));
                        }
                    }
                }
            }
        }
        Ok(cells)
    }
}

//! The Python package `riskstream`: arguments and tables from Python to the commands of the crate `riskstream`, and their
//! results back. What is computed, and the texts of errors, are theirs.
//!
//! `python/riskstream/` has the functions that users call; this is the module `riskstream._riskstream` behind them.
#![deny(unsafe_code)]

mod arguments;
mod backfill;
mod backtest;
mod capsule;
mod check;
mod columns;
mod errors;
mod explain;
mod host;
mod model;
mod table;

use pyo3::prelude::*;

/// The engine of riskstream.
#[pymodule(gil_used = true)]
mod _riskstream {
    #[pymodule_export]
    use super::backfill::backfill;
    #[pymodule_export]
    use super::backtest::backtest;
    #[pymodule_export]
    use super::check::check;
    #[pymodule_export]
    use super::columns::Columns;
    #[pymodule_export]
    use super::errors::panic_for_tests;
    #[pymodule_export]
    use super::explain::explain;
    #[pymodule_export]
    use super::model::{Model, write_card};
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

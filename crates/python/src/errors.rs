//! Errors of commands as exceptions, with the commands' texts. `riskstream/_errors.py` has the classes.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use riskstream::commands::error::CommandError;
use riskstream_definition::Report;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs work of a command without the interpreter's lock: other threads of Python go on meanwhile.
///
/// # Errors
/// The command's error. A panic is an exception too.
pub fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, CommandError> + Send) -> PyResult<T> {
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(exception(py, &error)),
        Err(panic) => Err(internal(py, &*panic)),
    }
}

/// The exception of a command's error.
pub fn exception(py: Python<'_>, error: &CommandError) -> PyErr {
    match error {
        CommandError::InvalidFile(report) => of_report(py, "PipelineError", report),
        CommandError::Examples(report) => of_report(py, "ExamplesError", report),
        CommandError::Configuration(error) => of_class(py, "ConfigurationError", (format!("{error:#}"),)),
        CommandError::Failed(error) => of_class(py, "RunError", (format!("{error:#}"),)),
        CommandError::Logged(_) => of_class(py, "RunError", ("see the log",)),
    }
}

/// An argument that the command's parser refuses.
pub fn argument(py: Python<'_>, text: &str) -> PyErr {
    of_class(py, "ConfigurationError", (text,))
}

/// An object that gives no columns; the cause is its own exception.
pub fn input(py: Python<'_>, name: &str, error: &PyErr) -> PyErr {
    let raised = of_class(py, "ConfigurationError", (format!("{name}: {}", error.value(py)),));
    raised.set_cause(py, Some(error.clone_ref(py)));
    raised
}

/// The error with the report on records that the command prints before it.
pub fn with_report(py: Python<'_>, error: PyErr, report: &str) -> PyErr {
    let value = error.value(py);
    let noted = value.setattr("report", report).and_then(|()| match report.is_empty() {
        true => Ok(()),
        // Since Python 3.11, which shows it below the text.
        false if value.hasattr("add_note")? => value.call_method1("add_note", (report.trim_end(),)).map(drop),
        false => Ok(()),
    });
    noted.err().unwrap_or(error)
}

/// The diagnostics of a file as objects.
///
/// # Errors
/// The package is incomplete.
pub fn diagnostics<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyTuple>> {
    let class = py.import(MODULE)?.getattr("Diagnostic")?;
    let found: PyResult<Vec<_>> = report
        .findings()
        .map(|finding| {
            let (line, column) = finding.place.unzip();
            class.call1((finding.file, finding.message, line, column, finding.label, finding.help))
        })
        .collect();
    PyTuple::new(py, found?)
}

const MODULE: &str = "riskstream._errors";

fn of_report(py: Python<'_>, class: &str, report: &Report) -> PyErr {
    match diagnostics(py, report) {
        Ok(found) => of_class(py, class, (report.to_string().trim_end(), found)),
        Err(error) => error,
    }
}

fn of_class<'py>(py: Python<'py>, class: &str, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    let raised = py
        .import(MODULE)
        .and_then(|module| module.getattr(class)?.call1(arguments));
    raised.map_or_else(|error| error, PyErr::from_value)
}

fn internal(py: Python<'_>, panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let text = format!(
        "an error in riskstream itself, please report it: {}",
        text.unwrap_or("no message")
    );
    of_class(py, "InternalError", (text,))
}

/// Panics, so that a test can see what becomes of it.
#[pyfunction(name = "_panic_for_tests")]
pub fn panic_for_tests(py: Python<'_>) -> PyResult<()> {
    run(py, || -> Result<(), CommandError> { panic!("as a test asked") })
}

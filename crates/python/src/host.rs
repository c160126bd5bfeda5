//! Python as the host of a run: warnings, progress, Ctrl-C.

use anyhow::anyhow;
use pyo3::prelude::*;
use riskstream::commands::error::CommandError;
use riskstream::commands::host::Host;
use riskstream_definition::Report;
use riskstream_offline::backfill::Summary;
use std::time::{Duration, Instant};

/// How often Python is asked at most: its lock may be held by others for milliseconds.
const PAUSE: Duration = Duration::from_millis(50);

/// An object of `riskstream/_host.py`, which shows warnings and progress.
pub struct PythonHost {
    object: Py<PyAny>,
    interrupt: Interrupt,
}

impl PythonHost {
    /// The host of one call.
    pub fn new(object: Py<PyAny>) -> PythonHost {
        PythonHost {
            object,
            interrupt: Interrupt::default(),
        }
    }

    /// The exception of Ctrl-C, or of a function of the user's, if one ended the run.
    ///
    /// # Errors
    /// That exception.
    pub fn finish<T>(self, result: PyResult<T>) -> PyResult<T> {
        self.interrupt.finish(result)
    }

    fn call(&mut self, call: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>) {
        let called = Python::attach(|py| call(self.object.bind(py)).map(drop));
        if let Err(error) = called {
            self.interrupt.raised.get_or_insert(error);
        }
    }
}

impl Host for PythonHost {
    fn warn(&mut self, warnings: &Report) {
        let text = warnings.to_string();
        self.call(|host| host.call_method1("warn", (text.trim_end(),)));
    }

    fn remark(&mut self, text: &str) {
        self.call(|host| host.call_method1("remark", (text,)));
    }

    fn progressed(&mut self, summary: &Summary) -> bool {
        if !self.interrupt.is_due() {
            return !self.interrupt.is_raised();
        }
        let (records, decided) = (summary.records, summary.decided);
        self.call(|host| {
            host.py().check_signals()?;
            host.call_method1("progressed", (records, decided))
        });
        !self.interrupt.is_raised()
    }

    fn ended(&mut self) -> Result<(), CommandError> {
        self.call(|host| host.call_method0("ended"));
        match self.interrupt.is_raised() {
            false => Ok(()),
            true => Err(interrupted()),
        }
    }
}

/// Whether Ctrl-C was pressed while work goes on without the interpreter's lock.
#[derive(Default)]
pub struct Interrupt {
    raised: Option<PyErr>,
    asked: Option<Instant>,
}

impl Interrupt {
    /// Ends the work by an error if Ctrl-C was pressed. Cheap to call often.
    ///
    /// # Errors
    /// It was.
    pub fn check(&mut self) -> Result<(), CommandError> {
        if self.is_due() {
            self.raised = Python::attach(|py| py.check_signals()).err();
        }
        match self.is_raised() {
            false => Ok(()),
            true => Err(interrupted()),
        }
    }

    /// The exception that ended the work, or else its result.
    ///
    /// # Errors
    /// That exception.
    pub fn finish<T>(self, result: PyResult<T>) -> PyResult<T> {
        match self.raised {
            None => result,
            Some(raised) => Err(raised),
        }
    }

    fn is_raised(&self) -> bool {
        self.raised.is_some()
    }

    fn is_due(&mut self) -> bool {
        let is_due = !self.is_raised() && self.asked.is_none_or(|asked| asked.elapsed() >= PAUSE);
        if is_due {
            self.asked = Some(Instant::now());
        }
        is_due
    }
}

/// Only seen where no exception of Python takes its place.
fn interrupted() -> CommandError {
    CommandError::failed(anyhow!("interrupted"))
}

//! Ctrl-C and SIGTERM as a flag: whoever works looks at it between two steps, and leaves nothing half done.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit status of a process that was interrupted twice, as shells give it for SIGINT.
const INTERRUPTED: i32 = 130;

/// Set once the process was asked to end. A second request ends it at once.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Sets the handlers of SIGINT and SIGTERM.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn listen() -> std::io::Result<Interrupt> {
        let interrupt = Interrupt::default();
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in the order of registration: the first request finds the flag unset.
            flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&interrupt.0))?;
            flag::register(signal, Arc::clone(&interrupt.0))?;
        }
        Ok(interrupt)
    }

    /// Whether the process was asked to end.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

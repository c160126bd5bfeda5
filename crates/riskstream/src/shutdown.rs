//! The request to end the process, shared by all threads.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The exit code after a second signal: that of a shell for SIGINT.
const EXIT_CODE: i32 = 130;

/// Whether the process is to end. Work is interrupted between two steps, so that nothing is left half done. Cheap to
/// clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    /// A shutdown that SIGINT or SIGTERM requests. A second signal ends the process at once. Each signal has a thread that
    /// waits for it.
    ///
    /// # Errors
    /// The operating system gives no thread, or refuses the handlers.
    pub fn on_signals() -> io::Result<Shutdown> {
        let shutdown = Shutdown::default();
        let is_second = Arc::new(AtomicBool::new(false));
        for (signal, name) in [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM")] {
            let (mut receiver, sender) = UnixStream::pair()?;
            pipe::register(signal, sender)?;
            let (shutdown, is_second) = (shutdown.clone(), Arc::clone(&is_second));
            std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                while receiver.read_exact(&mut [0]).is_ok() {
                    if is_second.swap(true, Ordering::Relaxed) {
                        tracing::warn!(target: "riskstream", signal = name, "ending at once");
                        std::process::exit(EXIT_CODE);
                    }
                    tracing::info!(
                        target: "riskstream", signal = name,
                        "finishing the batch, then ending; a second signal ends at once"
                    );
                    shutdown.request();
                }
            })?;
        }
        Ok(shutdown)
    }

    /// Asks all threads to end.
    pub fn request(&self) {
        let (_, changed) = &*self.shared;
        *self.lock() = true;
        changed.notify_all();
    }

    /// Whether the process is to end.
    pub fn requested(&self) -> bool {
        *self.lock()
    }

    /// Waits for `pause`, or until the process is to end. Returns whether it is.
    pub fn wait(&self, pause: Duration) -> bool {
        let (_, changed) = &*self.shared;
        let waited = changed.wait_timeout_while(self.lock(), pause, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

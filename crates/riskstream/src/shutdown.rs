//! The request to end the process, as all threads see it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code after a second signal: that of a shell for SIGINT.
const EXIT_CODE: i32 = 130;

/// Whether the process is to end. Work is interrupted between two steps, so that nothing is left half done. Cheap to
/// clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    /// A shutdown that SIGINT or SIGTERM requests. A second signal ends the process at once. Signals are handled on a
    /// thread of their own.
    ///
    /// # Errors
    /// The operating system gives no thread, or refuses the handlers.
    pub fn on_signals() -> io::Result<Shutdown> {
        let shutdown = Shutdown::default();
        let requested = shutdown.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut interrupt, mut terminate) = {
            let _in_runtime = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                let signal = either(&mut interrupt, &mut terminate).await;
                tracing::info!(target: "riskstream", signal, "finishing the batch, then ending; a second signal ends at once");
                requested.request();
                let signal = either(&mut interrupt, &mut terminate).await;
                tracing::warn!(target: "riskstream", signal, "ending at once");
                std::process::exit(EXIT_CODE);
            });
        })?;
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

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

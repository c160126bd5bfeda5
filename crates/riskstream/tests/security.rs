//! A secure broker: the rights that a pipeline needs, mechanisms of authentication, and TLS. The tests start a broker of
//! their own (`scripts/kafka start --secure`).

mod support;

#[path = "security/mechanisms.rs"]
mod mechanisms;
#[path = "security/rights.rs"]
mod rights;
#[path = "security/tls.rs"]
mod tls;
#[cfg(feature = "oidc")]
#[path = "security/token_endpoint.rs"]
mod token_endpoint;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use support::broker::Broker;

/// The secure broker, which the tests of this file share. The last one stops it.
fn secure_broker() -> Arc<Broker> {
    static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let broker = Arc::new(Broker::start_secure());
        *shared = Arc::downgrade(&broker);
        broker
    })
}

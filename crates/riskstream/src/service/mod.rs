//! `riskstream run` as a service: worker threads, their supervision, health over HTTP.

mod clock;
mod health;
mod http;
mod instance;
mod job;
mod stop;
mod stores;
mod supervisor;
mod worker;

pub use health::Health;
pub use http::HttpServer;
pub use instance::{Instance, InstanceError};
pub use job::{Job, kafka_options, registry};
pub use stop::Stop;
pub use supervisor::supervise;

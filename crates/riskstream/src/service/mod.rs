//! The service of `riskstream run`: worker threads, their supervisor, and health and metrics over HTTP.

mod health;
mod http;
mod instance;
mod job;
mod stores;
mod supervisor;
mod worker;

pub use health::Health;
pub use http::HttpServer;
pub use instance::{Instance, InstanceError};
pub use job::Job;
pub use stores::RocksStores;
pub use supervisor::supervise;

//! The service of `riskstream run`: worker threads, their supervisor, and health and metrics over HTTP.

pub mod checkpoints;
mod health;
mod http;
mod http_connections;
mod instance;
mod job;
mod pauses;
mod private_files;
mod secret_mark;
mod standby;
mod state_directory;
mod stores;
mod supervisor;
mod worker;

pub use health::Health;
pub use http::HttpServer;
pub use instance::{Instance, InstanceError};
pub use job::Job;
pub use secret_mark::{SecretMarkError, check as check_secret_mark};
pub use standby::Standbys;
pub use state_directory::{StateDirectoryError, claim as claim_state_directory, pipeline_directory};
pub use stores::{OpenStates, RocksStores, standby_mark};
pub use supervisor::supervise;

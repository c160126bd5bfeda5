//! Decisions of the service are recorded and made again. The service runs on the in-process log.

mod audit;
mod compare;
mod shop;

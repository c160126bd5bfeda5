//! Roll-outs on the in-process log: which model decides on what, which only watches, which steps in.

#[path = "../../../definition/tests/rollout/shop.rs"]
mod shop;

mod champion;
mod circuit;
mod decides;
mod driver;
mod payments;
mod shadows;

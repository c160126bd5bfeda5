//! Deciding on batches of events with real models: fallbacks, challengers, time budgets, shadows, circuits, explanations.

mod budgets;
mod challengers;
mod circuits;
mod explanations;
mod fallbacks;
mod shadows;
mod shop;

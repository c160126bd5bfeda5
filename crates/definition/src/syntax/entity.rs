//! `entities:`.

use super::read::{Duration, Required, Spanned, section};

section! {
    /// An entity for which features are computed.
    pub struct Entity {
        /// The field that identifies the entity, such as `customer_id`. Text or int; 42 and "42" are the same.
        pub key: Required<String>,
        /// How late an event may arrive and still count in windows at its own time. Later ones are scored and flagged
        /// `too_late`, but not kept. A longer time takes more state.
        #[schemars(default, extend("default" = "1d"))]
        pub lateness: Option<Spanned<Duration>>,
        /// How long a transaction id is kept. A second transaction with the same id within this time does not count.
        #[schemars(default, extend("default" = "1d"))]
        pub dedupe: Option<Spanned<Duration>>,
        /// The longest time for which events of this entity may be kept. A feature that needs a longer one (delay + window
        /// + lateness) is an error. By default, as long as the features need.
        #[schemars(default)]
        pub retention: Option<Spanned<Duration>>,
        /// Numbers are rounded to multiples of this in sums, so that sums are exact: `0.01` for cents, `1e9` for amounts in wei.
        /// A feature can have its own.
        #[schemars(default, extend("default" = 0.000001))]
        pub precision: Option<Spanned<f64>>,
    }
}

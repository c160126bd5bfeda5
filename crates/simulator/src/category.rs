//! Merchant categories and their usual payments.

use crate::random::weighted_index;
use rand::Rng;

/// A merchant category.
pub(crate) struct Category {
    /// The value of the transaction's `merchant_category`.
    pub(crate) name: &'static str,
    /// The relative frequency of such shops in a town.
    physical_weight: f64,
    /// The relative frequency of such shops on the internet.
    online_weight: f64,
    /// The median of genuine payments, in euros.
    pub(crate) median: f64,
    /// The standard deviation of the logarithm of genuine payments.
    pub(crate) sigma: f64,
    /// Whether a thief can resell the goods.
    pub(crate) resellable: bool,
}

#[rustfmt::skip]
pub(crate) const CATEGORIES: [Category; 12] = [
    Category { name: "grocery",       physical_weight: 30.0, online_weight:  4.0, median:  28.0, sigma: 0.70, resellable: false },
    Category { name: "restaurant",    physical_weight: 18.0, online_weight:  5.0, median:  24.0, sigma: 0.60, resellable: false },
    Category { name: "fuel",          physical_weight:  8.0, online_weight:  0.0, median:  58.0, sigma: 0.35, resellable: false },
    Category { name: "transport",     physical_weight: 10.0, online_weight:  5.0, median:   9.0, sigma: 0.90, resellable: false },
    Category { name: "pharmacy",      physical_weight:  7.0, online_weight:  3.0, median:  17.0, sigma: 0.60, resellable: false },
    Category { name: "clothing",      physical_weight:  9.0, online_weight: 18.0, median:  52.0, sigma: 0.70, resellable: true },
    Category { name: "household",     physical_weight:  7.0, online_weight: 12.0, median:  45.0, sigma: 0.90, resellable: false },
    Category { name: "electronics",   physical_weight:  3.0, online_weight: 14.0, median: 120.0, sigma: 1.00, resellable: true },
    Category { name: "entertainment", physical_weight:  5.0, online_weight: 10.0, median:  22.0, sigma: 0.60, resellable: false },
    Category { name: "digital_goods", physical_weight:  0.0, online_weight: 16.0, median:  14.0, sigma: 0.80, resellable: true },
    Category { name: "travel",        physical_weight:  2.0, online_weight: 10.0, median: 160.0, sigma: 0.80, resellable: false },
    Category { name: "jewellery",     physical_weight:  1.0, online_weight:  3.0, median: 150.0, sigma: 0.90, resellable: true },
];

/// The index in [`CATEGORIES`] of a new shop in a town.
pub(crate) fn physical_category<R: Rng>(rng: &mut R) -> usize {
    weighted_index(rng, CATEGORIES.iter().map(|category| category.physical_weight))
}

/// The index in [`CATEGORIES`] of a new shop on the internet.
pub(crate) fn online_category<R: Rng>(rng: &mut R) -> usize {
    weighted_index(rng, CATEGORIES.iter().map(|category| category.online_weight))
}

//! Methods of attribution.

/// How contributions are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Exactly, for a sum of trees (Lundberg et al. 2020, interventional).
    Trees,
    /// Exactly, for a linear function.
    Linear,
    /// By sampling orders of the features from a fixed seed, in antithetic pairs (Castro et al. 2009).
    Sampling,
}

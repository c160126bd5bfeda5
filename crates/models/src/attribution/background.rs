//! Background rows.

/// Background rows, one after another.
#[derive(Clone, Debug)]
pub(super) struct Background {
    pub values: Vec<f64>,
    pub width: usize,
}

impl Background {
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }
}

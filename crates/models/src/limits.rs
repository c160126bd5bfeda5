//! Upper bounds on the size of a model.

/// Upper bounds on the size of a model. Loading a model that exceeds one fails with [`crate::ModelError::Limit`].
///
/// Counts in a file are checked against the number of bytes present before memory is allocated for them, so memory is
/// bounded by a small multiple of `file_bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// Number of nodes of the graph, subgraphs included.
    pub graph_nodes: usize,
    /// Number of elements of each tensor for one row, intermediate tensors included.
    pub tensor_elements: usize,
    /// Number of columns of all inputs.
    pub input_columns: usize,
}

impl Default for Limits {
    /// 256 MiB, 20,000 nodes, 64 million elements, 65,536 columns.
    fn default() -> Self {
        Limits {
            file_bytes: 256 << 20,
            graph_nodes: 20_000,
            tensor_elements: 64 << 20,
            input_columns: 1 << 16,
        }
    }
}

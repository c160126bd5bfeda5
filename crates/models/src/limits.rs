//! How large a model may be.

/// Upper bounds on what a model file may ask for; beyond them loading ends in [`crate::ModelError::Limit`].
///
/// Numbers in a file are checked against the bytes that back them before anything is allocated, so memory is bounded
/// by a small multiple of `file_bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// Nodes of the graph, subgraphs included.
    pub graph_nodes: usize,
    /// Elements of any one tensor for one row, intermediate ones included.
    pub tensor_elements: usize,
    /// Columns of all inputs together.
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

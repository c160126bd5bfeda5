//! String columns: each text is replaced by a code before the graph, and the graph is rewritten to work on codes.
//!
//! A model can only look a text up among its own texts: keys, categories, constants. These are its [`Vocabulary`]. The
//! code of a text is its index in the vocabulary, from 1; every text outside it has the code 0. Inside the graph tract
//! then moves integers, which it supports better than strings. A row stays a row of f32, and nothing is allocated for
//! it.

mod rewrite;
mod trace;

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, ValueInfoProto};

use crate::ModelError;
use crate::graph::fed_inputs;
pub(crate) use rewrite::encode;

/// Upper bound on the codes: a row holds them as f32, which is exact for integers up to this one.
const MAX_CODE: usize = 1 << 24;

/// The default of LabelEncoder and CategoryMapper for unknown keys, by the specification.
const DEFAULT: &str = "_Unused";

/// The texts that a model knows, with their codes. Empty for a model without string columns.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    codes: HashMap<String, u32>,
}

impl Vocabulary {
    /// The texts of a graph with string inputs, in the file's order.
    pub fn new(graph: &GraphProto) -> Result<Vocabulary, ModelError> {
        let mut vocabulary = Vocabulary::default();
        if !fed_inputs(graph).any(is_text) {
            return Ok(vocabulary);
        }
        vocabulary.add(DEFAULT.as_bytes());
        for tensor in &graph.initializer {
            tensor.string_data.iter().for_each(|text| vocabulary.add(text));
        }
        let holds_texts = |operator: &str| {
            matches!(
                operator,
                "LabelEncoder" | "CategoryMapper" | "OneHotEncoder" | "Constant"
            )
        };
        let nodes = graph.node.iter().filter(|node| holds_texts(&node.op_type));
        for attribute in nodes.flat_map(|node| &node.attribute) {
            let tensor = attribute.t.iter().flat_map(|tensor| &tensor.string_data);
            let single = std::iter::once(&attribute.s);
            attribute
                .strings
                .iter()
                .chain(tensor)
                .chain(single)
                .for_each(|text| vocabulary.add(text));
        }
        match vocabulary.codes.len() < MAX_CODE {
            true => Ok(vocabulary),
            false => Err(ModelError::Limit(format!("more than {MAX_CODE} different texts"))),
        }
    }

    /// Adds a text. Bytes that are not UTF-8 are left out: no text is equal to them.
    fn add(&mut self, text: &[u8]) {
        let Ok(text) = std::str::from_utf8(text) else { return };
        if !self.codes.contains_key(text) {
            self.codes.insert(text.to_owned(), self.codes.len() as u32 + 1);
        }
    }

    /// The code of `text`; 0 if the model does not know it.
    pub fn code(&self, text: &str) -> u32 {
        self.codes.get(text).copied().unwrap_or(0)
    }
}

/// Whether the input is a tensor of strings.
pub(crate) fn is_text(input: &ValueInfoProto) -> bool {
    let Some(TypeValue::TensorType(tensor)) = input.r#type.as_ref().and_then(|kind| kind.value.as_ref()) else {
        return false;
    };
    tensor.elem_type == DataType::String as i32
}

//! String columns: each text becomes a number before the graph, and the graph is rewritten to work on these numbers.
//!
//! All that a model can do with a text is to find it among texts of its own: keys, categories, constants. These make
//! up the [`Texts`]; a text's code is its place among them, and 0 stands for every text that the model does not know.
//! Inside the graph tract moves integers, which it does well, instead of strings, which it does not; a row stays a
//! row of f32, and nothing is allocated for it.

mod rewrite;
mod trace;

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, ValueInfoProto};

use crate::ModelError;
use crate::graph::fed_inputs;
pub(crate) use rewrite::encode;

/// Codes are carried in f32, which holds every integer up to this one.
const MOST: usize = 1 << 24;

/// What LabelEncoder and CategoryMapper give for an unknown key when the file names nothing else.
const DEFAULT: &str = "_Unused";

/// The texts that a model knows. Empty for a model without string columns.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    codes: HashMap<String, u32>,
}

impl Texts {
    /// The texts of a graph that has string inputs, in the file's order.
    pub fn new(graph: &GraphProto) -> Result<Texts, ModelError> {
        let mut texts = Texts::default();
        if !fed_inputs(graph).any(is_text) {
            return Ok(texts);
        }
        texts.add(DEFAULT.as_bytes());
        for tensor in &graph.initializer {
            tensor.string_data.iter().for_each(|text| texts.add(text));
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
                .for_each(|text| texts.add(text));
        }
        match texts.codes.len() < MOST {
            true => Ok(texts),
            false => Err(ModelError::Limit(format!("more than {MOST} different texts"))),
        }
    }

    /// Bytes that are no UTF-8 are left out: no text can be equal to them.
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

/// Whether an input takes texts.
pub(crate) fn is_text(input: &ValueInfoProto) -> bool {
    let Some(TypeValue::TensorType(tensor)) = input.r#type.as_ref().and_then(|kind| kind.value.as_ref()) else {
        return false;
    };
    tensor.elem_type == DataType::String as i32
}

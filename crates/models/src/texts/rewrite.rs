//! Rewrites a graph so that it works on the codes of texts that come from string inputs.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

use super::trace::{Trace, moves_elements};
use super::{DEFAULT, Vocabulary, is_text};
use crate::ModelError;
use crate::graph::{node_name, operator_name};

/// Rewrites `graph`, whose nodes are in topological order, to work on the codes of `vocabulary`.
///
/// # Errors
/// When an operator neither moves nor looks up a text from an input, or an output is such a text.
pub(crate) fn encode(graph: GraphProto, vocabulary: &Vocabulary) -> Result<GraphProto, ModelError> {
    if !graph.input.iter().any(is_text) {
        return Ok(graph);
    }
    let trace = Trace::new(&graph);
    if let Some(output) = graph.output.iter().find(|output| trace.is_coded(&output.name)) {
        return Err(ModelError::Invalid(format!(
            "the output {:?} is text taken from an input: leave it out of the export",
            output.name
        )));
    }
    let rewriter = Rewriter {
        graph: &graph,
        trace: &trace,
        vocabulary,
    };
    let nodes = graph.node.iter().map(|node| rewriter.node(node));
    let mut encoded = GraphProto {
        node: nodes.collect::<Result<_, _>>()?,
        ..graph.clone()
    };
    for tensor in &mut encoded.initializer {
        if trace.is_coded(&tensor.name) {
            *tensor = rewriter.tensor(tensor)?;
        }
    }
    for input in encoded.input.iter_mut().filter(|input| is_text(input)) {
        if let Some(TypeValue::TensorType(tensor)) = input.r#type.as_mut().and_then(|kind| kind.value.as_mut()) {
            tensor.elem_type = DataType::Int64 as i32;
        }
    }
    Ok(encoded)
}

struct Rewriter<'a> {
    graph: &'a GraphProto,
    trace: &'a Trace<'a>,
    vocabulary: &'a Vocabulary,
}

impl Rewriter<'_> {
    fn node(&self, node: &NodeProto) -> Result<NodeProto, ModelError> {
        let subgraphs = node
            .attribute
            .iter()
            .flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
        let reads = node.input.iter().any(|input| self.trace.is_coded(input));
        let writes = node.output.iter().any(|output| self.trace.is_coded(output));
        if subgraphs.clone().next().is_some() && self.is_captured(subgraphs) {
            return Err(unsupported(node));
        }
        if !reads && !writes {
            return Ok(node.clone());
        }
        match node.op_type.as_str() {
            operator if moves_elements(operator) => Ok(node.clone()),
            "Shape" | "Size" => Ok(node.clone()),
            "Equal" if node.input.iter().any(|input| self.is_constant(input)) => Ok(node.clone()),
            // A cast from text to text; `reads` excludes casts from numbers.
            "Cast" if reads && writes => Ok(NodeProto {
                op_type: "Identity".to_owned(),
                attribute: Vec::new(),
                ..node.clone()
            }),
            "Constant" => self.constant(node),
            "OneHotEncoder" => Ok(NodeProto {
                attribute: replaced(
                    node,
                    &["cats_strings", "cats_int64s"],
                    vec![self.codes(node, "cats_strings", "cats_int64s")?],
                ),
                ..node.clone()
            }),
            "LabelEncoder" => self.label_encoder(node, reads, writes),
            "CategoryMapper" => self.category_mapper(node, reads),
            _ => Err(unsupported(node)),
        }
    }

    /// Whether a subgraph reads a coded value of the outer graph.
    fn is_captured<'g>(&self, subgraphs: impl Iterator<Item = &'g GraphProto>) -> bool {
        let mut waiting: Vec<&GraphProto> = subgraphs.collect();
        while let Some(graph) = waiting.pop() {
            let outputs = graph.output.iter().map(|output| &output.name);
            let mut read = graph.node.iter().flat_map(|node| &node.input).chain(outputs);
            if read.any(|name| self.trace.is_coded(name)) {
                return true;
            }
            let attributes = graph.node.iter().flat_map(|node| &node.attribute);
            waiting.extend(attributes.flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)));
        }
        false
    }

    /// Whether the value is a constant. All unknown texts share a code, so only a comparison with a constant is exact.
    fn is_constant(&self, value: &str) -> bool {
        let is_node = |node: &NodeProto| node.op_type == "Constant" && node.output.iter().any(|output| output == value);
        self.graph.initializer.iter().any(|tensor| tensor.name == value) || self.graph.node.iter().any(is_node)
    }

    fn code(&self, text: &[u8]) -> Result<i64, ModelError> {
        let text = std::str::from_utf8(text)
            .map_err(|_| ModelError::Invalid("a text of the model is not UTF-8".to_owned()))?;
        Ok(i64::from(self.vocabulary.code(text)))
    }

    fn tensor(&self, tensor: &TensorProto) -> Result<TensorProto, ModelError> {
        let codes = tensor.string_data.iter().map(|text| self.code(text));
        Ok(TensorProto {
            name: tensor.name.clone(),
            dims: tensor.dims.clone(),
            data_type: DataType::Int64 as i32,
            int64_data: codes.collect::<Result<_, _>>()?,
            ..TensorProto::default()
        })
    }

    fn constant(&self, node: &NodeProto) -> Result<NodeProto, ModelError> {
        let attribute = node.attribute.first().ok_or_else(|| unsupported(node))?;
        let (dims, texts) = match (&attribute.t, attribute.strings.as_slice()) {
            (Some(tensor), _) => (tensor.dims.clone(), tensor.string_data.as_slice()),
            (None, []) => (Vec::new(), std::slice::from_ref(&attribute.s)),
            (None, texts) => (vec![texts.len() as i64], texts),
        };
        let texts = TensorProto {
            dims,
            string_data: texts.to_vec(),
            ..TensorProto::default()
        };
        let value = AttributeProto {
            name: "value".to_owned(),
            r#type: AttributeType::Tensor as i32,
            t: Some(self.tensor(&texts)?),
            ..AttributeProto::default()
        };
        Ok(NodeProto {
            attribute: vec![value],
            ..node.clone()
        })
    }

    /// The attribute `to`, holding the codes of the texts in the attribute `from`.
    fn codes(&self, node: &NodeProto, from: &str, to: &str) -> Result<AttributeProto, ModelError> {
        let tensor = from.replace("_strings", "_tensor");
        let given = node
            .attribute
            .iter()
            .find(|given| given.name == from || given.name == tensor);
        let texts = given.map_or(&[][..], |given| match &given.t {
            Some(tensor) => &tensor.string_data,
            None => &given.strings,
        });
        if texts.is_empty() {
            return Err(ModelError::Invalid(format!(
                "node {:?} reads texts but has no {from}",
                node_name(node)
            )));
        }
        let codes: Result<Vec<i64>, ModelError> = texts.iter().map(|text| self.code(text)).collect();
        Ok(integers(to, codes?))
    }

    fn default_code(&self, node: &NodeProto) -> Result<AttributeProto, ModelError> {
        let find = |name: &str| node.attribute.iter().find(|given| given.name == name);
        let tensor = find("default_tensor").and_then(|given| given.t.as_ref()?.string_data.first());
        let text = tensor.or_else(|| find("default_string").map(|given| &given.s));
        let code = self.code(text.map_or(DEFAULT.as_bytes(), Vec::as_slice))?;
        Ok(AttributeProto {
            name: "default_int64".to_owned(),
            r#type: AttributeType::Int as i32,
            i: code,
            ..AttributeProto::default()
        })
    }

    fn label_encoder(&self, node: &NodeProto, reads: bool, writes: bool) -> Result<NodeProto, ModelError> {
        let mut node = node.clone();
        if reads {
            // Version 1 maps the texts of a list to their indices.
            let classes = node.attribute.iter_mut().find(|given| given.name == "classes_strings");
            if let Some(classes) = classes {
                classes.name = "keys_strings".to_owned();
                let indices = (0..classes.strings.len() as i64).collect();
                node.attribute.push(integers("values_int64s", indices));
            }
            let keys = self.codes(&node, "keys_strings", "keys_int64s")?;
            node.attribute = replaced(&node, &["keys_strings", "keys_tensor", "keys_int64s"], vec![keys]);
        }
        if writes {
            let values = self.codes(&node, "values_strings", "values_int64s")?;
            let default = self.default_code(&node)?;
            let removed = [
                "values_strings",
                "values_tensor",
                "values_int64s",
                "default_string",
                "default_tensor",
                "default_int64",
            ];
            node.attribute = replaced(&node, &removed, vec![values, default]);
        }
        Ok(node)
    }

    /// A CategoryMapper maps texts to integers or integers to texts; on codes it is a LabelEncoder.
    fn category_mapper(&self, node: &NodeProto, reads: bool) -> Result<NodeProto, ModelError> {
        let find = |name: &str| node.attribute.iter().find(|given| given.name == name);
        let own = find("cats_int64s").map_or_else(Vec::new, |given| given.ints.clone());
        let attribute = if reads {
            let default = AttributeProto {
                name: "default_int64".to_owned(),
                r#type: AttributeType::Int as i32,
                i: find("default_int64").map_or(-1, |given| given.i),
                ..AttributeProto::default()
            };
            let keys = self.codes(node, "cats_strings", "keys_int64s")?;
            vec![keys, integers("values_int64s", own), default]
        } else {
            let values = self.codes(node, "cats_strings", "values_int64s")?;
            vec![integers("keys_int64s", own), values, self.default_code(node)?]
        };
        Ok(NodeProto {
            op_type: "LabelEncoder".to_owned(),
            attribute,
            ..node.clone()
        })
    }
}

fn unsupported(node: &NodeProto) -> ModelError {
    ModelError::Unsupported {
        operator: format!("{} on texts", operator_name(node)),
        node: node_name(node).to_owned(),
        advice: "texts can be moved, looked up (LabelEncoder, OneHotEncoder, CategoryMapper) and compared with a \
                 constant; compute that step before the model"
            .to_owned(),
    }
}

fn integers(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values,
        ..AttributeProto::default()
    }
}

/// The node's attributes without those named `removed`, followed by the `new` ones.
fn replaced(node: &NodeProto, removed: &[&str], new: Vec<AttributeProto>) -> Vec<AttributeProto> {
    let kept = node
        .attribute
        .iter()
        .filter(|given| !removed.contains(&given.name.as_str()));
    kept.cloned().chain(new).collect()
}

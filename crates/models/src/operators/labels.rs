//! Class labels and the two outputs of a classifier.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use super::kernel::{TensorType, tensor};

/// The labels of a classifier's classes.
#[derive(Clone, Debug)]
pub(crate) enum Labels {
    Integers(Vec<i64>),
    Strings(Vec<String>),
}

/// A label as an index into the class labels, or, where ONNX Runtime does not ask them, as itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Class(usize),
    Literal(i64),
}

impl Labels {
    /// From `classlabels_strings`, or the attribute `integers` when that is absent.
    pub fn read(attributes: Attributes<'_>, integers: &str) -> TractResult<Self> {
        let strings = attributes.strings("classlabels_strings")?;
        let labels = match strings.is_empty() {
            true => Labels::Integers(attributes.ints(integers)?.to_vec()),
            false => Labels::Strings(strings),
        };
        ensure!(
            (1..=1 << 16).contains(&labels.len()),
            "the classifier has {} class labels",
            labels.len()
        );
        Ok(labels)
    }

    pub fn len(&self) -> usize {
        match self {
            Labels::Integers(labels) => labels.len(),
            Labels::Strings(labels) => labels.len(),
        }
    }

    fn datum(&self) -> DatumType {
        match self {
            Labels::Integers(_) => i64::datum_type(),
            Labels::Strings(_) => String::datum_type(),
        }
    }

    pub fn tensor(&self, labels: &[Label]) -> TractResult<TValue> {
        let shape = [labels.len()];
        match self {
            Labels::Integers(names) => {
                let name = |label: &Label| match *label {
                    Label::Class(class) => names[class],
                    Label::Literal(value) => value,
                };
                tensor(&shape, labels.iter().map(name).collect::<Vec<i64>>())
            }
            Labels::Strings(names) => {
                let name = |label: &Label| match *label {
                    Label::Class(class) => names[class].clone(),
                    Label::Literal(value) => names.get(value as usize).cloned().unwrap_or_default(),
                };
                tensor(&shape, labels.iter().map(name).collect::<Vec<String>>())
            }
        }
    }
}

/// Which outputs a classifier has to compute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassifierOutputs {
    pub labels: bool,
    pub scores: bool,
}

impl ClassifierOutputs {
    /// Those that have a name; the graph's preparation takes it from those that nothing reads.
    pub fn of(node: &NodeProto) -> TractResult<Self> {
        let is_used = |output: usize| node.output.get(output).is_some_and(|name| !name.is_empty());
        let outputs = ClassifierOutputs {
            labels: is_used(0),
            scores: is_used(1),
        };
        ensure!(outputs.count() > 0, "the classifier has no outputs");
        Ok(outputs)
    }

    pub fn count(self) -> usize {
        usize::from(self.labels) + usize::from(self.scores)
    }

    /// The types of those outputs.
    pub fn types(self, rows: TDim, labels: &Labels, score_columns: usize) -> TVec<TensorType> {
        let mut types = tvec!();
        if self.labels {
            types.push(TensorType::new(labels.datum(), [rows.clone()]));
        }
        if self.scores {
            types.push(TensorType::new(f32::datum_type(), [rows, score_columns.to_dim()]));
        }
        types
    }
}

//! Class labels and the two outputs of a classifier.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use super::kernel::{TensorType, tensor};

/// The labels of a classifier's classes.
#[derive(Clone, Debug)]
pub(crate) enum ClassLabels {
    Integers(Vec<i64>),
    Strings(Vec<String>),
}

/// A label: an index into the class labels, or a literal where ONNX Runtime ignores the class labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClassLabel {
    Class(usize),
    Literal(i64),
}

impl ClassLabels {
    /// Reads `classlabels_strings`, or the attribute named `integers` if it is absent.
    pub fn read(attributes: Attributes<'_>, integers: &str) -> TractResult<Self> {
        let strings = attributes.strings("classlabels_strings")?;
        let labels = match strings.is_empty() {
            true => ClassLabels::Integers(attributes.ints(integers)?.to_vec()),
            false => ClassLabels::Strings(strings),
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
            ClassLabels::Integers(labels) => labels.len(),
            ClassLabels::Strings(labels) => labels.len(),
        }
    }

    fn datum(&self) -> DatumType {
        match self {
            ClassLabels::Integers(_) => i64::datum_type(),
            ClassLabels::Strings(_) => String::datum_type(),
        }
    }

    pub fn tensor(&self, labels: &[ClassLabel]) -> TractResult<TValue> {
        let shape = [labels.len()];
        match self {
            ClassLabels::Integers(names) => {
                let name = |label: &ClassLabel| match *label {
                    ClassLabel::Class(class) => names[class],
                    ClassLabel::Literal(value) => value,
                };
                tensor(&shape, labels.iter().map(name).collect::<Vec<i64>>())
            }
            ClassLabels::Strings(names) => {
                let name = |label: &ClassLabel| match *label {
                    ClassLabel::Class(class) => names[class].clone(),
                    ClassLabel::Literal(value) => names.get(value as usize).cloned().unwrap_or_default(),
                };
                tensor(&shape, labels.iter().map(name).collect::<Vec<String>>())
            }
        }
    }
}

/// The outputs that a classifier has to compute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassifierOutputs {
    pub labels: bool,
    pub scores: bool,
}

impl ClassifierOutputs {
    /// The outputs with a name. Preparing the graph clears the names of outputs that nothing reads.
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
    pub fn types(self, rows: TDim, labels: &ClassLabels, score_columns: usize) -> TVec<TensorType> {
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

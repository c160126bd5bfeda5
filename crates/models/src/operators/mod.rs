//! Operators that tract lacks or computes differently, one file for each family.
//!
//! Each is a [`kernel::Kernel`], registered with tract by name. If ONNX Runtime deviates from the specification, the
//! file says which of them is followed. docs/models.md lists these cases.

pub(crate) mod attributes;
pub(crate) mod encoding;
mod features;
pub(crate) mod kernel;
mod labels;
pub(crate) mod linear;
mod pairwise;
pub(crate) mod post_transform;
mod scaling;
mod svm;
mod tree_attributes;
mod tree_attributes_5;
pub(crate) mod tree_ensemble;
pub(crate) mod tree_scores;

use tract_onnx::model::{Onnx, OnnxOpRegister};

use crate::corrections;

/// tract's ONNX front end with this crate's operators.
pub(crate) fn front_end() -> Onnx {
    let mut onnx = tract_onnx::onnx()
        .with_ignore_output_types(true)
        .with_ignore_value_info(true);
    register(&mut onnx.op_register);
    corrections::register(&mut onnx.op_register);
    // Refused: tract divides the sum by the number of its terms, contrary to the specification.
    onnx.op_register.0.remove("GlobalLpPool");
    onnx
}

fn register(operators: &mut OnnxOpRegister) {
    encoding::register(operators);
    features::register(operators);
    linear::register(operators);
    scaling::register(operators);
    svm::register(operators);
    tree_ensemble::register(operators);
}

/// Advice for an operator that is not supported.
pub(crate) fn advice(operator: &str) -> &'static str {
    match operator {
        operator if operator.starts_with("Random") => {
            "a score must not depend on chance: export the model for inference"
        }
        "DictVectorizer" | "CastMap" => "export the model with tensor inputs instead of maps",
        "StringNormalizer" | "StringConcat" | "StringSplit" | "RegexFullMatch" | "TfIdfVectorizer" | "Tokenizer" => {
            "prepare texts before the model: within it they can only be looked up unchanged"
        }
        "GlobalLpPool" => "take the square root of the sum of squares instead (torch.linalg.vector_norm)",
        _ => "export the model without it, or compute that step before the model",
    }
}

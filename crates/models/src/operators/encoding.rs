//! LabelEncoder (ai.onnx.ml 1, 2 and 4), CategoryMapper and OneHotEncoder (ai.onnx.ml 1): lookups of values.
//!
//! The first of equal keys is used, and NaN is a key equal to itself, both as in ONNX Runtime. A OneHotEncoder over
//! numbers compares them as integers, truncated towards zero; NaN is in no category.

use std::collections::HashMap;
use std::hash::Hash;

use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use super::kernel::{Kernel, TensorType, operator, tensor};
use crate::program::RowFunction;

/// The error of a OneHotEncoder with `zeros` = 0 for a value outside its categories.
/// [`batch_check`](crate::batch_check) recognises it.
pub(crate) const UNKNOWN_CATEGORY: &str = "a value is in none of the categories";

pub(crate) fn register(operators: &mut OnnxOpRegister) {
    operators.insert("LabelEncoder", |context, node| {
        Ok(operator(label_encoder(context, node)?))
    });
    operators.insert("CategoryMapper", |_, node| Ok(operator(category_mapper(node)?)));
    operators.insert("OneHotEncoder", |_, node| Ok(operator(one_hot_encoder(node)?)));
}

/// A list of keys or values.
#[derive(Clone, Debug)]
enum Column {
    Strings(Vec<String>),
    Integers(Vec<i64>),
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Column::Strings(values) => values.len(),
            Column::Integers(values) => values.len(),
            Column::Floats(values) => values.len(),
            Column::Doubles(values) => values.len(),
        }
    }

    fn datum(&self) -> DatumType {
        match self {
            Column::Strings(_) => String::datum_type(),
            Column::Integers(_) => i64::datum_type(),
            Column::Floats(_) => f32::datum_type(),
            Column::Doubles(_) => f64::datum_type(),
        }
    }

    fn from_tensor(tensor: &Tensor) -> TractResult<Self> {
        let values = tensor.try_as_plain_ram()?;
        Ok(match tensor.datum_type() {
            DatumType::String => Column::Strings(values.as_slice::<String>()?.to_vec()),
            DatumType::F32 => Column::Floats(values.as_slice::<f32>()?.to_vec()),
            DatumType::F64 => Column::Doubles(values.as_slice::<f64>()?.to_vec()),
            _ => Column::Integers(tensor.cast_to::<i64>()?.try_as_plain_ram()?.as_slice::<i64>()?.to_vec()),
        })
    }
}

/// The position of each key. The keys of floats are their bits, with one zero and one NaN.
#[derive(Debug)]
enum Positions {
    Strings(HashMap<String, usize>),
    Integers(HashMap<i64, usize>),
    Floats(HashMap<u32, usize>),
    Doubles(HashMap<u64, usize>),
}

fn float_key(value: f32) -> u32 {
    if value.is_nan() {
        f32::NAN.to_bits()
    } else {
        (value + 0.0).to_bits()
    }
}

fn double_key(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        (value + 0.0).to_bits()
    }
}

fn positions<K: Eq + Hash>(keys: impl IntoIterator<Item = K>) -> HashMap<K, usize> {
    let mut positions = HashMap::new();
    for (position, key) in keys.into_iter().enumerate() {
        positions.entry(key).or_insert(position);
    }
    positions
}

impl Positions {
    fn new(keys: &Column) -> Self {
        match keys {
            Column::Strings(keys) => Positions::Strings(positions(keys.iter().cloned())),
            Column::Integers(keys) => Positions::Integers(positions(keys.iter().copied())),
            Column::Floats(keys) => Positions::Floats(positions(keys.iter().map(|&key| float_key(key)))),
            Column::Doubles(keys) => Positions::Doubles(positions(keys.iter().map(|&key| double_key(key)))),
        }
    }

    /// The position of each element of the input.
    fn find(&self, input: &TValue) -> TractResult<Vec<Option<usize>>> {
        Ok(match self {
            Positions::Strings(positions) => {
                let values = input.try_as_plain_ram()?.as_slice::<String>()?;
                values.iter().map(|value| positions.get(value).copied()).collect()
            }
            Positions::Integers(positions) => {
                let values = input.cast_to::<i64>()?;
                let values = values.try_as_plain_ram()?.as_slice::<i64>()?;
                values.iter().map(|value| positions.get(value).copied()).collect()
            }
            Positions::Floats(positions) => {
                let values = input.cast_to::<f32>()?;
                let values = values.try_as_plain_ram()?.as_slice::<f32>()?;
                values
                    .iter()
                    .map(|&value| positions.get(&float_key(value)).copied())
                    .collect()
            }
            Positions::Doubles(positions) => {
                let values = input.cast_to::<f64>()?;
                let values = values.try_as_plain_ram()?.as_slice::<f64>()?;
                values
                    .iter()
                    .map(|&value| positions.get(&double_key(value)).copied())
                    .collect()
            }
        })
    }

    fn are_strings(&self) -> bool {
        matches!(self, Positions::Strings(_))
    }
}

fn check_kind(keys_are_strings: bool, input: &TensorType) -> TractResult<()> {
    let input_is_strings = input.datum == String::datum_type();
    ensure!(
        keys_are_strings == input_is_strings,
        "the keys do not fit an input of {:?}",
        input.datum
    );
    Ok(())
}

/// Maps keys to values, and all else to a default.
#[derive(Debug)]
struct Lookup {
    name: &'static str,
    keys: Positions,
    values: Column,
    default: Column,
}

fn label_encoder(context: &ParsingContext<'_>, node: &NodeProto) -> TractResult<Lookup> {
    let attributes = Attributes(node);
    let classes = attributes.strings("classes_strings")?;
    if !classes.is_empty() {
        return label_encoder_1(attributes, classes);
    }
    let keys = column(context, attributes, "keys")?.context("there are no keys")?;
    let values = column(context, attributes, "values")?.context("there are no values")?;
    let default = match (attributes.tensor("default_tensor")?, &values) {
        (Some(tensor), _) => Column::from_tensor(&context.load_tensor(tensor)?)?,
        (None, Column::Strings(_)) => Column::Strings(vec![
            attributes.string("default_string")?.unwrap_or("_Unused").to_owned(),
        ]),
        (None, Column::Integers(_)) => Column::Integers(vec![attributes.int("default_int64")?.unwrap_or(-1)]),
        (None, Column::Floats(_)) => Column::Floats(vec![attributes.float("default_float")?.unwrap_or(-0.0)]),
        (None, Column::Doubles(_)) => Column::Doubles(vec![-0.0]),
    };
    lookup("LabelEncoder", &keys, values, default)
}

/// Version 1 maps strings to their positions, or positions to strings, depending on the type of the input. The type is
/// not known here, so this maps strings; an input of integers is refused.
fn label_encoder_1(attributes: Attributes<'_>, classes: Vec<String>) -> TractResult<Lookup> {
    let values = (0..classes.len() as i64).collect();
    let default = Column::Integers(vec![attributes.int("default_int64")?.unwrap_or(-1)]);
    lookup(
        "LabelEncoder",
        &Column::Strings(classes),
        Column::Integers(values),
        default,
    )
}

fn category_mapper(node: &NodeProto) -> TractResult<Lookup> {
    let attributes = Attributes(node);
    let strings = Column::Strings(attributes.strings("cats_strings")?);
    let integers = Column::Integers(attributes.ints("cats_int64s")?.to_vec());
    match attributes.string("default_string")? {
        Some(default) if attributes.int("default_int64")?.is_none() => lookup(
            "CategoryMapper",
            &integers,
            strings,
            Column::Strings(vec![default.to_owned()]),
        ),
        _ => {
            let default = Column::Integers(vec![attributes.int("default_int64")?.unwrap_or(-1)]);
            lookup("CategoryMapper", &strings, integers, default)
        }
    }
}

/// The attribute `prefix_strings`, `prefix_int64s`, `prefix_floats` or `prefix_tensor`; an error if there are several.
fn column(context: &ParsingContext<'_>, attributes: Attributes<'_>, prefix: &str) -> TractResult<Option<Column>> {
    let strings = attributes.strings(&format!("{prefix}_strings"))?;
    let integers = attributes.ints(&format!("{prefix}_int64s"))?;
    let floats = attributes.floats(&format!("{prefix}_floats"))?;
    let tensor = attributes.tensor(&format!("{prefix}_tensor"))?;
    let mut columns = Vec::new();
    if !strings.is_empty() {
        columns.push(Column::Strings(strings));
    }
    if !integers.is_empty() {
        columns.push(Column::Integers(integers.to_vec()));
    }
    if !floats.is_empty() {
        columns.push(Column::Floats(floats.to_vec()));
    }
    if let Some(tensor) = tensor {
        columns.push(Column::from_tensor(&context.load_tensor(tensor)?)?);
    }
    ensure!(columns.len() <= 1, "{prefix} are given twice");
    Ok(columns.pop())
}

fn lookup(name: &'static str, keys: &Column, values: Column, default: Column) -> TractResult<Lookup> {
    ensure!(
        keys.len() == values.len(),
        "{} keys for {} values",
        keys.len(),
        values.len()
    );
    ensure!(
        default.len() == 1 && default.datum() == values.datum(),
        "the default does not fit the values"
    );
    Ok(Lookup {
        name,
        keys: Positions::new(keys),
        values,
        default,
    })
}

impl Kernel for Lookup {
    fn name(&self) -> &'static str {
        self.name
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        check_kind(self.keys.are_strings(), &inputs[0])?;
        Ok(tvec!(TensorType::new(self.values.datum(), inputs[0].shape.clone())))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let positions = self.keys.find(&inputs[0])?;
        let shape = inputs[0].shape();
        let output = match (&self.values, &self.default) {
            (Column::Strings(values), Column::Strings(default)) => chosen(shape, &positions, values, default),
            (Column::Integers(values), Column::Integers(default)) => chosen(shape, &positions, values, default),
            (Column::Floats(values), Column::Floats(default)) => chosen(shape, &positions, values, default),
            (Column::Doubles(values), Column::Doubles(default)) => chosen(shape, &positions, values, default),
            _ => bail!("the default does not fit the values"),
        };
        Ok(tvec!(output?))
    }
}

fn chosen<T: Datum>(shape: &[usize], positions: &[Option<usize>], values: &[T], default: &[T]) -> TractResult<TValue> {
    let choose = |position: &Option<usize>| position.map_or(&default[0], |position| &values[position]).clone();
    tensor(shape, positions.iter().map(choose).collect())
}

/// Maps each value to a row of zeros with a one at its category.
#[derive(Debug)]
struct OneHotEncoder {
    categories: Positions,
    count: usize,
    /// Whether a value outside the categories gives only zeros; otherwise it is an error.
    allows_others: bool,
}

fn one_hot_encoder(node: &NodeProto) -> TractResult<OneHotEncoder> {
    let attributes = Attributes(node);
    let strings = attributes.strings("cats_strings")?;
    let integers = attributes.ints("cats_int64s")?;
    ensure!(
        strings.is_empty() != integers.is_empty(),
        "categories must be given either as strings or as integers"
    );
    let categories = match strings.is_empty() {
        true => Column::Integers(integers.to_vec()),
        false => Column::Strings(strings),
    };
    let allows_others = attributes.int("zeros")?.unwrap_or(1) != 0;
    Ok(OneHotEncoder {
        count: categories.len(),
        categories: Positions::new(&categories),
        allows_others,
    })
}

impl OneHotEncoder {
    fn positions(&self, input: &TValue) -> TractResult<Vec<Option<usize>>> {
        let Positions::Integers(categories) = &self.categories else {
            return self.categories.find(input);
        };
        if !input.datum_type().is_float() {
            return self.categories.find(input);
        }
        let values = input.cast_to::<f64>()?;
        let values = values.try_as_plain_ram()?.as_slice::<f64>()?;
        Ok(values.iter().map(|&value| position(categories, value)).collect())
    }
}

/// The position of the integer part of a number.
fn position(categories: &HashMap<i64, usize>, value: f64) -> Option<usize> {
    if value.is_nan() {
        None
    } else {
        categories.get(&(value as i64)).copied()
    }
}

impl Kernel for OneHotEncoder {
    fn name(&self) -> &'static str {
        "OneHotEncoder"
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        check_kind(self.categories.are_strings(), &inputs[0])?;
        let shape = inputs[0].shape.iter().cloned().chain([self.count.to_dim()]);
        Ok(tvec!(TensorType::new(f32::datum_type(), shape)))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let positions = self.positions(&inputs[0])?;
        let mut encoded = vec![0f32; positions.len() * self.count];
        for (position, row) in positions.into_iter().zip(encoded.chunks_exact_mut(self.count)) {
            match position {
                Some(position) => row[position] = 1.0,
                None => ensure!(self.allows_others, "{UNKNOWN_CATEGORY}"),
            }
        }
        let shape: Vec<usize> = inputs[0].shape().iter().copied().chain([self.count]).collect();
        Ok(tvec!(tensor(&shape, encoded)?))
    }

    fn row_function(self: Arc<Self>, _: &TensorType) -> Option<Box<dyn RowFunction>> {
        let is_known = matches!(self.categories, Positions::Integers(_));
        let function = move |rows: &[f32], output: &mut [f32]| {
            let Positions::Integers(categories) = &self.categories else {
                bail!("the categories are not integers");
            };
            output.fill(0.0);
            for (&value, encoded) in rows.iter().zip(output.chunks_exact_mut(self.count)) {
                match position(categories, f64::from(value)) {
                    Some(position) => encoded[position] = 1.0,
                    None => ensure!(self.allows_others, "{UNKNOWN_CATEGORY}"),
                }
            }
            Ok(())
        };
        is_known.then(|| Box::new(function) as Box<dyn RowFunction>)
    }
}

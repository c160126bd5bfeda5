//! Damages model files: their bytes, or the decoded messages.

use prost::Message;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

/// A deterministic generator (SplitMix64), for the same damage on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// A damaged copy of `bytes`; parts may come from `other`.
pub fn damaged(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..=random.below(4) {
        // Damage to messages passes the decoder more often, so it is chosen more often.
        match random.below(3) {
            0 => damage_bytes(&mut damaged, other, random),
            _ => {
                if let Ok(mut model) = ModelProto::decode(&*damaged) {
                    damage_model(&mut model, random);
                    damaged = model.encode_to_vec();
                }
            }
        }
    }
    damaged
}

fn damage_bytes(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let position = random.below(bytes.len());
    let end = (position + 1 + random.below(16)).min(bytes.len());
    match random.below(6) {
        0 => bytes[position] ^= 1 << random.below(8),
        1 => {
            let filling = random.one_of(&[0x00, 0xff, 0x7f, 0x80]);
            bytes[position..end].fill(filling);
        }
        2 => bytes.truncate(position),
        3 => drop(bytes.drain(position..end)),
        4 => {
            let part = bytes[position..end].to_vec();
            let place = random.below(bytes.len());
            bytes.splice(place..place, part);
        }
        _ => {
            let first = random.below(other.len());
            let last = (first + random.below(200)).min(other.len());
            bytes.splice(position..end, other[first..last].iter().copied());
        }
    }
}

const INTEGERS: [i64; 18] = [
    0,
    1,
    -1,
    2,
    3,
    7,
    127,
    255,
    1 << 16,
    1 << 24,
    1 << 30,
    (1 << 31) - 1,
    1 << 31,
    1 << 32,
    1 << 40,
    1 << 62,
    i64::MAX,
    i64::MIN,
];

const FLOATS: [f32; 9] = [
    0.0,
    -0.0,
    1.0,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::MIN_POSITIVE,
    -1e30,
];

fn damage_model(model: &mut ModelProto, random: &mut Random) {
    if random.below(20) == 0 {
        if let Some(set) = model.opset_import.first_mut() {
            set.version = random.one_of(&INTEGERS);
        }
        return;
    }
    if let Some(graph) = &mut model.graph {
        damage_graph(graph, random);
    }
}

fn damage_graph(graph: &mut GraphProto, random: &mut Random) {
    let nodes = graph.node.len();
    match random.below(12) {
        0 if nodes > 0 => drop(graph.node.remove(random.below(nodes))),
        1 if nodes > 0 => {
            let copy = graph.node[random.below(nodes)].clone();
            graph.node.push(copy);
        }
        2 if !graph.initializer.is_empty() => {
            let position = random.below(graph.initializer.len());
            damage_tensor(&mut graph.initializer[position], random);
        }
        3 if !graph.input.is_empty() => damage_input(graph, random),
        4 if nodes > 1 => {
            let (first, second) = (random.below(nodes), random.below(nodes));
            graph.node.swap(first, second);
        }
        5 if nodes > 1 => {
            // The operator of one node with the attributes of another.
            let operator = graph.node[random.below(nodes)].op_type.clone();
            graph.node[random.below(nodes)].op_type = operator;
        }
        _ if nodes > 0 => {
            let names: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
            let position = random.below(nodes);
            damage_node(&mut graph.node[position], &names, random);
        }
        _ => {}
    }
}

fn damage_input(graph: &mut GraphProto, random: &mut Random) {
    use tract_onnx::pb::tensor_shape_proto::dimension::Value;
    use tract_onnx::pb::type_proto::Value as TypeValue;
    let position = random.below(graph.input.len());
    let kind = graph.input[position].r#type.as_mut();
    let Some(TypeValue::TensorType(tensor)) = kind.and_then(|kind| kind.value.as_mut()) else {
        return;
    };
    if random.below(2) == 0 {
        tensor.elem_type = random.below(17) as i32;
    } else if let Some(shape) = &mut tensor.shape
        && !shape.dim.is_empty()
    {
        let axis = random.below(shape.dim.len());
        let value = random.one_of(&[
            None,
            Some(0),
            Some(1),
            Some(2),
            Some(5),
            Some(1 << 16),
            Some(1 << 40),
            Some(-1),
        ]);
        shape.dim[axis].value = value.map(Value::DimValue);
    }
}

fn damage_node(node: &mut NodeProto, names: &[String], random: &mut Random) {
    let attributes = node.attribute.len();
    match random.below(10) {
        0 if !node.input.is_empty() && !names.is_empty() => {
            let position = random.below(node.input.len());
            node.input[position] = names[random.below(names.len())].clone();
        }
        1 => drop(node.input.pop()),
        2 if !names.is_empty() => node.input.push(names[random.below(names.len())].clone()),
        3 if attributes > 0 => drop(node.attribute.remove(random.below(attributes))),
        4 if attributes > 1 => {
            let name = node.attribute[random.below(attributes)].name.clone();
            node.attribute[random.below(attributes)].name = name;
        }
        _ if attributes > 0 => {
            let position = random.below(attributes);
            damage_attribute(&mut node.attribute[position], random);
        }
        _ => {}
    }
}

fn damage_attribute(attribute: &mut AttributeProto, random: &mut Random) {
    if let Some(tensor) = &mut attribute.t {
        damage_tensor(tensor, random);
        return;
    }
    if let Some(graph) = &mut attribute.g {
        damage_graph(graph, random);
        return;
    }
    let small = random.below(12) as i64;
    if attribute.ints.is_empty() && attribute.floats.is_empty() && attribute.strings.is_empty() {
        attribute.i = random.one_of(&INTEGERS);
        attribute.f = random.one_of(&FLOATS);
        return;
    }
    match random.below(6) {
        0 => {
            let length = random.below(8);
            attribute.ints.truncate(length);
            attribute.floats.truncate(length);
            attribute.strings.truncate(length);
        }
        1 => {
            attribute.ints.extend_from_within(..);
            attribute.floats.extend_from_within(..);
            attribute.strings.extend_from_within(..);
        }
        _ => {
            if !attribute.ints.is_empty() {
                let position = random.below(attribute.ints.len());
                let any = random.one_of(&INTEGERS);
                attribute.ints[position] = random.one_of(&[small, small, any]);
            }
            if !attribute.floats.is_empty() {
                let position = random.below(attribute.floats.len());
                attribute.floats[position] = random.one_of(&FLOATS);
            }
            if !attribute.strings.is_empty() {
                let from = attribute.strings[random.below(attribute.strings.len())].clone();
                let to = random.below(attribute.strings.len());
                attribute.strings[to] = from;
            }
        }
    }
}

fn damage_tensor(tensor: &mut TensorProto, random: &mut Random) {
    match random.below(5) {
        0 if !tensor.dims.is_empty() => {
            let axis = random.below(tensor.dims.len());
            tensor.dims[axis] = random.one_of(&INTEGERS);
        }
        1 => tensor.data_type = random.below(20) as i32,
        2 => tensor.dims.push(1),
        3 if !tensor.int64_data.is_empty() => {
            let position = random.below(tensor.int64_data.len());
            tensor.int64_data[position] = random.one_of(&INTEGERS);
        }
        _ if !tensor.raw_data.is_empty() => {
            let position = random.below(tensor.raw_data.len());
            tensor.raw_data[position] = random.one_of(&[0, 0xff, 0x7f, 0x80]);
        }
        _ if !tensor.float_data.is_empty() => {
            let position = random.below(tensor.float_data.len());
            tensor.float_data[position] = random.one_of(&FLOATS);
        }
        _ => {}
    }
}

//! Prepares a graph for tract: prunes it to the wanted outputs, sorts its nodes, and replaces maps by tensors.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto};

use crate::{ModelError, recurrent};

/// The graph of a model.
pub(crate) fn graph(model: &ModelProto) -> Result<&GraphProto, ModelError> {
    let graph = model.graph.as_ref();
    graph.ok_or_else(|| ModelError::Invalid("the file holds no graph".to_owned()))
}

/// The inputs of the graph that are not initializers.
pub(crate) fn fed_inputs(graph: &GraphProto) -> impl Iterator<Item = &ValueInfoProto> {
    let initializers: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    graph
        .input
        .iter()
        .filter(move |input| !initializers.contains(input.name.as_str()))
}

/// The name of a node in errors: its own, or that of its first output.
pub(crate) fn node_name(node: &NodeProto) -> &str {
    match (node.name.as_str(), node.output.first()) {
        ("", Some(output)) => output,
        (name, _) => name,
    }
}

/// The operator with its domain.
pub(crate) fn operator_name(node: &NodeProto) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// A copy of `graph` pruned to the nodes that `outputs` depend on, in topological order.
pub(crate) fn prepare(graph: &GraphProto, outputs: &[&str]) -> Result<GraphProto, ModelError> {
    let producers = producers(graph)?;
    let order = order(graph, &producers, outputs)?;
    let mut prepared = GraphProto {
        name: graph.name.clone(),
        ..GraphProto::default()
    };
    let nodes = order.iter().map(|&node| for_tract(&graph.node[node]));
    prepared.node = nodes.flat_map(recurrent::with_initial_states).collect();
    let mut used: HashSet<String> = prepared.node.iter().flat_map(read_names).map(str::to_owned).collect();
    used.extend(outputs.iter().map(|&output| output.to_owned()));
    for node in &mut prepared.node {
        blank_unused_outputs(node, &used);
    }
    prepared.initializer = graph
        .initializer
        .iter()
        .filter(|tensor| used.contains(&tensor.name))
        .cloned()
        .collect();
    prepared.input = fed_inputs(graph).cloned().collect();
    make_names_unique(&mut prepared);
    let output = |&name: &&str| ValueInfoProto {
        name: name.to_owned(),
        ..ValueInfoProto::default()
    };
    prepared.output = outputs.iter().map(output).collect();
    Ok(prepared)
}

/// Gives every node a unique name, which tract requires and ONNX does not.
fn make_names_unique(graph: &mut GraphProto) {
    let inputs = graph.input.iter().map(|input| input.name.clone());
    let mut taken: HashSet<String> = inputs
        .chain(graph.initializer.iter().map(|tensor| tensor.name.clone()))
        .collect();
    for (index, node) in graph.node.iter_mut().enumerate() {
        let mut name = node_name(node).to_owned();
        if taken.contains(&name) {
            name = format!("{name}#{index}");
        }
        taken.insert(name.clone());
        node.name = name;
    }
}

/// The node that writes each value; `None` for inputs and initializers. Each value may be written only once.
fn producers(graph: &GraphProto) -> Result<HashMap<&str, Option<usize>>, ModelError> {
    let invalid = |reason: String| Err(ModelError::Invalid(reason));
    let mut producers: HashMap<&str, Option<usize>> = HashMap::new();
    for tensor in &graph.initializer {
        if producers.insert(&tensor.name, None).is_some() {
            return invalid(format!("two initializers are named {:?}", tensor.name));
        }
    }
    for input in fed_inputs(graph) {
        if producers.insert(&input.name, None).is_some() {
            return invalid(format!("two inputs are named {:?}", input.name));
        }
    }
    for (index, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if producers.insert(output, Some(index)).is_some() {
                return invalid(format!("the value {output:?} is written twice"));
            }
        }
    }
    Ok(producers)
}

/// The nodes that `outputs` depend on, in topological order.
///
/// # Errors
/// When they form a cycle, or a value is read that nothing writes.
fn order(
    graph: &GraphProto,
    producers: &HashMap<&str, Option<usize>>,
    outputs: &[&str],
) -> Result<Vec<usize>, ModelError> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        New,
        Open,
        Done,
    }
    let find = |name: &str| {
        let missing = || ModelError::Invalid(format!("the value {name:?} is read but never written"));
        producers.get(name).copied().ok_or_else(missing)
    };
    let mut visits = vec![Visit::New; graph.node.len()];
    let mut order = Vec::new();
    let mut stack = Vec::new();
    for output in outputs {
        stack.extend(find(output)?.map(|node| (node, false)));
        while let Some((node, are_inputs_done)) = stack.pop() {
            if are_inputs_done {
                visits[node] = Visit::Done;
                order.push(node);
                continue;
            }
            match visits[node] {
                Visit::Done => continue,
                Visit::Open => {
                    return Err(ModelError::Invalid(format!(
                        "node {:?} depends on itself",
                        node_name(&graph.node[node])
                    )));
                }
                Visit::New => visits[node] = Visit::Open,
            }
            stack.push((node, true));
            for input in read_names(&graph.node[node]) {
                if let Some(producer) = find(input)?
                    && visits[producer] != Visit::Done
                {
                    stack.push((producer, false));
                }
            }
        }
    }
    Ok(order)
}

/// The names of the values that a node reads, including those that its subgraphs capture.
fn read_names(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> = node
        .input
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    for attribute in &node.attribute {
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            captured_names(graph, &mut names);
        }
    }
    names
}

fn captured_names<'a>(graph: &'a GraphProto, names: &mut Vec<&'a str>) {
    let inputs = graph.input.iter().map(|input| input.name.as_str());
    let initializers = graph.initializer.iter().map(|tensor| tensor.name.as_str());
    let written = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
    let own: HashSet<&str> = inputs.chain(initializers).chain(written).collect();
    let read = graph.node.iter().flat_map(read_names);
    let outputs = graph.output.iter().map(|output| output.name.as_str());
    names.extend(read.chain(outputs).filter(|name| !own.contains(name)));
}

/// A node in the form that tract supports. A ZipMap becomes the identity: the score is a column of its input, in the
/// order of the class labels. A ConstantOfShape without a value gets the default of the specification, a zero of f32,
/// where tract uses f64.
fn for_tract(node: &NodeProto) -> NodeProto {
    match node.op_type.as_str() {
        "ZipMap" => NodeProto {
            op_type: "Identity".to_owned(),
            domain: String::new(),
            attribute: Vec::new(),
            ..node.clone()
        },
        "ConstantOfShape" if node.attribute.is_empty() => NodeProto {
            attribute: vec![recurrent::zero()],
            ..node.clone()
        },
        _ => node.clone(),
    }
}

/// Clears the names of outputs that nothing reads, for the operators that can omit them.
fn blank_unused_outputs(node: &mut NodeProto, used: &HashSet<String>) {
    if !matches!(
        node.op_type.as_str(),
        "TreeEnsembleClassifier" | "LinearClassifier" | "SVMClassifier"
    ) {
        return;
    }
    for output in &mut node.output {
        if !used.contains(output) {
            output.clear();
        }
    }
}

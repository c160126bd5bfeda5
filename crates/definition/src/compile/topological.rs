//! The order in which definitions that need each other are compiled.

/// The nodes in topological order: each after those that it needs, by their indices. Each circle is reported; some of its nodes
/// are left out.
pub fn in_order(needs: &[Vec<usize>], report: &mut dyn FnMut(&[usize])) -> Vec<usize> {
    let mut order = Vec::new();
    let mut marks = vec![VisitState::New; needs.len()];
    for start in 0..needs.len() {
        let mut path = Vec::new();
        if let Err(circle) = visit(start, needs, &mut marks, &mut path, &mut order) {
            report(&circle);
        }
    }
    order
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum VisitState {
    New,
    Open,
    Done,
}

/// Depth-first search. The error is a cycle.
fn visit(
    at: usize,
    needs: &[Vec<usize>],
    marks: &mut [VisitState],
    path: &mut Vec<usize>,
    order: &mut Vec<usize>,
) -> Result<(), Vec<usize>> {
    match marks[at] {
        VisitState::Done => return Ok(()),
        VisitState::Open => {
            let start = path.iter().position(|other| *other == at).unwrap_or(0);
            let circle = path[start..].to_vec();
            path.iter().for_each(|open| marks[*open] = VisitState::Done);
            return Err(circle);
        }
        VisitState::New => {}
    }
    marks[at] = VisitState::Open;
    path.push(at);
    for next in &needs[at] {
        visit(*next, needs, marks, path, order)?;
    }
    path.pop();
    marks[at] = VisitState::Done;
    order.push(at);
    Ok(())
}

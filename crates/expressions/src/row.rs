//! The values that an expression is evaluated over: the row's slots and, inside a loop, the current element.

use riskstream_events::{Slot, Value};

/// The slot of the variable of a loop that is not within another one. Those of inner loops follow.
pub(crate) const LOOP_VARIABLES: Slot = usize::MAX - MAX_LOOPS;

/// Loops are nested at most so deep.
pub(crate) const MAX_LOOPS: usize = 2;

/// The values of slots and loop variables.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    slots: &'a [Value],
    /// The innermost loop, if there is one.
    innermost: Option<Iteration<'a>>,
}

/// One turn of a loop.
#[derive(Clone, Copy)]
struct Iteration<'a> {
    variable: Slot,
    element: &'a Value,
    around: &'a Row<'a>,
}

impl<'a> Row<'a> {
    #[inline]
    pub(crate) fn new(slots: &'a [Value]) -> Self {
        Row { slots, innermost: None }
    }

    /// The row for one turn of a loop.
    pub(crate) fn with(&'a self, variable: Slot, element: &'a Value) -> Row<'a> {
        Row {
            slots: self.slots,
            innermost: Some(Iteration {
                variable,
                element,
                around: self,
            }),
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&'a Value> {
        match self.slots.get(slot) {
            Some(value) => Some(value),
            None => self.element(slot),
        }
    }

    fn element(&self, slot: Slot) -> Option<&'a Value> {
        let turn = self.innermost?;
        match turn.variable == slot {
            true => Some(turn.element),
            false => turn.around.element(slot),
        }
    }
}

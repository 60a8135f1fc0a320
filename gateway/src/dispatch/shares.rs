//! What each node is asked for in the step under way: one span a node, however many layers there are.

use conclave_telemetry::{NodeShare, SpanPlace, SpanRole};
use conclave_types::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The shares of the step under way.
#[derive(Default)]
pub(crate) struct Shares(Mutex<Option<Step>>);

struct Step {
    place: SpanPlace,
    nodes: BTreeMap<NodeId, Arc<NodeShare>>,
}

/// Ends the shares of its step when it is dropped.
pub(crate) struct StepShares<'a>(&'a Shares);

impl Drop for StepShares<'_> {
    fn drop(&mut self) {
        *self.0.step() = None;
    }
}

impl Shares {
    fn step(&self) -> MutexGuard<'_, Option<Step>> {
        self.0.lock().expect("no panic holds this lock")
    }

    /// What follows belongs to the step at `place`; `None`: nobody will see it.
    pub(crate) fn begin(&self, place: Option<SpanPlace>) -> StepShares<'_> {
        *self.step() = place.map(|place| Step { place, nodes: BTreeMap::new() });
        StepShares(self)
    }

    /// A call to `node` with so many rows; its share, if somebody will see it.
    pub(super) fn called(&self, node: NodeId, rows: usize) -> Option<Arc<NodeShare>> {
        let mut step = self.step();
        let Step { place, nodes } = step.as_mut()?;
        let share = match nodes.get(&node) {
            Some(share) => share.clone(),
            None => {
                let share = Arc::new(NodeShare::begin(SpanRole::Asks, "ask_node", place)?);
                share.set("node", node.0 as i64);
                nodes.insert(node, share.clone());
                share
            }
        };
        share.called(rows);
        Some(share)
    }
}

//! What gateways think of nodes, by the nodes' answers: who is slow, fails, or gives wrong answers.
//!
//! Keeps true: a report replaces the last one of the same gateway, and counts for so long as reports may take. What one
//! gateway sees may be its own line; what all see is the node. Knows no clock: time is an argument.

use conclave_types::{Millis, NodeId};
use std::collections::BTreeMap;

/// A gateway that has not reported for so long says nothing any more: three of its reports are missing.
const FORGET: Millis = Millis(15_000);

/// Why a gateway asks other homes than a node, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Avoidance {
    /// It takes far longer than others.
    Slow,
    /// Its calls fail, or are not answered.
    Failed,
    /// It gave answers that cannot be right.
    Quarantined,
}

/// A gateway's report: the nodes that it avoids.
pub type NodeViews = BTreeMap<NodeId, Avoidance>;

/// The last reports of all gateways.
#[derive(Clone, Debug, Default)]
pub(crate) struct GatewayViews {
    /// By the gateway's own random number.
    reports: BTreeMap<u64, (Millis, NodeViews)>,
}

impl GatewayViews {
    pub(crate) fn report(&mut self, now: Millis, gateway: u64, views: NodeViews) {
        self.reports.retain(|_, (at, _)| now.since(*at) < FORGET);
        self.reports.insert(gateway, (now, views));
    }

    fn fresh(&self, now: Millis) -> impl Iterator<Item = &NodeViews> {
        self.reports.values().filter(move |(at, _)| now.since(*at) < FORGET).map(|(_, views)| views)
    }

    /// What the gateways think of `node` at `now`, for people; `None`: nothing bad.
    pub(crate) fn told(&self, now: Millis, node: NodeId) -> Option<String> {
        let (mut gateways, mut avoid, mut worst) = (0, 0, None);
        for views in self.fresh(now) {
            gateways += 1;
            let view = views.get(&node).copied();
            avoid += usize::from(view.is_some());
            worst = worst.max(view);
        }
        let what = match worst? {
            Avoidance::Slow => "is slow",
            Avoidance::Failed => "does not answer",
            Avoidance::Quarantined => "gave wrong answers",
        };
        Some(format!("{what}; {avoid} of {gateways} gateways ask other nodes"))
    }

    /// The nodes that every gateway has found to give wrong answers.
    pub(crate) fn quarantined(&self, now: Millis) -> impl Iterator<Item = NodeId> {
        let mut reports = self.fresh(now);
        let is = |views: &NodeViews, node: &NodeId| views.get(node) == Some(&Avoidance::Quarantined);
        let mut all: Vec<NodeId> = match reports.next() {
            Some(first) => first.keys().filter(|node| is(first, node)).copied().collect(),
            None => Vec::new(),
        };
        for views in reports {
            all.retain(|node| is(views, node));
        }
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(3);

    fn views(view: Avoidance) -> NodeViews {
        [(NODE, view)].into()
    }

    #[test]
    fn the_worst_view_is_told_with_how_many_share_it() {
        let mut seen = GatewayViews::default();
        assert_eq!(seen.told(Millis(0), NODE), None);
        seen.report(Millis(0), 1, views(Avoidance::Slow));
        assert_eq!(seen.told(Millis(0), NODE).unwrap(), "is slow; 1 of 1 gateways ask other nodes");
        seen.report(Millis(0), 2, NodeViews::new());
        seen.report(Millis(0), 3, views(Avoidance::Quarantined));
        let told = "gave wrong answers; 2 of 3 gateways ask other nodes";
        assert_eq!(seen.told(Millis(0), NODE).unwrap(), told);
        assert_eq!(seen.told(Millis(0), NodeId(4)), None);
    }

    #[test]
    fn a_node_gives_wrong_answers_if_every_gateway_says_so() {
        let mut seen = GatewayViews::default();
        let wrong = |seen: &GatewayViews, now| seen.quarantined(Millis(now)).collect::<Vec<_>>();
        assert!(wrong(&seen, 0).is_empty());
        seen.report(Millis(0), 1, views(Avoidance::Quarantined));
        assert_eq!(wrong(&seen, 0), [NODE]);
        seen.report(Millis(9_000), 2, views(Avoidance::Failed));
        assert!(wrong(&seen, 9_000).is_empty());
        seen.report(Millis(9_000), 2, views(Avoidance::Quarantined));
        assert_eq!(wrong(&seen, 9_000), [NODE]);
        // A gateway that is gone has no say, and what nobody repeats is forgotten.
        seen.report(Millis(20_000), 2, NodeViews::new());
        assert!(wrong(&seen, 20_000).is_empty());
        assert_eq!(seen.told(Millis(20_000), NODE), None);
    }

    #[test]
    fn a_report_replaces_the_last_one_of_its_gateway() {
        let mut seen = GatewayViews::default();
        seen.report(Millis(0), 1, views(Avoidance::Failed));
        assert_eq!(seen.told(Millis(0), NODE).unwrap(), "does not answer; 1 of 1 gateways ask other nodes");
        seen.report(Millis(1), 1, NodeViews::new());
        assert_eq!(seen.told(Millis(1), NODE), None);
    }
}

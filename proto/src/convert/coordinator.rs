//! Cluster state, registrations and heartbeats.
//!
//! Keeps true: what is decoded from what was encoded is equal; whatever a peer sends gives a value or
//! `Malformed`, never a panic.

use crate::coordinator as wire;
use conclave_control::command::RegisterNode;
use conclave_control::{
    Avoidance, ClusterState, ExpertLoads, HeartbeatAnswer, History, ModelFacts, Node, NodeReport, NodeState,
    NodeViews, Settings, Target,
};
use conclave_types::{
    Bytes, Digest, ExpertKey, LayerIdx, LogIndex, ModelDigest, NodeId, PlacementEpoch, PlacementMap,
};

/// A message that is no value of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(pub(super) String);

fn model_message(model: &ModelFacts) -> wire::Model {
    wire::Model {
        name: model.name.clone(),
        digest: model.digest.0.to_vec().into(),
        layers: model
            .layers
            .iter()
            .map(|(layer, experts)| wire::SparseLayer { layer: layer.0, experts: *experts })
            .collect(),
        expert_bytes: model.expert_bytes.0,
    }
}

fn model(message: wire::Model) -> Result<ModelFacts, Malformed> {
    let digest = digest(&message.digest)?;
    let layers: Vec<_> = message.layers.iter().map(|l| (LayerIdx(l.layer), l.experts)).collect();
    if !layers.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(Malformed("sparse layers are not in ascending order".to_owned()));
    }
    Ok(ModelFacts { name: message.name, digest, layers, expert_bytes: Bytes(message.expert_bytes) })
}

fn digest(bytes: &[u8]) -> Result<Digest, Malformed> {
    let digest = bytes.try_into();
    digest.map(Digest).map_err(|_| Malformed(format!("a digest of {} bytes", bytes.len())))
}

/// What a gateway tells the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayReport {
    /// A random number of its process.
    pub gateway: u64,
    /// What it serves.
    pub model: ModelDigest,
    /// How much it asked of each expert; `None`: nothing yet.
    pub loads: Option<ExpertLoads>,
    /// The nodes that it avoids.
    pub views: NodeViews,
}

/// The message of a gateway's report.
pub fn load_request(report: &GatewayReport) -> wire::ReportLoadRequest {
    let layer = |(layer, rows): (LayerIdx, &[u64])| wire::LayerLoad { layer: layer.0, rows: rows.to_vec() };
    let avoided = |(node, why): (&NodeId, &Avoidance)| {
        let why = match why {
            Avoidance::Slow => wire::Avoidance::Slow,
            Avoidance::Failed => wire::Avoidance::Failed,
            Avoidance::Quarantined => wire::Avoidance::Quarantined,
        };
        wire::AvoidedNode { node: node.0, why: why.into() }
    };
    wire::ReportLoadRequest {
        gateway: report.gateway,
        model_digest: report.model.0.to_vec().into(),
        layers: report.loads.iter().flat_map(ExpertLoads::layers).map(layer).collect(),
        avoided: report.views.iter().map(avoided).collect(),
    }
}

/// The report of a message.
pub fn load_report(message: wire::ReportLoadRequest) -> Result<GatewayReport, Malformed> {
    let avoided = |node: wire::AvoidedNode| match node.why() {
        wire::Avoidance::Slow => Some((NodeId(node.node), Avoidance::Slow)),
        wire::Avoidance::Failed => Some((NodeId(node.node), Avoidance::Failed)),
        wire::Avoidance::Quarantined => Some((NodeId(node.node), Avoidance::Quarantined)),
        // A newer gateway's word.
        wire::Avoidance::Unspecified => None,
    };
    let layer = |layer: wire::LayerLoad| (LayerIdx(layer.layer), layer.rows);
    let loads = (!message.layers.is_empty()).then(|| message.layers.into_iter().map(layer).collect());
    Ok(GatewayReport {
        gateway: message.gateway,
        model: digest(&message.model_digest)?,
        loads,
        views: message.avoided.into_iter().filter_map(avoided).collect(),
    })
}

/// The message of a registration.
pub fn register_request(node: &RegisterNode) -> wire::RegisterRequest {
    wire::RegisterRequest {
        name: node.name.clone(),
        address: node.address.clone(),
        capacity_bytes: node.capacity.map(|capacity| capacity.0),
        zone: node.zone.clone(),
        numerics: node.numerics.clone(),
        model: Some(model_message(&node.model)),
    }
}

/// The registration of a message.
pub fn registration(message: wire::RegisterRequest) -> Result<RegisterNode, Malformed> {
    let facts = message.model.ok_or_else(|| Malformed("a registration without a model".to_owned()))?;
    Ok(RegisterNode {
        name: message.name,
        address: message.address,
        capacity: message.capacity_bytes.map(Bytes),
        zone: message.zone,
        numerics: message.numerics,
        model: model(facts)?,
    })
}

/// The message of a heartbeat.
pub fn heartbeat_request(node: NodeId, report: &NodeReport) -> wire::HeartbeatRequest {
    wire::HeartbeatRequest {
        node: node.0,
        incarnation: report.incarnation.0,
        ready_epoch: report.ready_epoch.0,
        ready_target: report.ready_target.0,
        experts: report.experts,
        bytes: report.bytes.0,
        calls: report.calls,
        trouble: report.trouble.clone(),
    }
}

/// The heartbeat of a message.
pub fn heartbeat(message: wire::HeartbeatRequest) -> (NodeId, NodeReport) {
    let report = NodeReport {
        incarnation: LogIndex(message.incarnation),
        ready_epoch: PlacementEpoch(message.ready_epoch),
        ready_target: LogIndex(message.ready_target),
        experts: message.experts,
        bytes: Bytes(message.bytes),
        calls: message.calls,
        trouble: message.trouble,
    };
    (NodeId(message.node), report)
}

/// The message of a heartbeat's answer.
pub fn heartbeat_reply(answer: HeartbeatAnswer) -> wire::HeartbeatReply {
    let answer = match answer {
        HeartbeatAnswer::Ok => wire::HeartbeatAnswer::Ok,
        HeartbeatAnswer::Unknown => wire::HeartbeatAnswer::Unknown,
        HeartbeatAnswer::Superseded => wire::HeartbeatAnswer::Superseded,
    };
    wire::HeartbeatReply { answer: answer.into() }
}

/// The heartbeat's answer of a message.
pub fn heartbeat_answer(message: wire::HeartbeatReply) -> Result<HeartbeatAnswer, Malformed> {
    match message.answer() {
        wire::HeartbeatAnswer::Ok => Ok(HeartbeatAnswer::Ok),
        wire::HeartbeatAnswer::Unknown => Ok(HeartbeatAnswer::Unknown),
        wire::HeartbeatAnswer::Superseded => Ok(HeartbeatAnswer::Superseded),
        wire::HeartbeatAnswer::Unspecified => Err(Malformed(format!("heartbeat answer {}", message.answer))),
    }
}

fn homes_message(map: &PlacementMap) -> Vec<wire::ExpertHomes> {
    map.iter()
        .map(|(key, homes)| wire::ExpertHomes {
            layer: key.layer.0,
            expert: key.expert.0,
            nodes: homes.iter().map(|home| home.0).collect(),
        })
        .collect()
}

fn homes(messages: Vec<wire::ExpertHomes>) -> PlacementMap {
    let entry = |homes: wire::ExpertHomes| {
        (ExpertKey::new(homes.layer, homes.expert), homes.nodes.into_iter().map(NodeId).collect())
    };
    messages.into_iter().map(entry).collect()
}

pub(super) fn node_message((id, node): (&NodeId, &Node)) -> wire::Node {
    let state = match node.state {
        NodeState::Joining => wire::NodeState::Joining,
        NodeState::Ready => wire::NodeState::Ready,
        NodeState::Down => wire::NodeState::Down,
    };
    wire::Node {
        id: id.0,
        name: node.name.clone(),
        address: node.address.clone(),
        incarnation: node.incarnation.0,
        capacity_bytes: node.capacity.map(|capacity| capacity.0),
        zone: node.zone.clone(),
        numerics: node.numerics.clone(),
        state: state.into(),
        draining: node.draining,
    }
}

pub(super) fn node(message: wire::Node) -> Result<(NodeId, Node), Malformed> {
    let state = match message.state() {
        wire::NodeState::Joining => NodeState::Joining,
        wire::NodeState::Ready => NodeState::Ready,
        wire::NodeState::Down => NodeState::Down,
        wire::NodeState::Unspecified => return Err(Malformed(format!("node state {}", message.state))),
    };
    let node = Node {
        name: message.name,
        address: message.address,
        incarnation: LogIndex(message.incarnation),
        capacity: message.capacity_bytes.map(Bytes),
        zone: message.zone,
        numerics: message.numerics,
        state,
        draining: message.draining,
    };
    Ok((NodeId(message.id), node))
}

/// The message of a state, without its history.
pub fn view(state: &ClusterState) -> wire::ClusterView {
    wire::ClusterView {
        applied: state.applied.0,
        replicas: state.settings.replicas,
        nodes_min: state.settings.nodes_min,
        extra_percent: state.settings.extra_percent,
        moves_max: state.settings.moves_max,
        model: state.model.as_ref().map(model_message),
        nodes: state.nodes.iter().map(node_message).collect(),
        epoch: state.epoch.0,
        placement: homes_message(&state.placement),
        target: state.target.as_ref().map(|target| wire::Target {
            id: target.id.0,
            homes: homes_message(&target.map),
            why: target.why.clone(),
            by_load: target.by_load,
        }),
        by_load: state.by_load,
        next_node: state.next_node.0,
        pins: homes_message(&state.pins),
    }
}

/// The state of a message.
pub fn state(message: wire::ClusterView) -> Result<ClusterState, Malformed> {
    Ok(ClusterState {
        applied: LogIndex(message.applied),
        settings: Settings {
            replicas: message.replicas,
            nodes_min: message.nodes_min,
            extra_percent: message.extra_percent,
            moves_max: message.moves_max,
        },
        model: message.model.map(model).transpose()?,
        nodes: message.nodes.into_iter().map(node).collect::<Result<_, _>>()?,
        next_node: NodeId(message.next_node),
        epoch: PlacementEpoch(message.epoch),
        placement: homes(message.placement),
        target: message.target.map(|target| Target {
            id: LogIndex(target.id),
            map: homes(target.homes),
            by_load: target.by_load,
            why: target.why,
        }),
        pins: homes(message.pins),
        history: History::default(),
        by_load: message.by_load,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_control::command::{Command, PinExpert, ProposeTarget, PublishTarget};

    fn registered(name: &str) -> RegisterNode {
        RegisterNode {
            name: name.to_owned(),
            address: "host:1".to_owned(),
            capacity: Some(Bytes(7)),
            zone: "z".to_owned(),
            numerics: "n".to_owned(),
            model: ModelFacts {
                name: "m".to_owned(),
                digest: Digest([3; 32]),
                layers: vec![(LayerIdx(1), 2)],
                expert_bytes: Bytes(5),
            },
        }
    }

    #[test]
    fn a_state_survives_its_message_but_for_its_history() {
        let mut cluster = ClusterState::default();
        let map: PlacementMap =
            [(ExpertKey::new(1, 0), vec![NodeId(1)]), (ExpertKey::new(1, 1), vec![NodeId(1)])]
                .into_iter()
                .collect();
        let propose = |base| {
            let why = "test".to_owned();
            let (base, map) = (PlacementEpoch(base), map.clone());
            Command::ProposeTarget(ProposeTarget { base, map, by_load: true, why })
        };
        let commands = [
            Command::RegisterNode(registered("a")),
            propose(0),
            Command::PublishTarget(PublishTarget { target: LogIndex(2) }),
            propose(1),
            Command::PinExpert(PinExpert { key: ExpertKey::new(1, 1), node: "a".to_owned() }),
        ];
        assert_eq!(state(view(&cluster)).unwrap(), cluster);
        for (command, index) in commands.into_iter().zip(1..) {
            cluster.apply(LogIndex(index), command);
        }
        assert!(cluster.target.is_some() && cluster.epoch == PlacementEpoch(1) && !cluster.pins.is_empty());
        assert!(!std::mem::take(&mut cluster.history).events.is_empty());
        assert_eq!(state(view(&cluster)).unwrap(), cluster);
    }

    #[test]
    fn registrations_and_heartbeats_survive_their_messages() {
        let node = registered("a");
        assert_eq!(registration(register_request(&node)).unwrap(), node);
        let report = NodeReport {
            incarnation: LogIndex(1),
            ready_epoch: PlacementEpoch(2),
            ready_target: LogIndex(3),
            experts: 4,
            bytes: Bytes(5),
            calls: 6,
            trouble: "t".to_owned(),
        };
        assert_eq!(heartbeat(heartbeat_request(NodeId(9), &report)), (NodeId(9), report));
        for answer in [HeartbeatAnswer::Ok, HeartbeatAnswer::Unknown, HeartbeatAnswer::Superseded] {
            assert_eq!(heartbeat_answer(heartbeat_reply(answer)).unwrap(), answer);
        }
    }

    #[test]
    fn a_gateways_report_survives_its_message() {
        let views = [Avoidance::Slow, Avoidance::Failed, Avoidance::Quarantined];
        let full = GatewayReport {
            gateway: 9,
            model: Digest([5; 32]),
            loads: Some([(LayerIdx(1), vec![3, 0]), (LayerIdx(4), vec![7])].into_iter().collect()),
            views: (1..).map(NodeId).zip(views).collect(),
        };
        let empty = GatewayReport { loads: None, views: NodeViews::new(), ..full.clone() };
        for report in [full, empty] {
            assert_eq!(load_report(load_request(&report)).unwrap(), report);
        }
        assert!(load_report(wire::ReportLoadRequest::default()).is_err());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(registration(wire::RegisterRequest::default()).is_err());
        let mut short = register_request(&registered("a"));
        short.model.as_mut().unwrap().digest = vec![1, 2].into();
        assert!(registration(short).is_err());
        let mut unordered = register_request(&registered("a"));
        let layers = &mut unordered.model.as_mut().unwrap().layers;
        layers.push(layers[0]);
        assert!(registration(unordered).is_err());
        let strange = wire::ClusterView { nodes: vec![wire::Node::default()], ..Default::default() };
        assert!(state(strange).is_err());
        assert!(heartbeat_answer(wire::HeartbeatReply::default()).is_err());
    }
}

//! What the coordinators agree on. Keeps true: only `apply` changes it, in log order.

use crate::command::{Change, Command, Reply};
use crate::history::{History, Stamp};
use conclave_types::{
    Bytes, Digest, ExpertKey, LayerIdx, LogIndex, ModelDigest, NodeId, PlacementEpoch, PlacementMap,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Cluster-wide settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Homes that every expert shall have; fewer while there are fewer nodes.
    pub replicas: u32,
    /// Nodes that must have joined before experts are placed for the first time.
    pub nodes_min: u32,
    /// Homes above `replicas` that hot experts of a layer may have in all, at nodes that state their memory. Unit: percent
    /// of `replicas` x experts.
    #[serde(default = "extra_percent")]
    pub extra_percent: u32,
    /// Most experts that one target moves for balance; what lacks homes gets them regardless.
    #[serde(default = "moves_max")]
    pub moves_max: u32,
}

fn extra_percent() -> u32 {
    25
}

fn moves_max() -> u32 {
    256
}

impl Default for Settings {
    fn default() -> Self {
        Self { replicas: 2, nodes_min: 1, extra_percent: extra_percent(), moves_max: moves_max() }
    }
}

/// What the cluster must know of the model it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Name for people.
    pub name: String,
    /// Digest of manifest and row dtype.
    pub digest: ModelDigest,
    /// The sparse layers with their number of experts, ascending.
    pub layers: Vec<(LayerIdx, u32)>,
    /// Memory of one expert.
    pub expert_bytes: Bytes,
}

impl ModelFacts {
    /// Every expert in (layer, expert) order.
    pub fn keys(&self) -> impl Iterator<Item = ExpertKey> {
        self.layers.iter().flat_map(|(layer, experts)| (0..*experts).map(|e| ExpertKey::new(layer.0, e)))
    }

    /// Whether the model has this expert.
    pub fn has(&self, key: ExpertKey) -> bool {
        self.layers.iter().any(|(layer, experts)| *layer == key.layer && key.expert.0 < *experts)
    }
}

/// What the cluster believes about a node's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// Registered, but it has not yet loaded what it is a home of.
    Joining,
    /// Answers calls for everything it is a home of.
    Ready,
    /// Its lease ran out.
    Down,
}

impl NodeState {
    /// The word for it in tables and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Ready => "ready",
            Self::Down => "down",
        }
    }
}

/// One expert node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name, chosen by its operator; the same name is the same node.
    pub name: String,
    /// Where it answers expert calls, `host:port`.
    pub address: String,
    /// Counts its registrations: the log index of the last one.
    pub incarnation: LogIndex,
    /// Memory it gives to experts; `None`: as much as any other node.
    pub capacity: Option<Bytes>,
    /// What it may lose together with others; empty: fails alone.
    pub zone: String,
    /// Kernel set and version; nodes of one class give the same bits.
    pub numerics: String,
    /// Its health.
    pub state: NodeState,
    /// Whether it shall hold nothing, by an operator's wish.
    pub draining: bool,
}

/// A placement that nodes load before it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Names it: the log index at which it was proposed.
    pub id: LogIndex,
    /// Who shall hold what.
    pub map: PlacementMap,
    /// Whether it was planned for a recorded load.
    #[serde(default)]
    pub by_load: bool,
    /// Why it was proposed.
    pub why: String,
}

/// The replicated truth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// The last log index that was applied.
    pub applied: LogIndex,
    /// Settings in force.
    pub settings: Settings,
    /// The model, once a node has registered.
    pub model: Option<ModelFacts>,
    /// All nodes that ever registered.
    pub nodes: BTreeMap<NodeId, Node>,
    /// The next node's id; ids are never used again.
    pub next_node: NodeId,
    /// The version of `placement`.
    pub epoch: PlacementEpoch,
    /// Who holds what, as gateways use it.
    pub placement: PlacementMap,
    /// Whether `placement` was planned for a recorded load: even numbers of experts are no aim then.
    #[serde(default)]
    pub by_load: bool,
    /// The placement being loaded.
    pub target: Option<Target>,
    /// Homes that operators insist on: each expert keeps one on each of these nodes while the node may hold experts.
    #[serde(default)]
    pub pins: PlacementMap,
    /// What happened. Not part of what watchers get.
    #[serde(default)]
    pub history: History,
}

/// A snapshot that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot of the cluster state is damaged: {0}")]
pub struct RestoreError(#[from] serde_json::Error);

impl ClusterState {
    /// Applies the change at `index` of the log. Total: a command that does not fit is answered `Rejected`.
    pub fn apply(&mut self, index: LogIndex, change: impl Into<Change>) -> Reply {
        self.applied = index;
        let Change { command, by, at } = change.into();
        let stamp = Stamp { index, at, by };
        match command {
            Command::ConfigureCluster(command) => command.apply(self, &stamp),
            Command::RegisterNode(command) => command.apply(self, &stamp),
            Command::SetNodeState(command) => command.apply(self, &stamp),
            Command::DrainNode(command) => command.apply(self, &stamp),
            Command::PinExpert(command) => command.apply(self, &stamp),
            Command::UnpinExpert(command) => command.apply(self, &stamp),
            Command::SetReplicas(command) => command.apply(self, &stamp),
            Command::NoteCoordinators(command) => command.apply(self, &stamp),
            Command::ProposeTarget(command) => command.apply(self, &stamp),
            Command::PublishTarget(command) => command.apply(self, &stamp),
            Command::CancelTarget(command) => command.apply(self, &stamp),
        }
    }

    /// The state as bytes; `restore` gives an equal state.
    pub fn snapshot(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("the state has a JSON form")
    }

    /// The state of a snapshot.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Equal for equal log prefixes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.snapshot())
    }

    /// The node with this name.
    pub fn node_named(&self, name: &str) -> Option<(NodeId, &Node)> {
        self.nodes.iter().find(|(_, node)| node.name == name).map(|(id, node)| (*id, node))
    }

    /// The node with this name, or why there is none.
    pub(crate) fn find_node(&self, name: &str) -> Result<(NodeId, &Node), Reply> {
        self.node_named(name).ok_or_else(|| {
            let names: Vec<&str> = self.nodes.values().map(|node| node.name.as_str()).collect();
            match names.is_empty() {
                true => Reply::rejected(format!("there is no node `{name}`; none has registered yet")),
                false => {
                    Reply::rejected(format!("there is no node `{name}`; there are {}", names.join(", ")))
                }
            }
        })
    }

    /// The name of `node`, or its number if it has none.
    pub fn node_name(&self, node: NodeId) -> String {
        self.nodes.get(&node).map_or_else(|| format!("node {node}"), |known| known.name.clone())
    }

    /// The experts that `node` shall have in memory: what it is a home of, and what it shall become a home of.
    pub fn wanted_at(&self, node: NodeId) -> std::collections::BTreeSet<ExpertKey> {
        let mut wanted = self.placement.held_by(node);
        if let Some(target) = &self.target {
            wanted.extend(target.map.held_by(node));
        }
        wanted
    }

    /// Experts without any home that is ready: (missing, all).
    pub fn uncovered(&self) -> (usize, usize) {
        let ready = |node: &NodeId| self.nodes.get(node).is_some_and(|n| n.state == NodeState::Ready);
        let all = self.model.as_ref().map_or(0, |model| model.keys().count());
        let covered = self.placement.iter().filter(|(_, homes)| homes.iter().any(ready)).count();
        (all - covered.min(all), all)
    }
}

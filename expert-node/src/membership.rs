//! The node's life in the cluster: register, heartbeat, load what it shall hold, let go of what it no longer shall.

use crate::background::Background;
use crate::queue::QueuedExperts;
use crate::{NodeError, peers};
use conclave_control::command::RegisterNode;
use conclave_control::{ClusterState, HeartbeatAnswer, NodeReport, NodeState};
use conclave_control_rpc::{ControlError, CoordinatorClient, Credentials};
use conclave_expert::LocalExperts;
use conclave_model::{Manifest, ModelFolder, Unit};
use conclave_types::{ExpertKey, LogIndex, NodeId, PlacementEpoch};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// How often the lease is renewed: several times within it, so that a lost heartbeat does not matter.
const HEARTBEAT: Duration = Duration::from_millis(300);
/// Pause after coordinators could not be reached, and after experts could not be loaded.
const RETRY: Duration = Duration::from_millis(500);
/// Bytes of experts that are fetched before they are loaded.
const TURN_MAX: u64 = 64 << 20;
/// How long experts that moved away are kept: gateways may still use the epoch before.
const GRACE: Duration = Duration::from_secs(10);

/// What the loader has reached, for the heartbeats.
#[derive(Default)]
struct Progress {
    epoch: PlacementEpoch,
    target: LogIndex,
    trouble: String,
}

/// How the node stands in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is not in use yet, and waits for this.
    Waiting(&'static str),
    /// It cannot load what it shall hold.
    Trouble(String),
    /// It holds what it shall hold, and the cluster knows.
    Ready,
}

impl Standing {
    /// Of the registration `identity` in `state`, after trying to load what it asks for.
    fn of(state: &ClusterState, identity: Option<(NodeId, LogIndex)>, trouble: Option<&str>) -> Self {
        // A view from before the registration says how the node's last process was.
        let known = identity
            .and_then(|(node, incarnation)| state.nodes.get(&node).filter(|n| n.incarnation == incarnation));
        match (known, trouble) {
            (None, _) => Self::Waiting("the coordinators"),
            (Some(_), Some(trouble)) => Self::Trouble(trouble.to_owned()),
            (Some(node), None) if node.state == NodeState::Ready => Self::Ready,
            (Some(_), None) => Self::Waiting("the coordinators to take it into use"),
        }
    }

    /// Whether it is ready; if not, what it waits for.
    pub(crate) fn ready(&self) -> Result<(), String> {
        match self {
            Self::Ready => Ok(()),
            Self::Waiting(what) => Err((*what).to_owned()),
            Self::Trouble(why) => Err(format!("its experts: {why}")),
        }
    }
}

pub(crate) struct Membership {
    pub(crate) client: Arc<CoordinatorClient>,
    pub(crate) registration: RegisterNode,
    pub(crate) folder: Arc<ModelFolder>,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) experts: Arc<LocalExperts>,
    pub(crate) queue: Arc<QueuedExperts>,
    pub(crate) standing: Arc<Mutex<Standing>>,
    pub(crate) credentials: Credentials,
    /// What loads.
    pub(crate) background: Background,
}

impl Membership {
    /// Takes part until dropped; returns only if the cluster refuses this node for good.
    pub(crate) async fn run(self) -> NodeError {
        let progress = Mutex::new(Progress::default());
        let progressed = Notify::new();
        let (identity, identities) = watch::channel(None);
        let states = self.client.watch();
        tokio::select! {
            error = self.keep_lease(&progress, &progressed, &identity) => error,
            () = self.follow(states, identities, &progress, &progressed) => unreachable!("follows for ever"),
        }
    }

    async fn register(&self) -> Result<(NodeId, LogIndex), NodeError> {
        let mut said = false;
        loop {
            match self.client.register(&self.registration).await {
                Ok((node, incarnation)) => {
                    tracing::info!(%node, name = self.registration.name, "registered");
                    return Ok((node, incarnation));
                }
                Err(ControlError::Refused(why)) => return Err(NodeError::Refused(why)),
                Err(error) if !said => {
                    tracing::info!(%error, "waiting for the coordinators");
                    said = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn keep_lease(
        &self,
        progress: &Mutex<Progress>,
        progressed: &Notify,
        identity: &watch::Sender<Option<(NodeId, LogIndex)>>,
    ) -> NodeError {
        loop {
            let (node, incarnation) = match self.register().await {
                Ok(registered) => registered,
                Err(error) => return error,
            };
            identity.send_replace(Some((node, incarnation)));
            loop {
                let report = {
                    let progress = progress.lock().expect("no panic holds this lock");
                    NodeReport {
                        incarnation,
                        ready_epoch: progress.epoch,
                        ready_target: progress.target,
                        experts: self.experts.held().len() as u64,
                        bytes: self.experts.bytes(),
                        calls: self.queue.answered(),
                        trouble: progress.trouble.clone(),
                    }
                };
                match self.client.heartbeat(node, &report).await {
                    Ok(HeartbeatAnswer::Ok) => {}
                    Ok(HeartbeatAnswer::Unknown) => break,
                    Ok(HeartbeatAnswer::Superseded) => {
                        return NodeError::Superseded(self.registration.name.clone());
                    }
                    // Calls are still answered: the coordinators are not on a token's way.
                    Err(error) => tracing::debug!(%error, "heartbeat not delivered"),
                }
                // News of what was loaded goes out at once.
                tokio::select! {
                    () = tokio::time::sleep(HEARTBEAT) => {}
                    () = progressed.notified() => {}
                }
            }
        }
    }

    async fn follow(
        &self,
        mut states: watch::Receiver<Arc<ClusterState>>,
        mut identities: watch::Receiver<Option<(NodeId, LogIndex)>>,
        progress: &Mutex<Progress>,
        progressed: &Notify,
    ) {
        let mut unwanted: Option<(BTreeSet<ExpertKey>, Instant)> = None;
        loop {
            let state = states.borrow_and_update().clone();
            let identity = *identities.borrow_and_update();
            let node = identity.map(|(node, _)| node);
            let mut wait = None;
            let mut standing = Standing::of(&state, identity, None);
            if let Some(node) = node.filter(|node| state.nodes.contains_key(node)) {
                let wanted = state.wanted_at(node);
                let trouble = self.load(&wanted, &state, node).await;
                if trouble.is_some() {
                    wait = Some(RETRY);
                }
                standing = Standing::of(&state, identity, trouble.as_deref());
                {
                    let mut progress = progress.lock().expect("no panic holds this lock");
                    if trouble.is_none() {
                        progress.epoch = state.epoch;
                        progress.target = state.target.as_ref().map_or(LogIndex(0), |target| target.id);
                        self.queue.set_epoch(state.epoch);
                    }
                    progress.trouble = trouble.unwrap_or_default();
                }
                progressed.notify_one();
                let spare: BTreeSet<ExpertKey> = self.experts.held().difference(&wanted).copied().collect();
                unwanted = match unwanted.take() {
                    _ if spare.is_empty() => None,
                    Some((keys, since)) if keys == spare => Some((keys, since)),
                    _ => Some((spare, Instant::now())),
                };
                if let Some((keys, since)) = &unwanted {
                    let left = GRACE.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        self.experts.release(keys);
                        tracing::info!(experts = keys.len(), "released experts that moved away");
                        unwanted = None;
                    } else {
                        wait = Some(wait.map_or(left, |wait| wait.min(left)));
                    }
                }
            }
            *self.standing.lock().expect("no panic holds this lock") = standing;
            let pause = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Ok(()) = states.changed() => {}
                Ok(()) = identities.changed() => {}
                () = pause => {}
            }
        }
    }

    /// Loads what is missing of `wanted`, of a model that is fetched from other homes first; what went wrong, if something did.
    async fn load(&self, wanted: &BTreeSet<ExpertKey>, state: &ClusterState, this: NodeId) -> Option<String> {
        let held = self.experts.held();
        let missing: Vec<ExpertKey> = wanted.difference(&held).copied().collect();
        if missing.is_empty() {
            return None;
        }
        let size = |key: &ExpertKey| self.folder.expert_bytes([key]);
        // Who has the whole model loads expert after expert anyhow.
        let turn_max = if self.folder.files.are_supplied() { TURN_MAX } else { u64::MAX };
        for turn in turns(missing, size, turn_max) {
            if let Err(trouble) = self.load_turn(turn, state, this).await {
                return Some(trouble);
            }
        }
        self.settle();
        None
    }

    /// Has what is loaded moved into memory of its own, if it is to be, while it is computed with.
    fn settle(&self) {
        let folder = self.folder.clone();
        self.background.spawn(move || {
            let started = Instant::now();
            match folder.settle() {
                Ok(0) => {}
                Ok(bytes) => {
                    let millis = started.elapsed().as_millis() as u64;
                    tracing::info!(bytes, millis, "moved experts into memory of their own");
                }
                Err(error) => tracing::warn!(%error, "experts stay in the file"),
            }
        });
    }

    /// Loads `keys`, of a model that is fetched from other homes first.
    async fn load_turn(
        &self,
        keys: Vec<ExpertKey>,
        state: &ClusterState,
        this: NodeId,
    ) -> Result<(), String> {
        let started = Instant::now();
        let count = keys.len();
        if self.folder.files.are_supplied() {
            let homes = peers::homes_of(state, &keys, this);
            let (folder, manifest) = (&self.folder, &self.manifest);
            let bytes = peers::take(folder, manifest, homes, &self.credentials, &self.background).await;
            if bytes > 0 {
                let millis = started.elapsed().as_millis() as u64;
                tracing::info!(bytes, millis, "took weights from other nodes");
            }
        }
        let (experts, folder, manifest) = (self.experts.clone(), self.folder.clone(), self.manifest.clone());
        let load = move || {
            folder.bring_experts(&keys)?;
            let bytes = folder.expert_bytes(&keys);
            let _piece = folder.progress.begin("loading the experts", bytes, Unit::Bytes);
            keys.into_iter().try_for_each(|key| experts.add(&folder, &manifest, key))
        };
        match self.background.run(load).await {
            Ok(Ok(())) => {
                let millis = started.elapsed().as_millis() as u64;
                metrics::counter!("conclave_node_loaded_experts_total").increment(count as u64);
                tracing::info!(experts = count, bytes = self.experts.bytes().0, millis, "loaded experts");
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot load experts");
                Err(error.to_string())
            }
            Err(_) => Err("loading panicked, which is a bug; its log says where".to_owned()),
        }
    }
}

/// `keys` in parts of at most `max` bytes, or of one expert that is larger: a node that fetches for long must show that it gets on,
/// since the leader gives up one that does not.
fn turns(keys: Vec<ExpertKey>, size: impl Fn(&ExpertKey) -> u64, max: u64) -> Vec<Vec<ExpertKey>> {
    let mut turns: Vec<Vec<ExpertKey>> = Vec::new();
    let mut room = 0;
    for key in keys {
        let bytes = size(&key);
        match turns.last_mut().filter(|_| bytes <= room) {
            Some(turn) => turn.push(key),
            None => {
                turns.push(vec![key]);
                room = max;
            }
        }
        room = room.saturating_sub(bytes);
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_control::Node;

    #[test]
    fn what_is_fetched_is_loaded_in_turns() {
        let keys = |experts: std::ops::Range<u32>| {
            experts.map(|expert| ExpertKey::new(0, expert)).collect::<Vec<_>>()
        };
        let size = |key: &ExpertKey| if key.expert.0 == 3 { 1000 } else { 40 };
        assert_eq!(
            turns(keys(0..7), size, 100),
            [keys(0..2), keys(2..3), keys(3..4), keys(4..6), keys(6..7)]
        );
        assert_eq!(turns(keys(0..7), size, u64::MAX), [keys(0..7)]);
        assert!(turns(Vec::new(), size, 100).is_empty());
    }

    #[test]
    fn a_node_is_ready_when_the_cluster_uses_its_present_registration() {
        let (id, now) = (NodeId(1), Some((NodeId(1), LogIndex(7))));
        let state = |incarnation, state| {
            let node = Node {
                name: "a".to_owned(),
                address: "a:1".to_owned(),
                incarnation: LogIndex(incarnation),
                capacity: None,
                zone: String::new(),
                numerics: String::new(),
                state,
                draining: false,
            };
            ClusterState { nodes: [(id, node)].into(), ..ClusterState::default() }
        };
        let standing = |view: &ClusterState, trouble| Standing::of(view, now, trouble);
        assert_eq!(standing(&state(7, NodeState::Ready), None), Standing::Ready);
        let before = standing(&state(3, NodeState::Ready), None);
        assert_eq!(before, Standing::Waiting("the coordinators"), "its last process was ready");
        assert!(standing(&state(7, NodeState::Joining), None).ready().is_err());
        let broken = standing(&state(7, NodeState::Ready), Some("a digest differs"));
        assert_eq!(broken.ready(), Err("its experts: a digest differs".to_owned()));
        assert!(Standing::of(&state(7, NodeState::Ready), None, None).ready().is_err());
    }
}

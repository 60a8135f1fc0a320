//! The gateway as a member of a cluster: follows the placement and keeps a connection to every node in it.
//!
//! Keeps true: losing the coordinators changes nothing for tokens; a node is used from the moment it is ready, and
//! avoided by what its calls say, not by what the coordinators believe.

use crate::dispatch::{Dispatcher, FadingCounts, Homes};
use conclave_control::{ClusterState, NodeState};
use conclave_control_rpc::{CoordinatorClient, Credentials, GatewayReport};
use conclave_expert::ExpertBackend;
use conclave_expert_rpc::GrpcExperts;
use conclave_types::{ExpertKey, LogIndex, Millis, ModelDigest, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often readiness is judged anew.
const JUDGE: Duration = Duration::from_millis(100);
/// How often the leader is told how much was asked of each expert, and who is avoided: some three bytes an expert each time.
const REPORT: Duration = Duration::from_secs(5);

/// Settings of a gateway in a cluster.
#[derive(Clone, Debug, clap::Args)]
pub struct ClusterOptions {
    /// The coordinators, HOST:PORT separated by commas.
    #[arg(long, env = "CONCLAVE_COORDINATORS", value_delimiter = ',', required = true)]
    pub coordinators: Vec<String>,
    /// Folder in which expert nodes of this machine have Unix sockets (their own --socket-dir); nodes without one there
    /// are called over TCP.
    #[arg(long, env = "CONCLAVE_SOCKET_DIR")]
    pub socket_dir: Option<PathBuf>,
}

impl ClusterOptions {
    /// Whom it calls, each with its key.
    pub fn addresses(&self) -> Vec<(&'static str, String)> {
        self.coordinators.iter().map(|address| ("coordinators", address.clone())).collect()
    }
}

/// A connection and the registration it belongs to.
struct Link {
    incarnation: LogIndex,
    experts: Arc<GrpcExperts>,
    /// Whether the coordinators believe the node to be down.
    down: bool,
}

/// Keeps `Dispatcher` and readiness in step with the cluster.
pub struct ClusterFeed {
    client: Arc<CoordinatorClient>,
    sockets: Option<PathBuf>,
    connections: tokio::runtime::Handle,
    credentials: Credentials,
    model: ModelDigest,
    keys: Vec<ExpertKey>,
    dispatcher: Arc<Dispatcher>,
    ready: Arc<AtomicBool>,
}

impl ClusterFeed {
    /// For a gateway that serves `model`, whose experts are `keys`, with its dispatcher, its
    /// [`connections`](crate::Gateway::connections) and readiness.
    pub fn new(
        options: &ClusterOptions,
        credentials: Credentials,
        model: ModelDigest,
        keys: Vec<ExpertKey>,
        dispatcher: Arc<Dispatcher>,
        connections: tokio::runtime::Handle,
        ready: Arc<AtomicBool>,
    ) -> Self {
        let client = Arc::new(CoordinatorClient::new(options.coordinators.clone(), credentials.clone()));
        let sockets = options.socket_dir.clone();
        Self { client, sockets, connections, credentials, model, keys, dispatcher, ready }
    }

    /// Follows the cluster until dropped, and reports the load.
    pub async fn run(self) {
        tokio::join!(self.follow(), self.report());
    }

    /// Tells the leader how much was asked of each expert, and which nodes are avoided. A report that finds no leader is left
    /// out: the next one says it all.
    async fn report(&self) {
        let gateway = RandomState::new().hash_one(0);
        let mut counts = FadingCounts::default();
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(REPORT).await;
            let passed = Millis(last.elapsed().as_millis() as u64);
            last = Instant::now();
            let loads = counts.take(self.dispatcher.counts(), passed);
            let views = self.dispatcher.avoided();
            let report = GatewayReport { gateway, model: self.model, loads, views };
            if let Err(error) = self.client.report_load(&report).await {
                tracing::debug!(%error, "the load was not reported");
            }
        }
    }

    async fn follow(&self) {
        let mut states: watch::Receiver<Arc<ClusterState>> = self.client.watch();
        let mut links: BTreeMap<NodeId, Link> = BTreeMap::new();
        let mut judge = tokio::time::interval(JUDGE);
        judge.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut connected: Option<BTreeSet<NodeId>> = None;
        loop {
            tokio::select! {
                Ok(()) = states.changed() => {
                    let state = states.borrow_and_update().clone();
                    self.take(&state, &mut links);
                    connected = None;
                }
                _ = judge.tick() => {}
            }
            let homes = self.dispatcher.homes();
            let linked = |node: &&NodeId| {
                homes.backends.contains_key(node)
                    && links.get(node).is_some_and(|link| link.experts.is_connected())
            };
            let now: BTreeSet<NodeId> = links.keys().filter(linked).copied().collect();
            if connected.as_ref() == Some(&now) {
                continue;
            }
            let uncovered =
                self.keys.iter().filter(|key| !homes.map.homes(**key).iter().any(|home| now.contains(home)));
            let uncovered = uncovered.count();
            let ready = uncovered == 0;
            if self.ready.swap(ready, Ordering::Relaxed) != ready {
                if ready {
                    tracing::info!(epoch = homes.epoch.0, nodes = now.len(), "ready");
                } else {
                    tracing::warn!(uncovered, "not ready: experts without a connected home");
                }
            }
            metrics::gauge!("conclave_nodes_connected").set(now.len() as f64);
            metrics::gauge!("conclave_experts_uncovered").set(uncovered as f64);
            metrics::gauge!("conclave_placement_epoch").set(homes.epoch.0 as f64);
            connected = Some(now);
        }
    }

    fn take(&self, state: &ClusterState, links: &mut BTreeMap<NodeId, Link>) {
        let same = state.model.as_ref().is_none_or(|model| model.digest == self.model);
        if !same {
            let theirs = state.model.as_ref().map(|model| model.digest.short()).unwrap_or_default();
            tracing::error!(
                ours = self.model.short(),
                theirs,
                "the cluster serves another model; give this gateway the same files and --dtype"
            );
            links.clear();
            self.dispatcher.set_homes(Homes::default());
            return;
        }
        let mut needed = state.placement.nodes();
        if let Some(target) = &state.target {
            // Connected before they are needed.
            needed.extend(target.map.nodes());
        }
        links.retain(|id, link| {
            needed.contains(id)
                && state.nodes.get(id).is_some_and(|node| node.incarnation == link.incarnation)
        });
        for (id, link) in &mut *links {
            let down = state.nodes[id].state == NodeState::Down;
            if std::mem::replace(&mut link.down, down) && !down {
                self.dispatcher.returned(*id);
            }
        }
        for id in needed {
            let Some(node) = state.nodes.get(&id).filter(|_| !links.contains_key(&id)) else { continue };
            let _entered = self.connections.enter();
            match GrpcExperts::new(&node.address, self.sockets.as_deref(), &self.credentials) {
                Ok(experts) => {
                    let (incarnation, experts) = (node.incarnation, Arc::new(experts));
                    links.insert(id, Link { incarnation, experts, down: node.state == NodeState::Down });
                }
                Err(error) => tracing::error!(node = node.name, %error, "the node's address cannot be used"),
            }
        }
        // A joining node would refuse what it has not loaded yet. One that is believed to be down is still asked:
        // its connection knows better.
        let usable = |id: &&NodeId| state.nodes.get(id).is_some_and(|node| node.state != NodeState::Joining);
        let backends = links.keys().filter(usable).map(|id| {
            let backend: Arc<dyn ExpertBackend> = links[id].experts.clone();
            (*id, backend)
        });
        let homes = Homes { epoch: state.epoch, map: state.placement.clone(), backends: backends.collect() };
        tracing::debug!(epoch = homes.epoch.0, nodes = homes.backends.len(), "placement taken over");
        self.dispatcher.set_homes(homes);
    }
}

//! Weights from node to node: what this one has on its disk it gives, and what it lacks it asks of the experts' homes before it
//! asks the place that the model is from.
//!
//! Keeps true: every tensor that is taken is checked against the manifest; a peer that gives something else is asked no more.

use crate::background::Background;
use conclave_control::{ClusterState, NodeState};
use conclave_expert_rpc::{PeerWeights, WeightSource};
use conclave_model::{Manifest, ModelFolder};
use conclave_transport::Credentials;
use conclave_types::{Digest, ExpertKey, NodeId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The experts' tensors on this node's disk.
pub(crate) struct Giving {
    folder: Arc<ModelFolder>,
    tensors: HashMap<Digest, String>,
}

impl Giving {
    pub(crate) fn new(folder: Arc<ModelFolder>, manifest: &Manifest) -> Self {
        let names = folder.spec.expert_keys().flat_map(|key| folder.spec.expert_tensors(key));
        let tensors = names.filter_map(|name| Some((*manifest.tensors.get(&name)?, name))).collect();
        Self { folder, tensors }
    }
}

impl WeightSource for Giving {
    fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        let files = &self.folder.files;
        let name = self.tensors.get(digest)?;
        // Asking a peer must not make this node fetch.
        files.has(name).ok().filter(|has| *has)?;
        files.bytes(name).ok().map(<[u8]>::to_vec)
    }
}

/// The nodes that have experts of `keys` by the placement in use, with those; not `this` one.
pub(crate) fn homes_of(
    state: &ClusterState,
    keys: &[ExpertKey],
    this: NodeId,
) -> Vec<(String, Vec<ExpertKey>)> {
    let mut homes: BTreeMap<NodeId, Vec<ExpertKey>> = BTreeMap::new();
    for key in keys {
        let ready = |node: &&NodeId| {
            **node != this && state.nodes.get(node).is_some_and(|node| node.state == NodeState::Ready)
        };
        let all: Vec<&NodeId> = state.placement.homes(*key).iter().filter(ready).collect();
        // Not all from the first: several nodes may join at once, and each home has its own pace.
        if let Some(home) = all.get((key.layer.0 + key.expert.0) as usize % all.len().max(1)) {
            homes.entry(**home).or_default().push(*key);
        }
    }
    let address = |(node, keys)| (state.nodes[&node].address.clone(), keys);
    homes.into_iter().map(address).collect()
}

/// Takes what `folder` lacks of the experts at each of `homes` from there; how many bytes that were. What no home gives is left to
/// who loads.
pub(crate) async fn take(
    folder: &Arc<ModelFolder>,
    manifest: &Arc<Manifest>,
    homes: Vec<(String, Vec<ExpertKey>)>,
    credentials: &Credentials,
    background: &Background,
) -> u64 {
    let taking = homes.into_iter().map(|(address, keys)| async move {
        let mut taken = 0;
        if let Err(why) =
            take_from(&address, &keys, folder, manifest, credentials, background, &mut taken).await
        {
            tracing::debug!(peer = address, why, "no weights from there");
        }
        taken
    });
    futures::future::join_all(taking).await.into_iter().sum()
}

async fn take_from(
    address: &str,
    keys: &[ExpertKey],
    folder: &Arc<ModelFolder>,
    manifest: &Arc<Manifest>,
    credentials: &Credentials,
    background: &Background,
    taken: &mut u64,
) -> Result<(), String> {
    let mut names: HashMap<Digest, BTreeSet<String>> = HashMap::new();
    let mut wanted = BTreeMap::new();
    for name in folder.stored_tensors(keys) {
        if let (Ok(false), Ok(len), Some(digest)) =
            (folder.files.has(&name), folder.files.len(&name), manifest.tensors.get(&name))
        {
            wanted.insert(*digest, len);
            names.entry(*digest).or_default().insert(name);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let mut peer = PeerWeights::connect(address, credentials).await?;
    let (names, total) = (&names, std::cell::Cell::new(0));
    let result = peer.read(&wanted, |digest, bytes| {
        let (folder, manifest, names) = (folder.clone(), manifest.clone(), names[&digest].clone());
        let total = &total;
        async move {
            let len = bytes.len() as u64;
            let put = move || {
                names.iter().try_fold(true, |all, name| {
                    let right = || manifest.verify(&folder, name);
                    Ok::<_, conclave_model::ModelError>(all && folder.files.put(name, &bytes, right)?)
                })
            };
            match background.run(put).await {
                Ok(Ok(true)) => {
                    metrics::counter!("conclave_node_weights_received_bytes_total").increment(len);
                    total.set(total.get() + len);
                    true
                }
                Ok(Ok(false)) => {
                    tracing::warn!(
                        peer = address,
                        digest = digest.short(),
                        "a peer's weights are not what the manifest says"
                    );
                    false
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "weights from a peer cannot be kept");
                    false
                }
                Err(_) => false,
            }
        }
    });
    let result = result.await;
    *taken = total.get();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_control::Node;
    use conclave_types::{LogIndex, PlacementMap};

    fn node(name: &str, state: NodeState) -> Node {
        Node {
            name: name.to_owned(),
            address: format!("{name}:1"),
            incarnation: LogIndex(1),
            capacity: None,
            zone: String::new(),
            numerics: String::new(),
            state,
            draining: false,
        }
    }

    #[test]
    fn ready_homes_are_asked_each_for_its_part() {
        let [a, b, c] = [1, 2, 3].map(NodeId);
        let keys: Vec<ExpertKey> = (0..4).map(|expert| ExpertKey::new(0, expert)).collect();
        let mut placement = PlacementMap::default();
        for key in &keys[..3] {
            placement.set(*key, vec![a, b]);
        }
        placement.set(keys[3], vec![c]);
        let nodes = [
            (a, node("a", NodeState::Ready)),
            (b, node("b", NodeState::Ready)),
            (c, node("c", NodeState::Down)),
        ];
        let mut state = ClusterState { nodes: nodes.into(), placement, ..ClusterState::default() };
        let told = |homes: Vec<(String, Vec<ExpertKey>)>| -> Vec<(String, Vec<u32>)> {
            homes.into_iter().map(|(at, keys)| (at, keys.iter().map(|key| key.expert.0).collect())).collect()
        };
        let all = told(homes_of(&state, &keys, NodeId(9)));
        assert_eq!(all, [("a:1".to_owned(), vec![0, 2]), ("b:1".to_owned(), vec![1])]);
        // Not oneself, and nobody who is away.
        assert_eq!(told(homes_of(&state, &keys, a)), [("b:1".to_owned(), vec![0, 1, 2])]);
        state.nodes.get_mut(&b).unwrap().state = NodeState::Joining;
        assert_eq!(told(homes_of(&state, &keys, a)), []);
    }
}

//! Stored tensors from node to node, over loopback.

use conclave_expert::{ExpertBackend, ExpertBatch, ExpertError, ExpertFuture};
use conclave_expert_rpc::{Credentials, ExpertService, PeerWeights, WeightSource};
use conclave_transport::{ClusterToken, Pace};
use conclave_types::Digest;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// A node with nothing to compute.
struct Idle;

impl ExpertBackend for Idle {
    fn run(&self, _: ExpertBatch) -> ExpertFuture<'_> {
        Box::pin(async { Err(ExpertError::Draining) })
    }
}

/// Tensors by what the giver says their digests are.
struct Tensors(BTreeMap<Digest, Vec<u8>>);

impl WeightSource for Tensors {
    fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.0.get(digest).cloned()
    }
}

fn tensor(seed: u8, len: usize) -> (Digest, Vec<u8>) {
    let bytes: Vec<u8> = (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect();
    (Digest::of(&bytes), bytes)
}

async fn give(tensors: Vec<(Digest, Vec<u8>)>, rate: Option<u64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let source: Arc<dyn WeightSource> = Arc::new(Tensors(tensors.into_iter().collect()));
    let service = ExpertService::new(Arc::new(Idle), Credentials::default());
    let service = service.with_weights(source, Arc::new(Pace::new(rate)));
    tokio::spawn(service.serve(listener, std::future::pending()));
    address
}

/// What `wanted` comes to at `address`.
async fn take(address: &str, wanted: &[(Digest, u64)]) -> (Result<(), String>, BTreeMap<Digest, Vec<u8>>) {
    let taken = Mutex::new(BTreeMap::new());
    let mut peer = PeerWeights::connect(address, &Credentials::default()).await.unwrap();
    let wanted = wanted.iter().copied().collect();
    let result = peer
        .read(&wanted, |digest, bytes| {
            taken.lock().unwrap().insert(digest, bytes);
            async { true }
        })
        .await;
    (result, taken.into_inner().unwrap())
}

#[tokio::test]
async fn tensors_arrive_whole_and_what_is_not_there_is_left_out() {
    // Longer than a chunk, as long as one, and short.
    let tensors = vec![tensor(1, 700_001), tensor(2, 256 << 10), tensor(3, 5)];
    let address = give(tensors.clone(), None).await;
    let (absent, _) = tensor(9, 100);
    let mut wanted: Vec<(Digest, u64)> =
        tensors.iter().map(|(digest, bytes)| (*digest, bytes.len() as u64)).collect();
    wanted.push((absent, 100));
    let (result, taken) = take(&address, &wanted).await;
    assert_eq!(result, Ok(()));
    assert_eq!(taken, tensors.into_iter().collect());
}

#[tokio::test]
async fn a_peer_that_sends_more_than_a_tensor_has_is_left() {
    let (digest, bytes) = tensor(1, 1000);
    let address = give(vec![(digest, bytes)], None).await;
    let (result, taken) = take(&address, &[(digest, 999)]).await;
    assert!(result.unwrap_err().contains("more than the tensor has"));
    assert!(taken.is_empty());
}

#[tokio::test]
async fn whoever_takes_can_stop() {
    let tensors = vec![tensor(1, 100), tensor(2, 100)];
    let wanted = tensors.iter().map(|(digest, bytes)| (*digest, bytes.len() as u64)).collect();
    let address = give(tensors, None).await;
    let mut peer = PeerWeights::connect(&address, &Credentials::default()).await.unwrap();
    let count = Mutex::new(0);
    let taken = peer.read(&wanted, |_, _| {
        *count.lock().unwrap() += 1;
        async { false }
    });
    taken.await.unwrap();
    assert_eq!(count.into_inner().unwrap(), 1);
}

#[tokio::test]
async fn giving_is_no_faster_than_it_may_be() {
    let (digest, bytes) = tensor(1, 1 << 20);
    let len = bytes.len() as u64;
    let address = give(vec![(digest, bytes)], Some(8 << 20)).await;
    let started = Instant::now();
    let (result, taken) = take(&address, &[(digest, len)]).await;
    assert_eq!((result, taken.len()), (Ok(()), 1));
    // Four chunks, of which the last may begin after three.
    assert!(started.elapsed() >= Duration::from_millis(93), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nodes_that_give_nothing_and_strangers_are_told_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let token = Credentials {
        token: ClusterToken::new(Some("correct-horse-battery")).unwrap(),
        ..Credentials::default()
    };
    tokio::spawn(ExpertService::new(Arc::new(Idle), token.clone()).serve(listener, std::future::pending()));
    let wanted = BTreeMap::from([(Digest::of(b"x"), 1)]);
    let mut peer = PeerWeights::connect(&address, &token).await.unwrap();
    let error = peer.read(&wanted, |_, _| async { true }).await.unwrap_err();
    assert!(error.contains("not implemented") || error.contains("Unimplemented"), "{error}");
    let source: Arc<dyn WeightSource> = Arc::new(Tensors(BTreeMap::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let service = ExpertService::new(Arc::new(Idle), token).with_weights(source, Arc::new(Pace::new(None)));
    tokio::spawn(service.serve(listener, std::future::pending()));
    let mut stranger = PeerWeights::connect(&address, &Credentials::default()).await.unwrap();
    let error = stranger.read(&wanted, |_, _| async { true }).await.unwrap_err();
    assert!(error.to_lowercase().contains("token"), "{error}");
}

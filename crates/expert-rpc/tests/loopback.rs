//! The client over the server over `LocalExperts`, on loopback, against `LocalExperts` itself.

use conclave_expert::conformance::Subject;
use conclave_expert::{
    ExpertBackend, ExpertBatch, ExpertError, ExpertFuture, ExpertRows, Lane, LocalExperts, RowDtype, Rows,
};
use conclave_expert_rpc::{Credentials, ExpertService, ExpertSocket, GrpcExperts, socket_path};
use conclave_kernels::Pool;
use conclave_model::{DtypeChoice, Manifest, ModelFolder};
use conclave_transport::ClusterToken;
use conclave_types::{Digest, ExpertIdx, ExpertKey, LayerIdx, ModelDigest, PlacementEpoch};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

fn experts(held: u32) -> (LocalExperts, ModelDigest, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/qwen3_moe/tied");
    let folder = ModelFolder::open(&path, DtypeChoice::Auto).unwrap();
    let manifest = Manifest::compute(&folder).unwrap();
    let keys = folder.spec.expert_keys().filter(|key: &ExpertKey| key.expert.0 < held);
    let local = LocalExperts::load(&folder, &manifest, keys, Arc::new(Pool::inline())).unwrap();
    (local, manifest.model_digest(&folder), folder.spec.hidden)
}

fn call(model: ModelDigest, width: usize, layer: u32, lane: Lane, dtype: RowDtype) -> ExpertBatch {
    let rows = 3 + layer as usize;
    let values: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.37).sin()).collect();
    ExpertBatch {
        model,
        epoch: PlacementEpoch(1),
        layer: LayerIdx(layer),
        lane,
        deadline: None,
        rows: Rows::from_f32(dtype, width, &values),
        experts: vec![
            ExpertRows { expert: ExpertIdx(0), rows: vec![0, 2] },
            ExpertRows { expert: ExpertIdx(3), rows: vec![1] },
        ],
        traceparent: String::new(),
    }
}

async fn serve<B: ExpertBackend>(backend: Arc<B>, at: &str) -> (String, tokio::task::JoinHandle<()>) {
    // A runtime that was shut down lets go of its port a little later.
    let bound = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            match TcpListener::bind(at).await {
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                bound => return bound.unwrap(),
            }
        }
    });
    let listener = bound.await.expect("the port becomes free");
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        ExpertService::new(backend, Credentials::default())
            .serve(listener, std::future::pending())
            .await
            .unwrap();
    });
    (address, server)
}

#[tokio::test]
async fn remote_experts_conform_bit_for_bit() {
    let (local, model, hidden) = experts(4);
    let local = Arc::new(local);
    let (address, _server) = serve(local.clone(), "127.0.0.1:0").await;
    let remote = GrpcExperts::new(&address, None, &Credentials::default()).unwrap();
    remote.connected().await;
    Subject { backend: &remote, reference: &local, model, hidden }.check().await;
}

#[tokio::test]
async fn an_answer_of_several_replies_has_the_same_bits() {
    let (local, model, hidden) = experts(4);
    let local = Arc::new(local);
    let (address, _server) = serve(local.clone(), "127.0.0.1:0").await;
    let remote = GrpcExperts::new(&address, None, &Credentials::default()).unwrap();
    remote.connected().await;
    let count = 8192;
    let values: Vec<f32> = (0..count * hidden).map(|i| (i as f32 * 0.37).sin()).collect();
    let rows: Vec<u32> = (0..count as u32).collect();
    let long = ExpertBatch {
        rows: Rows::from_f32(RowDtype::F32, hidden, &values),
        experts: [0, 3].map(|expert| ExpertRows { expert: ExpertIdx(expert), rows: rows.clone() }).into(),
        ..call(model, hidden, 1, Lane::Prefill, RowDtype::F32)
    };
    let short = call(model, hidden, 1, Lane::Prefill, RowDtype::Bf16);
    let (of_long, of_short) = tokio::join!(remote.run(long.clone()), remote.run(short.clone()));
    let of_long = of_long.unwrap();
    assert!(
        of_long.rows.data.len() > 3 << 19,
        "{} bytes: too few for several replies",
        of_long.rows.data.len()
    );
    assert!(of_long.rows == local.run(long).await.unwrap().rows);
    assert_eq!(of_short.unwrap().rows, local.run(short).await.unwrap().rows);
}

#[tokio::test]
async fn a_node_of_this_machine_is_called_through_its_socket() {
    let (local, model, hidden) = experts(4);
    let local = Arc::new(local);
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens at the address, so only the socket can answer.
    let address = "127.0.0.1:1";
    let socket = ExpertSocket::bind(folder.path(), address).unwrap();
    let service = ExpertService::new(local.clone(), Credentials::default());
    let server = tokio::spawn(service.serve_socket(socket, std::future::pending()));
    let remote = GrpcExperts::new(address, Some(folder.path()), &Credentials::default()).unwrap();
    remote.connected().await;
    Subject { backend: &remote, reference: &local, model, hidden }.check().await;
    server.abort();
    let _ = server.await;
    assert!(!socket_path(folder.path(), address).exists(), "the file goes with the socket");
}

#[tokio::test]
async fn a_socket_at_which_nobody_answers_is_passed_over() {
    let (local, model, hidden) = experts(4);
    let local = Arc::new(local);
    let (address, _server) = serve(local.clone(), "127.0.0.1:0").await;
    let folder = tempfile::tempdir().unwrap();
    // What a killed node leaves behind.
    drop(std::os::unix::net::UnixListener::bind(socket_path(folder.path(), &address)).unwrap());
    let remote = GrpcExperts::new(&address, Some(folder.path()), &Credentials::default()).unwrap();
    remote.connected().await;
    Subject { backend: &remote, reference: &local, model, hidden }.check().await;
    // And a node that takes the address over takes its place over.
    let _socket = ExpertSocket::bind(folder.path(), &address).unwrap();
}

#[tokio::test]
async fn without_the_token_no_lane_opens() {
    let (local, model, hidden) = experts(4);
    let local = Arc::new(local);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let token = ClusterToken::new(Some("correct-horse-battery")).unwrap();
    let token = Credentials { token, certificates: None };
    let service = ExpertService::new(local.clone(), token.clone());
    tokio::spawn(service.serve(listener, std::future::pending()));
    let member = GrpcExperts::new(&address, None, &token).unwrap();
    member.connected().await;
    let stranger = GrpcExperts::new(&address, None, &Credentials::default()).unwrap();
    let call = Subject { backend: &member, reference: &local, model, hidden }.call(1);
    assert!(member.run(call.clone()).await.is_ok());
    // The member has connected meanwhile, so the stranger has been refused at least once or is about to be.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stranger.is_connected());
    assert!(matches!(stranger.run(call).await, Err(ExpertError::Unreachable(_))));
}

/// Never answers.
struct Silent;

impl ExpertBackend for Silent {
    fn run(&self, _batch: ExpertBatch) -> ExpertFuture<'_> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_silent_node_is_given_up_at_the_deadline() {
    let (address, _server) = serve(Arc::new(Silent), "127.0.0.1:0").await;
    let remote = GrpcExperts::new(&address, None, &Credentials::default()).unwrap();
    remote.connected().await;
    let deadline = Duration::from_millis(30);
    let late =
        ExpertBatch { deadline: Some(deadline), ..call(Digest([0; 32]), 4, 0, Lane::Decode, RowDtype::F32) };
    assert_eq!(remote.run(late).await, Err(ExpertError::Deadline(deadline)));
}

#[test]
fn a_killed_node_fails_its_calls_at_once_and_is_found_again_when_it_returns() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ours = runtime();
    // The node has a runtime of its own, so that dropping it closes every connection as a kill would.
    let node = runtime();
    let (address, _server) = node.block_on(serve(Arc::new(Silent), "127.0.0.1:0"));
    ours.block_on(async {
        let remote = Arc::new(GrpcExperts::new(&address, None, &Credentials::default()).unwrap());
        remote.connected().await;
        let (local, model, width) = experts(8);
        let good = call(model, width, 0, Lane::Decode, RowDtype::F32);
        let waiting = tokio::spawn({
            let (remote, good) = (remote.clone(), good.clone());
            async move { remote.run(good).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        node.shutdown_background();
        let lost =
            tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("the call ends by itself");
        assert!(matches!(lost.unwrap(), Err(ExpertError::Unreachable(_))));
        let local = Arc::new(local);
        let (_, _server) = serve(local.clone(), &address).await;
        remote.connected().await;
        assert_eq!(remote.run(good.clone()).await.unwrap().rows, local.run(good).await.unwrap().rows);
    });
}

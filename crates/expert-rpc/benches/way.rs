//! How long a call takes there and back beyond its computing: `cargo bench -p conclave-expert-rpc`.
//!
//! Rows of 2,048 in bf16, each to eight experts of one node, through a Unix socket; the caller drives its connection itself, as the
//! engine does. Before each call, and at the node in place of computing, 96 MiB are read, as weights would be: both sides find
//! their buffers and code out of the caches. Decision 0024 has figures.

use conclave_expert::{
    ExpertBackend, ExpertBatch, ExpertFuture, ExpertOutput, ExpertRows, Lane, RowDtype, Rows,
};
use conclave_expert_rpc::{Credentials, ExpertService, ExpertSocket, GrpcExperts};
use conclave_kernels::Pool;
use conclave_types::{Digest, ExpertIdx, LayerIdx, PlacementEpoch};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

const WIDTH: usize = 2048;
const TOP_K: usize = 8;
/// More than the caches of a few cores hold.
const OTHER_WORDS: usize = 12 << 20;

/// Reads something else; how long that took.
fn read_other(words: &[u64]) -> Duration {
    let began = Instant::now();
    black_box(words.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)));
    began.elapsed()
}

/// Answers with rows of any content.
struct Reads {
    other: Arc<Vec<u64>>,
    pool: Pool,
}

impl ExpertBackend for Reads {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        Box::pin(async move {
            let (dtype, width, count) = (batch.rows.dtype, batch.rows.width, batch.output_rows());
            let data = bytes::Bytes::from_owner(self.pool.buffer::<u8>(count * dtype.row_bytes(width)));
            let compute_us = read_other(&self.other).as_micros() as u32;
            Ok(ExpertOutput { rows: Rows { dtype, width, count, data }, queue_us: 0, compute_us })
        })
    }
}

fn call(rows: usize) -> ExpertBatch {
    let experts = (0..TOP_K as u32).map(ExpertIdx);
    ExpertBatch {
        model: Digest([0; 32]),
        epoch: PlacementEpoch(1),
        layer: LayerIdx(0),
        lane: Lane::Decode,
        deadline: Some(Duration::from_secs(5)),
        rows: Rows::from_f32(RowDtype::Bf16, WIDTH, &vec![0.5; rows * WIDTH]),
        experts: experts.map(|expert| ExpertRows { expert, rows: (0..rows as u32).collect() }).collect(),
        traceparent: String::new(),
    }
}

fn way(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the socket");
    let address = "127.0.0.1:1";
    let other = Arc::new(vec![1; OTHER_WORDS]);
    let node = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let backend = Arc::new(Reads { other: other.clone(), pool: Pool::inline() });
    node.spawn({
        let entered = node.enter();
        let socket = ExpertSocket::bind(folder.path(), address).expect("a socket");
        drop(entered);
        ExpertService::new(backend, Credentials::default()).serve_socket(socket, std::future::pending())
    });
    let ours = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let remote = ours.block_on(async {
        let remote =
            GrpcExperts::new(address, Some(folder.path()), &Credentials::default()).expect("an address");
        remote.connected().await;
        remote
    });
    let mut group = criterion.benchmark_group("there and back beyond computing");
    // What is read in between counts for nothing, and takes fifty times as long.
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(100));
    for rows in [1, 8, 16, 32, 64] {
        let batch = call(rows);
        group.throughput(Throughput::Bytes((rows * (1 + TOP_K) * 2 * WIDTH) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{rows} rows")), |bencher| {
            bencher.iter_custom(|calls| {
                (0..calls).fold(Duration::ZERO, |total, _| {
                    let batch = batch.clone();
                    read_other(&other);
                    let began = Instant::now();
                    let output = ours.block_on(remote.run(batch)).expect("the node answers");
                    let computing = Duration::from_micros(output.compute_us.into());
                    total + began.elapsed().saturating_sub(computing)
                })
            });
        });
    }
}

criterion_group!(benches, way);
criterion_main!(benches);

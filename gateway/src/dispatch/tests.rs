//! The dispatcher with nodes that fail, lie and dawdle, in a time that stands still.

use super::breaker::State;
use super::clock::manual::ManualClock;
use super::health::Extra;
use super::*;
use conclave_control::Avoidance;
use conclave_expert::{ExpertBatch, ExpertError, ExpertFuture, ExpertOutput, Faulty, Rows};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Expert e answers `(e + 1) * row`.
struct Scale;

impl ExpertBackend for Scale {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        Box::pin(async move {
            let input = batch.rows.to_f32();
            let width = batch.rows.width;
            let mut out = Vec::new();
            for expert in &batch.experts {
                for row in &expert.rows {
                    let row = *row as usize * width;
                    out.extend(input[row..row + width].iter().map(|v| v * (expert.expert.0 + 1) as f32));
                }
            }
            let rows = Rows::from_f32(batch.rows.dtype, width, &out);
            Ok(ExpertOutput { rows, queue_us: 0, compute_us: 0 })
        })
    }
}

/// What a node does with answers.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    NotANumber,
    TooShort,
    Different,
}

/// A node whose pace and honesty the test sets.
struct Node {
    clock: ManualClock,
    takes: AtomicU64,
    lie: Mutex<Lie>,
    /// Answers the next call with it, after its time.
    fails: Mutex<Option<ExpertError>>,
    called: AtomicU64,
    cut_off: AtomicBool,
    /// Calls that were dropped before their answer.
    dropped: Arc<AtomicU64>,
}

impl Node {
    fn calls(&self) -> u64 {
        self.called.swap(0, Ordering::Relaxed)
    }

    fn takes(&self, millis: u64) {
        self.takes.store(millis, Ordering::Relaxed);
    }
}

struct Watched(Arc<AtomicU64>, AtomicBool);

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.1.load(Ordering::Relaxed) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl ExpertBackend for Node {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        self.called.fetch_add(1, Ordering::Relaxed);
        let takes = MS(self.takes.load(Ordering::Relaxed));
        let (lie, fails) = (*self.lie.lock().unwrap(), self.fails.lock().unwrap().take());
        Box::pin(async move {
            let watched = Watched(self.dropped.clone(), AtomicBool::new(false));
            let deadline = batch.deadline.expect("the dispatcher sets one");
            self.clock.sleep(takes.min(deadline)).await;
            watched.1.store(true, Ordering::Relaxed);
            if takes > deadline {
                return Err(ExpertError::Deadline(deadline));
            }
            if let Some(error) = fails {
                return Err(error);
            }
            let mut output = Scale.run(batch).await?;
            let mut values = output.rows.to_f32();
            match lie {
                Lie::None => {}
                Lie::NotANumber => values[0] = f32::NAN,
                Lie::TooShort => values.truncate(output.rows.width * (output.rows.count - 1)),
                Lie::Different => values[0] += 1.0,
            }
            output.rows = Rows::from_f32(output.rows.dtype, output.rows.width, &values);
            Ok(output)
        })
    }

    fn is_connected(&self) -> bool {
        !self.cut_off.load(Ordering::Relaxed)
    }
}

fn routing() -> Routing {
    let experts = [0, 2, 1, 0].map(ExpertIdx).to_vec();
    Routing { top_k: 2, experts, weights: vec![0.5, 0.5, 0.25, 0.75] }
}

fn dispatcher(backends: Vec<Arc<dyn ExpertBackend>>, homes: &[(u32, &[u64])]) -> Dispatcher {
    let map = homes
        .iter()
        .map(|(expert, nodes)| (ExpertKey::new(0, *expert), nodes.iter().map(|n| NodeId(*n)).collect()))
        .collect();
    let backends = backends.into_iter().enumerate().map(|(at, b)| (NodeId(at as u64), b)).collect();
    let homes = Homes { epoch: PlacementEpoch(4), map, backends };
    Dispatcher::new(
        conclave_types::Digest([0; 32]),
        homes.map.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        RowDtype::F32,
        homes,
        Arc::new(conclave_kernels::Pool::inline()),
    )
}

const ROWS: [f32; 4] = [1.0, 2.0, 4.0, 8.0];
const COMBINED: [f32; 4] = [2.0, 4.0, 5.0, 10.0];
/// Each expert at two of three nodes; node 0 is asked for 0 and 2 when all are well, node 1 for 1.
const TWO_HOMES: [(u32, &[u64]); 3] = [(0, &[0, 1]), (1, &[1, 2]), (2, &[0, 2])];

/// Three nodes that take 10 ms, and a dispatcher that knows it.
struct Cluster {
    clock: ManualClock,
    nodes: Vec<Arc<Node>>,
    dispatcher: Dispatcher,
}

impl Cluster {
    fn new(homes: &[(u32, &[u64])]) -> Self {
        let clock = ManualClock::new();
        let node = |_| {
            Arc::new(Node {
                clock: clock.clone(),
                takes: 10.into(),
                lie: Mutex::new(Lie::None),
                fails: Mutex::default(),
                called: 0.into(),
                cut_off: false.into(),
                dropped: Arc::default(),
            })
        };
        let nodes: Vec<Arc<Node>> = (0..3).map(node).collect();
        let backends = nodes.iter().map(|node| node.clone() as Arc<dyn ExpertBackend>).collect();
        let mut dispatcher = dispatcher(backends, homes);
        dispatcher.clock = Clock::Manual(clock.clone());
        let cluster = Self { clock, nodes, dispatcher };
        for node in 0..3 {
            for _ in 0..50 {
                let now = cluster.clock.now();
                // As the calls of these tests: 48 to 56 units.
                cluster.dispatcher.health.answered(NodeId(node), Lane::Decode, 48.0, MS(10), None, now);
            }
        }
        cluster
    }

    /// Runs one layer, whose result must be right; how long it took in milliseconds.
    fn layer(&self) -> u64 {
        let (started, routing) = (self.clock.now(), routing());
        let call =
            self.dispatcher.run_layer(Meanwhile::TrunkWaits, LayerIdx(0), Lane::Decode, 2, &ROWS, &routing);
        assert_eq!(*self.clock.run(call).unwrap(), COMBINED, "the bits do not depend on who answers");
        (self.clock.now() - started).as_millis() as u64
    }

    fn calls(&self) -> [u64; 3] {
        [0, 1, 2].map(|at: usize| self.nodes[at].calls())
    }

    fn dropped(&self) -> [u64; 3] {
        [0, 1, 2].map(|at: usize| self.nodes[at].dropped.load(Ordering::Relaxed))
    }

    fn state(&self, node: u64) -> State {
        self.dispatcher.health.state(NodeId(node))
    }

    fn extra(&self) -> Extra {
        self.dispatcher.health.extra()
    }

    fn lies(&self, node: usize, lie: Lie) {
        *self.nodes[node].lie.lock().unwrap() = lie;
    }

    /// Layers until `done`, with a pause between them; how many.
    fn layers_until(&self, pause: u64, done: impl Fn() -> bool) -> usize {
        let count = (0..10_000).find(|_| {
            if done() {
                return true;
            }
            self.layer();
            self.clock.pass(MS(pause));
            false
        });
        count.expect("it happens some time")
    }
}

fn run(dispatcher: &Dispatcher) -> Result<Vec<f32>, DispatchError> {
    let routing = routing();
    let call = dispatcher.run_layer(Meanwhile::TrunkWaits, LayerIdx(0), Lane::Decode, 2, &ROWS, &routing);
    futures::executor::block_on(call).map(|rows| rows.to_vec())
}

#[test]
fn one_home_or_three_give_the_same_rows() {
    let one = dispatcher(vec![Arc::new(Scale)], &[(0, &[0]), (1, &[0]), (2, &[0])]);
    let three = dispatcher(
        vec![Arc::new(Scale), Arc::new(Scale), Arc::new(Scale)],
        &[(0, &[0]), (1, &[1]), (2, &[2])],
    );
    assert_eq!(run(&one).unwrap(), COMBINED);
    assert_eq!(run(&three).unwrap(), COMBINED);
}

#[test]
fn a_failed_home_is_replaced_by_another() {
    let faulty = Faulty::new(Scale, [ExpertError::Unreachable("killed".to_owned())]);
    let dispatcher =
        dispatcher(vec![Arc::new(faulty), Arc::new(Scale)], &[(0, &[0, 1]), (1, &[0, 1]), (2, &[0, 1])]);
    assert_eq!(run(&dispatcher).unwrap(), COMBINED);
}

#[tokio::test]
async fn a_busy_home_without_a_replica_is_asked_again_after_the_pause_it_named() {
    let busy = ExpertError::Busy { retry_after: Duration::from_millis(30) };
    let faulty = Faulty::new(Scale, [busy.clone(), ExpertError::Deadline(Duration::from_millis(1)), busy]);
    let dispatcher = dispatcher(vec![Arc::new(faulty)], &[(0, &[0]), (1, &[0]), (2, &[0])]);
    let started = Instant::now();
    let combined =
        dispatcher.run_layer(Meanwhile::TrunkWaits, LayerIdx(0), Lane::Decode, 2, &ROWS, &routing()).await;
    assert_eq!(*combined.unwrap(), COMBINED);
    assert!(started.elapsed() >= Duration::from_millis(60));
}

#[test]
fn without_a_live_home_the_error_names_the_experts() {
    let faulty = Faulty::new(Scale, [ExpertError::Draining]);
    let dispatcher = dispatcher(vec![Arc::new(faulty), Arc::new(Scale)], &[(0, &[0]), (1, &[1]), (2, &[0])]);
    let error = run(&dispatcher).unwrap_err();
    let experts = vec![ExpertIdx(0), ExpertIdx(2)];
    assert_eq!(error, DispatchError::NoReplica { layer: LayerIdx(0), experts, epoch: PlacementEpoch(4) });
}

#[test]
fn a_home_that_falls_silent_costs_a_hedge_and_the_loser_is_cancelled() {
    let cluster = Cluster::new(&TWO_HOMES);
    assert_eq!(cluster.layer(), 10);
    assert_eq!(cluster.calls(), [1, 1, 0]);
    cluster.nodes[0].takes(1_000_000);
    let took = cluster.layer();
    // Three times what such a call takes, and the other homes' 10 ms.
    assert!((40..60).contains(&took), "{took} ms");
    assert_eq!(cluster.calls(), [1, 2, 1], "only what node 0 was asked for, of the other homes");
    assert_eq!((cluster.dropped(), cluster.state(0)), ([1, 0, 0], State::Closed));
    assert_eq!(cluster.extra(), Extra { hedges_won: 2, ..Extra::default() });
    // The second time in a row it is avoided, and then costs nothing any more.
    cluster.layer();
    assert_eq!(cluster.state(0), State::Slow);
    cluster.calls();
    assert_eq!(cluster.layer(), 10);
    assert_eq!(cluster.calls(), [0, 1, 1]);
}

#[test]
fn a_hedge_that_loses_is_cancelled_and_the_late_home_is_not_blamed() {
    let cluster = Cluster::new(&TWO_HOMES);
    cluster.nodes[0].takes(45);
    cluster.nodes[1].takes(10);
    cluster.nodes[2].takes(30);
    assert_eq!(cluster.layer(), 45, "node 0 answers before node 2 does");
    assert_eq!(cluster.calls(), [1, 2, 1]);
    assert_eq!((cluster.dropped(), cluster.state(0)), ([0, 0, 1], State::Closed));
    // Node 1's part of the hedge came first, node 2's did not.
    assert_eq!(cluster.extra(), Extra { hedges_won: 1, hedges_lost: 1, ..Extra::default() });
}

#[test]
fn without_a_budget_a_late_call_is_waited_for_and_then_given_up() {
    let cluster = Cluster::new(&TWO_HOMES);
    while cluster.dispatcher.health.may_hedge(1) {}
    cluster.nodes[0].takes(200);
    assert_eq!(cluster.layer(), 200);
    let extra = cluster.extra();
    assert_eq!((extra.hedges_won, extra.hedges_lost), (0, 0));
    assert!(extra.refused_by_budget > 0, "{extra:?}");
    cluster.nodes[0].takes(1_000_000);
    let took = cluster.layer();
    assert!((250..2_000).contains(&took), "it is given up at its deadline: {took} ms");
    assert_eq!(cluster.state(0), State::Failed);
}

#[test]
fn hedging_ends_by_itself_where_being_late_is_usual() {
    let cluster = Cluster::new(&TWO_HOMES);
    let mut calls = 0;
    for round in 0..1_000 {
        // One of them is late, and not the one that was late before.
        (0..3).for_each(|node| cluster.nodes[node].takes(if round % 3 == node { 100 } else { 10 }));
        cluster.layer();
        cluster.clock.pass(MS(1_100));
        calls += cluster.calls().iter().sum::<u64>();
    }
    let Extra { hedges_won, hedges_lost, .. } = cluster.extra();
    let hedges = hedges_won + hedges_lost;
    assert!((5..50).contains(&hedges) && calls > 1_500, "{hedges} hedges of {calls} calls");
}

#[test]
fn while_all_are_slow_nobody_is_hedged() {
    let cluster = Cluster::new(&TWO_HOMES);
    cluster.nodes.iter().for_each(|node| node.takes(100));
    assert_eq!(cluster.layer(), 100);
    // Node 2 was not asked for anything, so that it is slow, too, has to be found out.
    assert_eq!((cluster.calls(), cluster.extra().hedges_lost), ([1, 1, 1], 1));
    for _ in 0..5 {
        assert_eq!(cluster.layer(), 100);
        assert_eq!(cluster.calls(), [1, 1, 0]);
    }
    let extra = cluster.extra();
    assert_eq!((extra.hedges_won, extra.hedges_lost, extra.refused_by_budget), (0, 1, 0));
    assert!(extra.refused_all_slow > 5, "{extra:?}");
    assert_eq!([0, 1, 2].map(|node| cluster.state(node)), [State::Closed; 3]);
}

#[test]
fn a_call_that_is_far_later_than_the_other_homes_were_is_hedged_there() {
    let cluster = Cluster::new(&TWO_HOMES);
    // Node 2, where expert 2 is too, was late a moment ago, by a little, and is not asked anything now.
    let late = Some(1.5);
    cluster.dispatcher.health.answered(NodeId(2), Lane::Decode, 48.0, MS(50), late, cluster.clock.now());
    cluster.nodes[0].takes(1_000_000);
    let took = cluster.layer();
    assert!(
        (60..100).contains(&took),
        "not at once, since it may be as slow, and not at the deadline: {took} ms"
    );
    assert!(cluster.extra().refused_all_slow > 0, "{:?}", cluster.extra());
}

#[test]
fn a_call_that_hangs_is_hedged_at_a_home_that_failed_before() {
    let cluster = Cluster::new(&TWO_HOMES);
    cluster.dispatcher.health.failed(NodeId(2), true, cluster.clock.now());
    cluster.nodes[0].takes(1_000_000);
    let took = cluster.layer();
    assert!((130..200).contains(&took), "well before the deadline: {took} ms");
    // A home whose answers were wrong is not asked before that.
    let cluster = Cluster::new(&TWO_HOMES);
    cluster.dispatcher.health.quarantine(NodeId(2), "it lied", cluster.clock.now());
    cluster.nodes[0].takes(1_000_000);
    assert!(cluster.layer() >= 250);
}

#[test]
fn experts_with_one_home_are_waited_for_without_a_hedge() {
    let cluster = Cluster::new(&[(0, &[0]), (1, &[1, 2]), (2, &[0, 2])]);
    cluster.nodes[0].takes(100);
    assert_eq!(cluster.layer(), 100);
    assert_eq!(cluster.extra(), Extra::default());
}

#[test]
fn a_failed_batch_goes_to_another_home_while_others_still_run() {
    let cluster = Cluster::new(&TWO_HOMES);
    // Node 0 fails after 5 ms, node 1 takes 30; the other homes need 10.
    cluster.nodes[0].takes(5);
    *cluster.nodes[0].fails.lock().unwrap() = Some(ExpertError::Unreachable("killed".to_owned()));
    cluster.nodes[1].takes(20);
    cluster.nodes[2].takes(10);
    assert_eq!(cluster.layer(), 25, "at 5 ms node 1 is asked for expert 0, node 2 for expert 2");
    assert_eq!((cluster.calls(), cluster.state(0)), ([1, 2, 1], State::Failed));
}

#[test]
fn a_failed_hedge_is_sent_elsewhere() {
    let cluster = Cluster::new(&[(0, &[0, 1, 2]), (1, &[0, 1, 2]), (2, &[0, 1, 2])]);
    cluster.nodes[0].takes(1_000_000);
    *cluster.nodes[1].fails.lock().unwrap() = Some(ExpertError::Draining);
    let took = cluster.layer();
    assert!((50..80).contains(&took), "{took} ms");
    assert_eq!(cluster.calls(), [1, 1, 1]);
    assert_eq!(cluster.extra(), Extra { hedges_won: 1, hedges_failed: 1, ..Extra::default() });
}

#[test]
fn a_slow_home_is_left_alone_and_returns_when_it_is_quick_again() {
    let cluster = Cluster::new(&TWO_HOMES);
    cluster.nodes[0].takes(100);
    let hedged = cluster.layers_until(20, || cluster.state(0) == State::Slow);
    assert!(hedged <= 4, "after {hedged} layers");
    cluster.calls();
    let times: Vec<u64> = (0..1_000)
        .map(|_| {
            cluster.clock.pass(MS(20));
            cluster.layer()
        })
        .collect();
    let slower = times.iter().filter(|took| **took > 10).count();
    let probes = cluster.calls()[0];
    assert!((10..40).contains(&probes), "{probes} probes in half a minute");
    assert!(slower as u64 <= probes && times.iter().all(|took| *took <= 40), "{times:?}");
    assert_eq!(cluster.state(0), State::Slow);
    cluster.nodes[0].takes(10);
    let layers = cluster.layers_until(20, || cluster.state(0) == State::Closed);
    assert!(layers <= 160, "after {layers} layers, or {} ms", 30 * layers);
    assert!(cluster.extra().probes_good == 4);
    assert_eq!(cluster.layer(), 10);
    assert_eq!(cluster.calls()[0], 5, "four probes and a call");
}

#[test]
fn a_slow_home_without_a_connection_is_not_probed_and_returns_soon_after_it_has_one() {
    let cluster = Cluster::new(&TWO_HOMES);
    cluster.nodes[0].takes(100);
    cluster.layers_until(20, || cluster.state(0) == State::Slow);
    cluster.calls();
    let before = cluster.extra();
    cluster.nodes[0].cut_off.store(true, Ordering::Relaxed);
    (0..200).for_each(|_| {
        cluster.clock.pass(MS(20));
        assert_eq!(cluster.layer(), 10, "nobody waits for it");
    });
    assert_eq!((cluster.calls()[0], cluster.extra()), (0, before));
    cluster.nodes[0].takes(10);
    cluster.nodes[0].cut_off.store(false, Ordering::Relaxed);
    let layers = cluster.layers_until(20, || cluster.state(0) == State::Closed);
    assert!(layers <= 14, "after {} ms", 30 * layers);
}

#[test]
fn of_two_slow_homes_the_quicker_is_asked_and_returns_by_its_own_answers() {
    let cluster = Cluster::new(&[(0, &[0, 1]), (1, &[0, 1]), (2, &[0, 1])]);
    let answered = |node, took| {
        let now = cluster.clock.now();
        cluster.dispatcher.health.answered(NodeId(node), Lane::Decode, 48.0, MS(took), None, now);
    };
    for (slow, took) in [(0, 100), (1, 40)] {
        (0..64)
            .for_each(|_| [(slow, took), (2, 10)].into_iter().for_each(|(node, took)| answered(node, took)));
        cluster.nodes[slow as usize].takes(took);
        assert_eq!(cluster.state(slow), State::Slow);
    }
    for _ in 0..20 {
        cluster.clock.pass(MS(100));
        assert_eq!(cluster.layer(), 40);
    }
    let calls = cluster.calls();
    assert!(calls[0] < 10 && calls[1] == 20, "the other gets probes only: {calls:?}");
    assert_eq!(cluster.state(1), State::Slow);
    cluster.nodes[1].takes(10);
    let layers = cluster.layers_until(100, || cluster.state(1) == State::Closed);
    assert!(layers < 50, "after {layers} layers");
    assert_eq!(cluster.state(0), State::Slow);
}

#[test]
fn wrong_answers_are_replaced_and_their_node_returns_after_four_right_ones() {
    for lie in [Lie::NotANumber, Lie::TooShort] {
        let cluster = Cluster::new(&TWO_HOMES);
        cluster.lies(0, lie);
        assert_eq!(cluster.layer(), 20);
        assert_eq!(cluster.state(0), State::Quarantined);
        assert_eq!(cluster.dispatcher.avoided(), [(NodeId(0), Avoidance::Quarantined)].into());
        cluster.calls();
        cluster.clock.pass(MS(59_000));
        cluster.layer();
        assert_eq!(cluster.calls(), [0, 1, 1], "it is not even probed for a minute");
        // Finite and of the right shape, but not what the other home says.
        cluster.lies(0, Lie::Different);
        cluster.clock.pass(MS(2_000));
        cluster.layer();
        assert_eq!((cluster.calls()[0], cluster.state(0)), (1, State::Quarantined));
        cluster.lies(0, Lie::None);
        cluster.clock.pass(MS(30_000));
        cluster.layer();
        assert_eq!(cluster.calls()[0], 0, "that cost it another minute");
        cluster.clock.pass(MS(31_000));
        let layers = cluster.layers_until(60, || cluster.state(0) == State::Closed);
        assert_eq!((layers, cluster.calls()[0]), (4, 4));
        assert!(cluster.dispatcher.avoided().is_empty());
    }
}

#[test]
fn an_answer_that_no_home_can_give_rightly_quarantines_nobody() {
    let cluster = Cluster::new(&TWO_HOMES);
    (0..3).for_each(|node| cluster.lies(node, Lie::NotANumber));
    let routing = routing();
    let call =
        cluster.dispatcher.run_layer(Meanwhile::TrunkWaits, LayerIdx(0), Lane::Decode, 2, &ROWS, &routing);
    assert!(matches!(cluster.clock.run(call), Err(DispatchError::NoReplica { .. })));
    assert!([0, 1, 2].iter().all(|node| cluster.state(*node) != State::Quarantined));
    (0..3).for_each(|node| cluster.lies(node, Lie::None));
    assert_eq!(cluster.layer(), 10, "all are avoided, so all are asked");
}

#[test]
fn a_failed_home_is_trusted_again_after_one_probe() {
    let cluster = Cluster::new(&TWO_HOMES);
    *cluster.nodes[0].fails.lock().unwrap() = Some(ExpertError::Draining);
    cluster.layer();
    assert_eq!(cluster.state(0), State::Failed);
    cluster.clock.pass(MS(101));
    assert_eq!(cluster.layer(), 10);
    assert_eq!(cluster.state(0), State::Closed);
}

#[test]
fn a_layer_that_is_given_up_leaves_no_home_marked_as_late() {
    let cluster = Cluster::new(&TWO_HOMES);
    while cluster.dispatcher.health.may_hedge(1) {}
    cluster.nodes.iter().for_each(|node| node.takes(1_000));
    let routing = routing();
    let layer =
        cluster.dispatcher.run_layer(Meanwhile::TrunkWaits, LayerIdx(0), Lane::Decode, 2, &ROWS, &routing);
    let given_up = async {
        let late = cluster.clock.sleep(MS(100));
        futures::pin_mut!(layer, late);
        futures::future::select(layer, late).await;
        assert_eq!(cluster.dispatcher.health.unfit(cluster.clock.now(), 1.0).len(), 2);
    };
    cluster.clock.run(given_up);
    assert!(cluster.dispatcher.health.unfit(cluster.clock.now(), 1.0).is_empty());
    assert_eq!(cluster.dropped(), [1, 1, 0]);
}

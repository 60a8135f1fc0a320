//! One layer's calls, from the rows to their sum: sends them, waits for whatever happens first, asks others.
//!
//! Keeps true: each (row, expert) pair is asked of one home at a time, and of a second only when the first is late; a
//! failed home's pairs go to another home at once, whoever else is still awaited; the result does not depend on who
//! answered. A future that is dropped drops its calls, which cancels them.

use super::clock::{Alarm, Clock};
use super::health::{Health, Limits, Overdue};
use super::split::{Askable, NodeBatch, split};
use super::times::LayerTimes;
use super::{DispatchError, Dispatcher, Homes};
use conclave_expert::{ExpertBatch, ExpertError, ExpertOutput, ExpertRows, Lane, Rows};
use conclave_kernels::{Buffer, Pool};
use conclave_model::{Routing, combine_with};
use conclave_types::{ExpertKey, LayerIdx, NodeId};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long one layer may take in all, with every retry, before its requests get an error.
const LAYER_MAX: Duration = Duration::from_secs(30);

type Reply = Result<ExpertOutput, ExpertError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Its answer is needed.
    First,
    /// It is sent because another call is late.
    Hedge,
    /// A copy that shows how the node is, within that time. Its answer is not used.
    Probe(Duration),
}

/// A call that runs.
struct Flight<'a> {
    batch: NodeBatch,
    kind: Kind,
    began: Instant,
    work: f32,
    /// When it is late, and how long after that it is looked at again.
    hedge_at: Option<Instant>,
    hedge_again: Duration,
    /// How long after it began it is late.
    late_after: Duration,
    overdue: Option<Overdue<'a>>,
    call: Pin<Box<dyn Future<Output = Reply> + Send>>,
}

impl Flight<'_> {
    /// How many times as long as until it is late `took` is.
    fn times(&self, took: Duration) -> f32 {
        took.as_secs_f32() / self.late_after.as_secs_f32()
    }
}

enum Event {
    /// The call at this index ended.
    Ended(usize, Reply),
    /// The time that was waited for has come.
    Time,
}

/// A probe's answer, judged when the layer's own answers are there.
struct Probed {
    batch: NodeBatch,
    reply: Reply,
    in_time: bool,
}

/// A layer that is being computed.
pub(super) struct LayerRun<'a> {
    dispatcher: &'a Dispatcher,
    pool: &'a Pool,
    health: &'a Health,
    clock: &'a Clock,
    layer: LayerIdx,
    lane: Lane,
    hidden: usize,
    routing: &'a Routing,
    rows: Rows,
    times: LayerTimes,
    started: Instant,
    homes: Arc<Homes>,
    /// For each pair the reply that holds its answer, and which row of it.
    answers: Vec<Option<(usize, usize)>>,
    replies: Vec<Rows>,
    /// Pairs without an answer.
    missing: usize,
    /// Pairs that nobody is asked for, ascending; `None`: all of them.
    open: Option<Vec<usize>>,
    flights: Vec<Flight<'a>>,
    alarm: Option<(Instant, Alarm)>,
    /// Nodes that failed this layer, and those of them that may only have been slow.
    failed: BTreeSet<NodeId>,
    slow: BTreeSet<NodeId>,
    /// How much longer than usual a call may take before it is given up.
    patience: u32,
    asked_to_wait: Option<Duration>,
    /// Before this nobody is asked for what is open.
    wait_until: Option<Instant>,
    /// Nodes whose answers cannot be right, and why.
    suspects: Vec<(NodeId, ExpertError)>,
    hedged: bool,
    probed: Option<Probed>,
}

impl<'a> LayerRun<'a> {
    pub(super) fn new(
        dispatcher: &'a Dispatcher,
        pool: &'a Pool,
        layer: LayerIdx,
        lane: Lane,
        hidden: usize,
        rows: &[f32],
        routing: &'a Routing,
    ) -> Self {
        let started = dispatcher.clock.now();
        // Rounded once, whoever gets them.
        let rows = Rows::from_f32_on(pool, dispatcher.dtype, hidden, rows);
        let mut times = LayerTimes::default();
        times.packed(dispatcher.clock.now() - started);
        let pairs = routing.experts.len();
        Self {
            dispatcher,
            pool,
            health: &dispatcher.health,
            clock: &dispatcher.clock,
            layer,
            lane,
            hidden,
            routing,
            rows,
            times,
            started,
            homes: dispatcher.homes(),
            answers: vec![None; pairs],
            replies: Vec::new(),
            missing: pairs,
            open: None,
            flights: Vec::new(),
            alarm: None,
            failed: BTreeSet::new(),
            slow: BTreeSet::new(),
            patience: 1,
            asked_to_wait: None,
            wait_until: None,
            suspects: Vec::new(),
            hedged: false,
            probed: None,
        }
    }

    /// The combined rows `[rows, hidden]`.
    pub(super) async fn run(mut self) -> Result<Buffer<f32>, DispatchError> {
        if self.missing > 0 {
            self.ask()?;
        }
        while self.missing > 0 {
            match self.next().await {
                Event::Ended(at, reply) => {
                    let flight = self.flights.remove(at);
                    self.take(flight, reply);
                }
                Event::Time => self.hedge_what_is_late(),
            }
            let waited = || self.wait_until.is_none_or(|until| until <= self.clock.now());
            if self.open.as_ref().is_some_and(|open| !open.is_empty()) && waited() {
                self.ask()?;
            }
        }
        self.end_probe().await;
        self.judge();
        let (answers, replies) = (&self.answers, &self.replies);
        let combined = combine_with(self.pool, self.routing, self.hidden, |row, k, weight, out| {
            let answer = answers[row * self.routing.top_k + k];
            let (reply, row) = answer.expect("the loop ends when every pair is answered");
            replies[reply].add_weighted(row, weight, out);
        });
        self.times.record(self.lane, self.clock.now() - self.started);
        Ok(combined)
    }

    /// Asks homes for every open pair.
    fn ask(&mut self) -> Result<(), DispatchError> {
        let first = self.open.is_none();
        self.wait_until = None;
        loop {
            let began = self.clock.now();
            let nodes = self.askable(|node| !self.failed.contains(node));
            let open = |pair: usize| self.open.as_ref().is_none_or(|open| open.binary_search(&pair).is_ok());
            let experts = match split(self.layer, self.routing, open, &self.homes.map, &nodes) {
                Ok(batches) => {
                    self.open = Some(Vec::new());
                    self.health.asked(batches.len());
                    let probe = if first { self.probe(began, &nodes, &batches) } else { None };
                    batches.into_iter().for_each(|batch| self.send(batch, Kind::First));
                    if let Some((batch, within)) = probe {
                        self.send(batch, Kind::Probe(within));
                    }
                    self.times.packed(self.clock.now() - began);
                    return Ok(());
                }
                Err(experts) => experts,
            };
            let now = self.dispatcher.homes();
            if !Arc::ptr_eq(&self.homes, &now) {
                self.homes = now;
                self.failed.clear();
            } else if !self.slow.is_empty() && began - self.started < LAYER_MAX {
                // Nobody else is left: a slow home is better than none.
                let slow = std::mem::take(&mut self.slow);
                self.failed.retain(|node| !slow.contains(node));
                self.patience *= 2;
                if let Some(pause) = self.asked_to_wait.take() {
                    self.wait_until = Some(began + pause);
                    return Ok(());
                }
            } else {
                let (layer, epoch) = (self.layer, self.homes.epoch);
                return Err(DispatchError::NoReplica { layer, experts, epoch });
            }
        }
    }

    fn askable(&self, usable: impl Fn(&NodeId) -> bool) -> Askable {
        self.health.askable(self.homes.backends.keys().copied().filter(usable).collect())
    }

    /// Makes a call and lets it run.
    fn send(&mut self, batch: NodeBatch, kind: Kind) {
        let (node, work) = (batch.node, batch.work());
        let backend = self.homes.backends[&node].clone();
        let local = backend.is_local();
        let Limits { hedge, deadline } = self.health.limits(node, self.lane, work);
        let mut call = self.call(&batch, deadline.saturating_mul(self.patience));
        let share = self.dispatcher.shares.called(node, call.rows.count);
        if let Some(share) = &share {
            share.traceparent().clone_into(&mut call.traceparent);
        }
        self.times.sent(&call, local);
        let call = Box::pin(async move {
            let reply = backend.run(call).await;
            if let Some(share) = share {
                share.ended(reply.as_ref().map(ExpertOutput::took).map_err(ExpertError::kind));
            }
            reply
        });
        let began = self.clock.now();
        let hedge = hedge.filter(|_| !matches!(kind, Kind::Probe(_)) && !local);
        self.flights.push(Flight {
            batch,
            kind,
            began,
            work,
            hedge_at: hedge.map(|hedge| began + hedge),
            hedge_again: hedge.unwrap_or_default(),
            late_after: hedge.unwrap_or(Duration::MAX),
            overdue: None,
            call,
        });
    }

    /// The message for one node: each row once, then its indices for each expert.
    fn call(&self, batch: &NodeBatch, deadline: Duration) -> ExpertBatch {
        let sent: Vec<usize> = batch.rows();
        let index = |pair: &usize| {
            let row = pair / batch.top_k;
            sent.binary_search(&row).expect("a batch sends every row it names") as u32
        };
        ExpertBatch {
            model: self.dispatcher.model,
            epoch: self.homes.epoch,
            layer: self.layer,
            lane: self.lane,
            deadline: Some(deadline),
            rows: self.rows.select(&sent),
            experts: batch
                .experts
                .iter()
                .map(|(expert, pairs)| ExpertRows {
                    expert: *expert,
                    rows: pairs.iter().map(index).collect(),
                })
                .collect(),
            traceparent: String::new(),
        }
    }

    /// Waits until a call ends, or one is late, or the wait that a home asked for is over.
    async fn next(&mut self) -> Event {
        let late = self.flights.iter().filter_map(|flight| flight.hedge_at);
        let until = late.chain(self.wait_until).min();
        self.next_until(until).await
    }

    async fn next_until(&mut self, until: Option<Instant>) -> Event {
        // An alarm that rings too early only costs a look; most calls end before any does.
        if let Some(until) = until
            && self.alarm.as_ref().is_none_or(|(at, _)| *at > until)
        {
            self.alarm = Some((until, self.clock.until(until)));
        }
        let mut rang = false;
        poll_fn(|context| {
            for (at, flight) in self.flights.iter_mut().enumerate() {
                if let Poll::Ready(reply) = flight.call.as_mut().poll(context) {
                    return Poll::Ready(Event::Ended(at, reply));
                }
            }
            if rang {
                return Poll::Ready(Event::Time);
            }
            if until.is_some()
                && let Some((_, alarm)) = &mut self.alarm
                && alarm.as_mut().poll(context).is_ready()
            {
                // Whoever brings the answers may have become ready in the same moment, and goes first.
                (rang, self.alarm) = (true, None);
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    /// Takes what a call ended with.
    fn take(&mut self, flight: Flight<'a>, reply: Reply) {
        let now = self.clock.now();
        let took = now - flight.began;
        let late = flight.overdue.is_some().then(|| flight.times(took));
        let Flight { batch, kind, work, overdue, .. } = flight;
        if let Kind::Probe(within) = kind {
            let reply = reply.and_then(|output| check(self.pool, output, &batch, self.hidden));
            if reply.is_ok() {
                self.health.probe_took(batch.node, self.lane, work, took);
            }
            self.probed = Some(Probed { batch, reply, in_time: took <= within });
            return;
        }
        let node = batch.node;
        let answer = reply.and_then(|output| {
            self.times.answered(&output, took);
            check(self.pool, output, &batch, self.hidden)
        });
        match answer {
            Ok(output) => {
                self.health.answered(node, self.lane, work, took, late, now);
                metrics::counter!("conclave_expert_calls_total").increment(1);
                if kind == Kind::Hedge {
                    self.health.note(|extra| extra.hedges_won += 1);
                }
                let reply = self.replies.len();
                for (row, pair) in batch.pairs().enumerate() {
                    let answer = &mut self.answers[pair];
                    if answer.is_none() {
                        *answer = Some((reply, row));
                        self.missing -= 1;
                    }
                }
                self.replies.push(output.rows);
                drop(overdue);
                if self.hedged {
                    self.drop_losers(now);
                }
            }
            Err(error) => {
                let silent = matches!(error, ExpertError::Deadline(_));
                match &error {
                    ExpertError::Deadline(_) => drop(self.slow.insert(node)),
                    ExpertError::Busy { retry_after } => {
                        self.slow.insert(node);
                        self.asked_to_wait = self.asked_to_wait.max(Some(*retry_after));
                    }
                    _ => {}
                }
                if self.health.failed(node, silent, now) {
                    tracing::warn!(%node, layer = %self.layer, %error, "a home failed; asking others");
                }
                metrics::counter!("conclave_expert_calls_failed_total").increment(1);
                if kind == Kind::Hedge {
                    self.health.note(|extra| extra.hedges_failed += 1);
                    // Whatever it was to replace may be replaced by others.
                    let late =
                        |flight: &&mut Flight<'_>| flight.kind == Kind::First && flight.overdue.is_some();
                    let late = self.flights.iter_mut().filter(late);
                    late.for_each(|flight| flight.hedge_at = Some(now));
                }
                if matches!(error, ExpertError::Protocol(_) | ExpertError::Failed(_)) {
                    self.suspects.push((node, error));
                }
                self.failed.insert(node);
                self.open_again(&batch);
            }
        }
    }

    /// Opens the pairs of `batch` that are neither answered nor asked of another home.
    fn open_again(&mut self, batch: &NodeBatch) {
        let asked: BTreeSet<usize> = self.needed().flat_map(|flight| flight.batch.pairs()).collect();
        let lost = batch.pairs().filter(|pair| self.answers[*pair].is_none() && !asked.contains(pair));
        let mut open: Vec<usize> = self.open.iter().flatten().copied().chain(lost).collect();
        open.sort_unstable();
        self.open = Some(open);
    }

    fn needed(&self) -> impl Iterator<Item = &Flight<'a>> {
        self.flights.iter().filter(|flight| !matches!(flight.kind, Kind::Probe(_)))
    }

    /// Drops calls whose every pair another call has answered.
    fn drop_losers(&mut self, now: Instant) {
        let answers = &self.answers;
        let lost = |flight: &mut Flight<'a>| {
            !matches!(flight.kind, Kind::Probe(_)) && flight.batch.pairs().all(|pair| answers[pair].is_some())
        };
        for flight in self.flights.extract_if(.., lost) {
            match flight.kind {
                Kind::First => {
                    let waited = now - flight.began;
                    let times = flight.times(waited);
                    self.health.lost(flight.batch.node, self.lane, flight.work, waited, times, now);
                }
                _ => {
                    self.health.note(|extra| extra.hedges_lost += 1);
                    if flight.overdue.is_some() {
                        self.health.late(flight.batch.node, flight.times(now - flight.began), now);
                    }
                }
            }
        }
    }

    /// Asks other homes for what late calls were asked for.
    fn hedge_what_is_late(&mut self) {
        let now = self.clock.now();
        let is_late = |flight: &Flight<'_>| flight.hedge_at.is_some_and(|at| at <= now);
        // All are marked before any is hedged: who is late is no place for hedges.
        for flight in self.flights.iter_mut().filter(|flight| is_late(flight)) {
            if flight.overdue.is_none() {
                flight.overdue = Some(self.health.overdue(flight.batch.node));
            }
        }
        let late: Vec<usize> = (0..self.flights.len()).filter(|at| is_late(&self.flights[*at])).collect();
        for at in late {
            // A hedge that is late shows that its home is no better.
            let first = self.flights[at].kind == Kind::First;
            let hedges = if first { self.hedges(at, now) } else { Err(false) };
            let flight = &mut self.flights[at];
            match hedges {
                Ok(batches) => {
                    flight.hedge_at = None;
                    self.hedged = true;
                    batches.into_iter().for_each(|batch| self.send(batch, Kind::Hedge));
                }
                // Perhaps later.
                Err(true) => {
                    flight.hedge_at = Some(now + flight.hedge_again);
                    flight.hedge_again *= 2;
                }
                Err(false) => flight.hedge_at = None,
            }
        }
    }

    /// The calls that would replace the one at `at`; an error says whether there may be some later.
    fn hedges(&self, at: usize, now: Instant) -> Result<Vec<NodeBatch>, bool> {
        let flight = &self.flights[at];
        let pairs: BTreeSet<usize> =
            flight.batch.pairs().filter(|pair| self.answers[*pair].is_none()).collect();
        let wanted = |pair: usize| pairs.contains(&pair);
        let other = |node: &NodeId| *node != flight.batch.node && !self.failed.contains(node);
        let replace = |nodes: &Askable| split(self.layer, self.routing, wanted, &self.homes.map, nodes);
        // Where some pairs have no other home the layer waits for this one anyway.
        replace(&self.askable(other)).map_err(|_| false)?;
        let unfit = self.health.unfit(now, flight.times(now - flight.began));
        let Ok(batches) = replace(&self.askable(|node| other(node) && !unfit.contains(node))) else {
            self.health.note(|extra| extra.refused_all_slow += 1);
            return Err(true);
        };
        if !self.health.may_hedge(batches.len()) {
            self.health.note(|extra| extra.refused_by_budget += 1);
            return Err(true);
        }
        Ok(batches)
    }

    /// A copy of a part of `batches` for a node that nobody needs, if one should show how it is; and within what time.
    fn probe(&self, now: Instant, nodes: &Askable, batches: &[NodeBatch]) -> Option<(NodeBatch, Duration)> {
        let node = self.health.probe_due(now, nodes)?;
        if !self.homes.backends[&node].is_connected() {
            self.health.unconnected(node, now);
            return None;
        }
        if batches.iter().any(|batch| batch.node == node) {
            // The only home of something: its own answers show it.
            return None;
        }
        let held = |expert| self.homes.map.homes(ExpertKey { layer: self.layer, expert }).contains(&node);
        let copy = |batch: &NodeBatch| {
            let experts = batch.experts.iter().filter(|(expert, _)| held(*expert)).cloned().collect();
            NodeBatch { node, experts, ..*batch }
        };
        let copies = batches.iter().map(copy).filter(|copy| !copy.experts.is_empty());
        let batch = copies.max_by(|a, b| a.work().total_cmp(&b.work()))?;
        let within = self.health.probe(node, self.lane, batch.work(), now)?;
        Some((batch, within))
    }

    /// Waits for a probe as long as its answer would still be good.
    async fn end_probe(&mut self) {
        while let Some((at, until)) = self.probe_running() {
            if until <= self.clock.now() {
                let Flight { batch, work, began, .. } = self.flights.remove(at);
                let now = self.clock.now();
                self.health.probe_took(batch.node, self.lane, work, now - began);
                self.health.probed(batch.node, false, now);
            } else if let Event::Ended(at, reply) = self.next_until(Some(until)).await {
                // Every pair is answered, so only the probe is left.
                let flight = self.flights.remove(at);
                self.take(flight, reply);
            }
        }
    }

    /// Where a probe is that still runs, and until when it is waited for.
    fn probe_running(&self) -> Option<(usize, Instant)> {
        self.flights.iter().enumerate().find_map(|(at, flight)| match flight.kind {
            Kind::Probe(within) => Some((at, flight.began + within)),
            _ => None,
        })
    }

    /// Every pair is answered: whoever gave something else was wrong.
    fn judge(&mut self) {
        let now = self.clock.now();
        for (node, error) in std::mem::take(&mut self.suspects) {
            self.health.quarantine(node, &error.to_string(), now);
        }
        let Some(Probed { batch, reply, in_time }) = self.probed.take() else { return };
        match reply {
            Ok(output) => {
                let same = |(row, pair): (usize, usize)| {
                    let (reply, used) = self.answers[pair].expect("every pair is answered");
                    output.rows.row(row) == self.replies[reply].row(used)
                };
                if batch.pairs().enumerate().all(same) {
                    self.health.probed(batch.node, in_time, now);
                } else {
                    self.health.probed(batch.node, false, now);
                    self.health.quarantine(batch.node, "its answer is not the one of another home", now);
                }
            }
            Err(error) => {
                self.health.probed(batch.node, false, now);
                if matches!(error, ExpertError::Protocol(_) | ExpertError::Failed(_)) {
                    self.health.quarantine(batch.node, &error.to_string(), now);
                }
            }
        }
    }
}

/// Accepts an answer only if it has the right shape and every value is finite.
fn check(pool: &Pool, output: ExpertOutput, batch: &NodeBatch, hidden: usize) -> Reply {
    let rows = &output.rows;
    let expected = batch.pairs().count();
    if rows.width != hidden || rows.count != expected {
        let why = format!("{} rows of {} instead of {expected} of {hidden}", rows.count, rows.width);
        return Err(ExpertError::Protocol(why));
    }
    let bytes = expected * rows.dtype.row_bytes(hidden);
    if rows.data.len() != bytes {
        return Err(ExpertError::Protocol(format!("{} bytes instead of {bytes}", rows.data.len())));
    }
    if !rows.all_finite(pool) {
        return Err(ExpertError::Failed("the answer holds NaN or infinity".to_owned()));
    }
    Ok(output)
}

//! Sends what a plan says, when it says so, and notes what becomes of it.
//!
//! Keeps true: a closed loop's user has one request at a time; an open loop's arrivals wait for nobody, unless
//! `--in-flight-max` holds them, and then the wait counts.

use crate::client::{Client, Clock};
use crate::live::Live;
use crate::prompts::Times;
use crate::record::{Record, Status};
use crate::schedule::Plan;
use crate::workload::{History, Workload};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a stop may go unnoticed by the thread that keeps time.
const NOTICE: Duration = Duration::from_millis(50);
/// A user of the closed loop who got no answer tries again after so long.
const PAUSE: Duration = Duration::from_millis(100);

/// What stays the same during a test.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) client: Client,
    pub(crate) workload: Workload,
    pub(crate) clock: Clock,
    pub(crate) live: Live,
    /// Between an answer and the same user's next request.
    pub(crate) think: Duration,
    /// How long requests may go on when no more are sent.
    pub(crate) grace: Duration,
    pub(crate) in_flight_max: usize,
    /// Numbers of sessions and requests.
    pub(crate) sessions: AtomicU64,
    pub(crate) ids: AtomicU64,
}

/// One level, or the whole test without a sweep.
pub(crate) struct Level {
    pub(crate) number: usize,
    pub(crate) plan: Plan,
    /// Of the open loop, since the level's begin.
    pub(crate) times: Times,
    /// At most so many requests.
    pub(crate) requests_max: u64,
}

/// What a level left.
pub(crate) struct Done {
    pub(crate) begin_s: f64,
    /// When no more was sent; if the number of requests ended it, when the last was done.
    pub(crate) end_s: f64,
    pub(crate) records: Vec<Record>,
}

/// A running level.
struct Run {
    setup: Arc<Setup>,
    level: usize,
    turns: u32,
    left: AtomicU64,
    /// No more is sent.
    over: CancellationToken,
    /// What runs is cut off.
    cut: CancellationToken,
    in_flight: Semaphore,
    records: mpsc::UnboundedSender<Record>,
}

impl Run {
    /// Whether one more request may be sent.
    fn take(&self) -> bool {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() || taken == Ok(1) {
            self.over.cancel();
        }
        taken.is_ok()
    }

    /// One session: its turns, each after the last was answered. `scheduled_s` is `None` in a closed loop.
    /// Returns whether all were answered.
    async fn session(&self, mut scheduled_s: Option<f64>) -> bool {
        let setup = &self.setup;
        let session = setup.sessions.fetch_add(1, Ordering::Relaxed);
        let mut history = History::default();
        for turn in 0..self.turns {
            if (turn > 0 && self.over.is_cancelled()) || !self.take() {
                return true;
            }
            let id = setup.ids.fetch_add(1, Ordering::Relaxed);
            let ask = setup.workload.ask(session, turn, &mut history);
            let permit = self.in_flight.acquire().await;
            setup.live.sent();
            let scheduled = scheduled_s.unwrap_or_else(|| setup.clock.now_s());
            let on_token = |arrivals: &[f64]| setup.live.token(scheduled, arrivals);
            let reply = setup.client.ask(&ask, setup.clock, &self.cut, on_token).await;
            drop(permit);
            let record = Record {
                id,
                level: self.level,
                session,
                turn,
                scheduled_s: if scheduled_s.is_some() { scheduled } else { reply.sent_s },
                sent_s: reply.sent_s,
                arrivals_s: reply.arrivals_s,
                done_s: reply.done_s,
                prompt_tokens: reply.usage.map(|usage| usage.prompt_tokens),
                // Of an answer that was cut off there is none: then chunks count.
                usage_tokens: reply.usage.map(|usage| usage.completion_tokens),
                status: reply.status,
            };
            let (answered, done_s) = (record.status == Status::Ok, record.done_s);
            setup.live.ended(&record);
            // The receiver lives as long as any run.
            let _ = self.records.send(record);
            if !answered {
                return false;
            }
            history.answered(&reply.text);
            if turn + 1 < self.turns {
                tokio::select! {
                    () = tokio::time::sleep(setup.think) => {}
                    () = self.over.cancelled() => {}
                }
                scheduled_s = scheduled_s.map(|_| done_s + setup.think.as_secs_f64());
            }
        }
        true
    }

    /// A user of the closed loop, while the plan has it.
    async fn user(&self, user: u32, plan: &Plan, begin_s: f64) {
        let clock = self.setup.clock;
        while let Some(at_s) = plan.user_next(user, clock.now_s() - begin_s) {
            tokio::select! {
                biased;
                () = self.over.cancelled() => return,
                () = tokio::time::sleep_until(clock.instant(begin_s + at_s).into()) => {}
            }
            if self.over.is_cancelled() {
                return;
            }
            let pause = if self.session(None).await { self.setup.think } else { self.setup.think.max(PAUSE) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.over.cancelled() => return,
            }
        }
    }
}

/// Sleeps until `at`; `false` if the run is over before. On a thread: timers of the runtime are exact to a
/// millisecond only.
fn sleep_until(at: Instant, over: &CancellationToken) -> bool {
    loop {
        let rest = at.saturating_duration_since(Instant::now());
        if over.is_cancelled() || rest.is_zero() {
            return !over.is_cancelled();
        }
        std::thread::sleep(rest.min(NOTICE));
    }
}

/// Runs one level to its end; `stop` ends it early.
pub(crate) async fn run(setup: &Arc<Setup>, level: Level, stop: &CancellationToken) -> Done {
    let (records, mut received) = mpsc::unbounded_channel();
    let run = Arc::new(Run {
        setup: setup.clone(),
        level: level.number,
        turns: setup.workload.turns,
        left: AtomicU64::new(level.requests_max),
        over: stop.child_token(),
        cut: CancellationToken::new(),
        in_flight: Semaphore::new(setup.in_flight_max.min(Semaphore::MAX_PERMITS)),
        records,
    });
    let tracker = TaskTracker::new();
    let clock = setup.clock;
    let begin_s = clock.now_s();
    let plan = Arc::new(level.plan);
    for user in 0..plan.users_max() {
        let (run, plan) = (run.clone(), plan.clone());
        tracker.spawn(async move { run.user(user, &plan, begin_s).await });
    }
    let pacer = plan.is_open().then(|| {
        let (run, tracker, times) = (run.clone(), tracker.clone(), level.times);
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            for at_s in times {
                let scheduled = begin_s + at_s;
                if !sleep_until(clock.instant(scheduled), &run.over) {
                    return;
                }
                let run = run.clone();
                tracker.spawn_on(
                    async move {
                        run.session(Some(scheduled)).await;
                    },
                    &runtime,
                );
            }
        })
    });
    let until = clock.instant(begin_s + plan.duration_s());
    let by_number = tokio::select! {
        () = tokio::time::sleep_until(until.into()) => false,
        () = run.over.cancelled() => !stop.is_cancelled(),
    };
    run.over.cancel();
    let end_s = clock.now_s();
    if let Some(pacer) = pacer {
        // It looks every 50 ms; what it has begun is waited for below.
        while !pacer.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    tracker.close();
    let grace = if stop.is_cancelled() { Duration::ZERO } else { setup.grace };
    tokio::select! {
        () = tracker.wait() => {}
        () = tokio::time::sleep(grace) => run.cut.cancel(),
        () = stop.cancelled() => run.cut.cancel(),
    }
    tracker.wait().await;
    drop(run);
    let mut records = Vec::new();
    while let Ok(record) = received.try_recv() {
        records.push(record);
    }
    records.sort_by_key(|record: &Record| record.id);
    let last = records.iter().map(|record| record.done_s).fold(begin_s, f64::max);
    Done { begin_s, end_s: if by_number { last } else { end_s }, records }
}

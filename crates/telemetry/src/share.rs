//! What one node does for one step: one span for all its calls, because a span for each costs more than it tells.

use crate::{Span, SpanPlace, SpanRole};
use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

/// The calls of one step to one node, as either side sees them. Ends when it is dropped, as of the last that happened.
#[derive(Debug)]
pub struct NodeShare {
    traceparent: String,
    sums: Mutex<Sums>,
}

#[derive(Debug)]
struct Sums {
    span: Span,
    calls: i64,
    rows: i64,
    answered: i64,
    queue_us: i64,
    compute_us: i64,
    last: SystemTime,
}

impl NodeShare {
    /// A share that begins now, below `parent`; `None` if nobody will see it.
    pub fn begin(role: SpanRole, name: impl Into<Cow<'static, str>>, parent: &SpanPlace) -> Option<Self> {
        let span = Span::begin(role, || name, Some(parent), []);
        let traceparent = span.place()?.to_string();
        let last = SystemTime::now();
        let sums = Sums { span, calls: 0, rows: 0, answered: 0, queue_us: 0, compute_us: 0, last };
        Some(Self { traceparent, sums: Mutex::new(sums) })
    }

    /// What a call below it says of where it belongs.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().expect("no panic holds this lock")
    }

    /// Says something of all of it.
    pub fn set(&self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        self.sums().span.set(key, value);
    }

    /// A call with so many rows begins.
    pub fn called(&self, rows: usize) {
        let mut sums = self.sums();
        sums.calls += 1;
        sums.rows += rows as i64;
        sums.last = SystemTime::now();
    }

    /// A call ended: how long it had waited and was computed, in microseconds, or with what kind of error.
    pub fn ended(&self, how: Result<(u32, u32), &'static str>) {
        let mut sums = self.sums();
        match how {
            Ok((queue_us, compute_us)) => {
                sums.answered += 1;
                sums.queue_us += i64::from(queue_us);
                sums.compute_us += i64::from(compute_us);
            }
            Err(kind) => sums.span.failed(kind),
        }
        sums.last = SystemTime::now();
    }
}

impl Drop for NodeShare {
    fn drop(&mut self) {
        let Ok(sums) = self.sums.get_mut() else { return };
        let mut span = std::mem::take(&mut sums.span);
        span.set("calls", sums.calls);
        span.set("answered", sums.answered);
        span.set("rows", sums.rows);
        span.set("queue_us", sums.queue_us);
        span.set("compute_us", sums.compute_us);
        span.end_at(sums.last);
    }
}

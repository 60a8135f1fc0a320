//! How much a key has asked for lately, and how much is under way.
//!
//! Keeps true: what is begun ends once. Time is an argument.

use super::Key;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// After how long to ask again where too much is under way: answers end at no known time.
const LATER: Duration = Duration::from_secs(1);

/// Too many requests with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) what: String,
    pub(crate) retry_after: Duration,
}

#[derive(Debug)]
struct Now {
    /// Requests that may begin now; grows by `per_minute` a minute up to that.
    free: f64,
    since: Instant,
    running: u32,
}

/// The counts of one key.
#[derive(Debug)]
pub(super) struct Usage {
    per_minute: Option<u32>,
    at_once: Option<u32>,
    now: Mutex<Now>,
}

impl Usage {
    pub(super) fn new(per_minute: Option<u32>, at_once: Option<u32>) -> Self {
        let now = Now { free: f64::from(per_minute.unwrap_or(0)), since: Instant::now(), running: 0 };
        Self { per_minute, at_once, now: Mutex::new(now) }
    }

    fn begin(&self, time: Instant) -> Result<(), Excess> {
        let mut now = self.now.lock().expect("no panic holds this lock");
        if let Some(max) = self.at_once.filter(|max| now.running >= *max) {
            let what = format!("this key has {max} requests under way, as many as it may");
            return Err(Excess { what, retry_after: LATER });
        }
        if let Some(max) = self.per_minute {
            let rate = f64::from(max) / 60.0;
            now.free = (now.free + time.duration_since(now.since).as_secs_f64() * rate).min(max.into());
            now.since = time;
            if now.free < 1.0 {
                let what = format!("this key has begun {max} requests in a minute, as many as it may");
                return Err(Excess { what, retry_after: Duration::from_secs_f64((1.0 - now.free) / rate) });
            }
            now.free -= 1.0;
        }
        now.running += 1;
        Ok(())
    }

    fn end(&self) {
        self.now.lock().expect("no panic holds this lock").running -= 1;
    }
}

/// A request under way with a key.
#[derive(Debug)]
pub(crate) struct Running(Arc<Key>);

impl Running {
    pub(super) fn begin(key: Arc<Key>, time: Instant) -> Result<Self, Excess> {
        key.usage.begin(time)?;
        Ok(Self(key))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.usage.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_requests_may_come_at_once_and_then_at_their_pace() {
        let usage = Usage::new(Some(6), None);
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        (0..6).for_each(|_| usage.begin(at(0)).unwrap());
        let excess = usage.begin(at(4)).unwrap_err();
        // The usage began a moment before `start`.
        assert!((5..=6).contains(&excess.retry_after.as_secs()), "{excess:?}");
        usage.begin(at(11)).unwrap();
        assert!(usage.begin(at(11)).is_err());
        (0..6).for_each(|_| usage.begin(at(600)).unwrap());
        assert!(usage.begin(at(600)).is_err(), "a minute's worth is the most that is saved up");
    }

    #[test]
    fn what_ends_makes_room() {
        let usage = Usage::new(None, Some(2));
        let now = Instant::now();
        usage.begin(now).unwrap();
        usage.begin(now).unwrap();
        assert_eq!(usage.begin(now).unwrap_err().retry_after, LATER);
        usage.end();
        usage.begin(now).unwrap();
    }
}

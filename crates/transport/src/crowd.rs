//! How many connections a port has, and who must leave when there are too many.
//!
//! Keeps true: never more than the bound; whoever has done nothing yet, or has nothing under way, leaves before anybody
//! who is being answered, the one that has idled longest first. So a flood of idle sockets costs itself its places.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Inside {
    count: usize,
    /// Counts up; the key of whoever begins to idle.
    next: u64,
    idle: BTreeMap<u64, CancellationToken>,
}

/// The connections of one port.
#[derive(Clone)]
pub struct Crowd {
    max: usize,
    inside: Arc<Mutex<Inside>>,
}

/// One connection; it is idle at first and leaves when dropped.
pub struct Guest {
    crowd: Crowd,
    /// Its key while it idles.
    idle: Mutex<Option<u64>>,
    leave: CancellationToken,
}

impl Crowd {
    /// At most `max` connections.
    pub fn new(max: usize) -> Self {
        Self { max, inside: Arc::default() }
    }

    /// A place for a new connection, for which the one that has idled longest may have to leave; `None`: nobody idles.
    pub fn enter(&self) -> Option<Guest> {
        let mut inside = self.inside.lock().expect("no panic holds this lock");
        if inside.count >= self.max {
            let (_, leave) = inside.idle.pop_first()?;
            leave.cancel();
            // Its place is free now, though it takes a moment to see that.
            inside.count -= 1;
        }
        inside.count += 1;
        let leave = CancellationToken::new();
        let idle = Mutex::new(Some(inside.begin_idle(leave.clone())));
        Some(Guest { crowd: self.clone(), idle, leave })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.inside.lock().expect("no panic holds this lock").count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Inside {
    fn begin_idle(&mut self, leave: CancellationToken) -> u64 {
        self.next += 1;
        self.idle.insert(self.next, leave);
        self.next
    }
}

impl Guest {
    /// Something is under way: this connection need not leave.
    pub fn busy(&self) {
        let mut inside = self.crowd.inside.lock().expect("no panic holds this lock");
        if let Some(key) = self.idle.lock().expect("no panic holds this lock").take() {
            inside.idle.remove(&key);
        }
    }

    /// Nothing is under way any more.
    pub fn idle(&self) {
        let mut inside = self.crowd.inside.lock().expect("no panic holds this lock");
        let mut idle = self.idle.lock().expect("no panic holds this lock");
        if idle.is_none() && !self.leave.is_cancelled() {
            *idle = Some(inside.begin_idle(self.leave.clone()));
        }
    }

    /// Cancelled when this connection must leave.
    pub fn leave(&self) -> &CancellationToken {
        &self.leave
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside.lock().expect("no panic holds this lock");
        if let Some(key) = self.idle.lock().expect("no panic holds this lock").take() {
            inside.idle.remove(&key);
        }
        // Whoever had to leave has given up its place already.
        if !self.leave.is_cancelled() {
            inside.count -= 1;
        }
    }
}

/// How many connections of `files` each the process's limit of open files leaves room for, of the `wanted` ones; warns
/// where it is fewer. Raises the limit to what the system lets this user have: the usual one of 1,024 is meant for
/// programs that use `select`.
pub fn connections_max(wanted: usize, files: usize) -> usize {
    /// For weights, logs, sockets of our own.
    const OTHERS: u64 = 256;
    let mut limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        limit = raised;
    }
    let room = limit.current.map_or(u64::MAX, |most| most.saturating_sub(OTHERS).max(most / 2));
    let max = wanted.min(usize::try_from(room).unwrap_or(usize::MAX) / files);
    if max < wanted {
        tracing::warn!(
            wanted,
            connections_max = max,
            "the limit of open files leaves room for fewer connections; raise `ulimit -Hn`"
        );
    }
    max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_idles_longest_leaves_first_and_who_is_busy_stays() {
        let crowd = Crowd::new(2);
        let (first, second) = (crowd.enter().unwrap(), crowd.enter().unwrap());
        first.busy();
        first.idle();
        let third = crowd.enter().unwrap();
        assert!(second.leave().is_cancelled() && !first.leave().is_cancelled());
        assert_eq!(crowd.len(), 2);
        drop(second);
        assert_eq!(crowd.len(), 2, "its place is taken");
        first.busy();
        third.busy();
        assert!(crowd.enter().is_none(), "nobody idles");
        drop(first);
        let fourth = crowd.enter().unwrap();
        assert_eq!(crowd.len(), 2);
        drop((third, fourth));
        assert!(crowd.is_empty());
    }

    #[test]
    fn a_guest_that_becomes_busy_while_it_leaves_takes_no_second_place() {
        let crowd = Crowd::new(1);
        let first = crowd.enter().unwrap();
        let second = crowd.enter().unwrap();
        first.busy();
        first.idle();
        drop(first);
        assert_eq!(crowd.len(), 1);
        drop(second);
        assert!(crowd.is_empty());
    }
}

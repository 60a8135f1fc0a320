//! An expert node as the cluster sees it: it registers, sends heartbeats, loads what it shall hold, and lets go of what it
//! no longer shall. Follows `expert-node/src/membership.rs` step by step.

use crate::world::{Event, Request, Response, World};
use conclave_control::{ClusterState, HeartbeatAnswer, NodeReport};
use conclave_types::{Bytes, ExpertKey, LogIndex, NodeId, PlacementEpoch};
use std::collections::BTreeSet;
use std::sync::Arc;

const HEARTBEAT: u64 = 300;
const RETRY: u64 = 500;
/// How long experts that moved away are kept.
pub(crate) const GRACE: u64 = 10_000;
/// A call without an answer fails after so long.
const CALL_MAX: u64 = 1_000;

#[derive(Default)]
pub(crate) struct SimNode {
    pub(crate) name: String,
    pub(crate) capacity: Option<Bytes>,
    pub(crate) zone: String,
    pub(crate) numerics: String,
    /// What its disk will never give.
    pub(crate) rotten: BTreeSet<ExpertKey>,
    pub(crate) up: bool,
    /// Its machine does not come back.
    pub(crate) lost: bool,
    /// Nothing gets through to the leader, nor back.
    pub(crate) cut: bool,
    /// Loads take so many times as long.
    pub(crate) slowness: u64,
    /// Counts its processes: what is meant for an earlier one is void.
    pub(crate) boot: u64,
    pub(crate) identity: Option<(NodeId, LogIndex)>,
    pub(crate) view: Option<Arc<ClusterState>>,
    /// Experts in memory, verified.
    pub(crate) held: BTreeSet<ExpertKey>,
    pub(crate) epoch: PlacementEpoch,
    pub(crate) target: LogIndex,
    pub(crate) trouble: bool,
    pub(crate) loading: Option<(Arc<ClusterState>, BTreeSet<ExpertKey>)>,
    pub(crate) unwanted: Option<(BTreeSet<ExpertKey>, u64)>,
    /// Names the present call or pause.
    pub(crate) call: u64,
    pub(crate) calling: bool,
    pub(crate) news: bool,
    pub(crate) turn: u64,
}

impl World {
    pub(crate) fn start(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.up || node.lost {
            return;
        }
        self.stop(at);
        self.nodes[at].up = true;
        self.resync(at);
        self.beat(at);
    }

    /// Ends its process; memory is lost.
    pub(crate) fn stop(&mut self, at: usize) {
        let old = std::mem::take(&mut self.nodes[at]);
        let SimNode { name, capacity, zone, numerics, rotten, lost, cut, slowness, boot, .. } = old;
        let boot = boot + 1;
        self.nodes[at] = SimNode {
            name,
            capacity,
            zone,
            numerics,
            rotten,
            lost,
            cut,
            slowness,
            boot,
            ..SimNode::default()
        };
    }

    /// The next call: a heartbeat, or a registration if it has none.
    pub(crate) fn beat(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.call += 1;
        (node.calling, node.news) = (true, false);
        let (boot, call) = (node.boot, node.call);
        let request = match node.identity {
            None => Request::Register,
            Some((id, incarnation)) => Request::Heartbeat(
                id,
                NodeReport {
                    incarnation,
                    ready_epoch: node.epoch,
                    ready_target: node.target,
                    experts: node.held.len() as u64,
                    trouble: if node.trouble { "disk".to_owned() } else { String::new() },
                    ..NodeReport::default()
                },
            ),
        };
        self.send(at, Event::ToLeader { at, boot, call, request });
        self.after(CALL_MAX, Event::Answer { at, boot, call, response: Response::Lost });
    }

    /// The present call has ended.
    pub(crate) fn answered(&mut self, at: usize, call: u64, response: Response) {
        let node = &mut self.nodes[at];
        if node.call != call || !node.calling {
            return;
        }
        node.calling = false;
        let pause = match response {
            Response::Heartbeat(HeartbeatAnswer::Superseded) => {
                self.stop(at);
                let pause = self.rng.within(500, 5_000);
                return self.after(pause, Event::Start { at });
            }
            Response::Heartbeat(HeartbeatAnswer::Unknown) => {
                node.identity = None;
                return self.beat(at);
            }
            Response::Registered(id, incarnation) => {
                node.identity = Some((id, incarnation));
                self.follow(at);
                return self.beat(at);
            }
            Response::Lost if node.identity.is_none() => RETRY,
            Response::Heartbeat(HeartbeatAnswer::Ok) | Response::Lost => HEARTBEAT,
        };
        let pause = if node.news { 0 } else { pause };
        let (boot, call) = (node.boot, node.call);
        self.after(pause, Event::Beat { at, boot, call });
    }

    pub(crate) fn paused(&mut self, at: usize, call: u64) {
        if self.nodes[at].call == call && !self.nodes[at].calling {
            self.beat(at);
        }
    }

    pub(crate) fn viewed(&mut self, at: usize, view: Arc<ClusterState>) {
        let node = &mut self.nodes[at];
        if node.view.as_ref().is_none_or(|known| known.applied < view.applied) {
            node.view = Some(view);
            self.follow(at);
        }
    }

    pub(crate) fn woken(&mut self, at: usize, turn: u64) {
        if self.nodes[at].turn == turn {
            self.follow(at);
        }
    }

    /// Does what its view of the cluster asks for.
    pub(crate) fn follow(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let (Some(view), Some((id, _)), None) = (&node.view, node.identity, &node.loading) else { return };
        if !view.nodes.contains_key(&id) {
            return;
        }
        let view = view.clone();
        let wanted = view.wanted_at(id);
        let missing: BTreeSet<ExpertKey> = wanted.difference(&node.held).copied().collect();
        if missing.is_empty() {
            return self.followed(at, &view, false);
        }
        let boot = node.boot;
        let millis = node.slowness * self.rng.within(20, 1_500);
        node.loading = Some((view, missing));
        self.after(millis, Event::Loaded { at, boot });
    }

    pub(crate) fn loaded(&mut self, at: usize) {
        let fails = self.rng.chance(self.load_failures);
        let node = &mut self.nodes[at];
        let (view, missing) = node.loading.take().expect("one load at a time");
        // The first of them may be there although a later one failed.
        let count = if fails { missing.len() / 2 } else { missing.len() };
        let sound = missing.iter().position(|key| node.rotten.contains(key)).unwrap_or(missing.len());
        let (count, fails) = (count.min(sound), fails || sound < missing.len());
        let (id, _) = node.identity.expect("loads come after registration");
        for key in missing.into_iter().take(count) {
            node.held.insert(key);
            self.verified.insert((id, key));
        }
        let newer = node.view.as_ref().is_some_and(|newest| newest.applied > view.applied);
        self.followed(at, &view, fails);
        if newer {
            self.follow(at);
        }
    }

    fn followed(&mut self, at: usize, view: &ClusterState, trouble: bool) {
        let now = self.now;
        let node = &mut self.nodes[at];
        let (id, _) = node.identity.expect("loads come after registration");
        let wanted = view.wanted_at(id);
        node.trouble = trouble;
        if !trouble {
            node.epoch = view.epoch;
            node.target = view.target.as_ref().map_or(LogIndex(0), |target| target.id);
            self.confirmed.insert((node.target, id));
        }
        let mut wait = trouble.then_some(RETRY);
        let spare: BTreeSet<ExpertKey> = node.held.difference(&wanted).copied().collect();
        node.unwanted = match node.unwanted.take() {
            _ if spare.is_empty() => None,
            Some((keys, since)) if keys == spare => Some((keys, since)),
            _ => Some((spare, now)),
        };
        if let Some((keys, since)) = &node.unwanted {
            let left = (since + GRACE).saturating_sub(now);
            if left == 0 {
                node.held.retain(|key| !keys.contains(key));
                node.unwanted = None;
            } else {
                wait = Some(wait.map_or(left, |wait| wait.min(left)));
            }
        }
        node.turn += 1;
        let (boot, turn) = (node.boot, node.turn);
        if let Some(wait) = wait {
            self.after(wait, Event::Woken { at, boot, turn });
        }
        // News of what was loaded goes out at once.
        let node = &mut self.nodes[at];
        node.news = true;
        if !node.calling {
            self.beat(at);
        }
    }
}

//! The other gateways of the cluster: which one should answer a request, and how it is.
//!
//! Keeps true: a request goes to the gateway that most likely has its prefix in its cache, unless that one has too
//! much to do; a gateway that drains, is down or gives other answers is sent nothing. Does not know what is asked.

mod options;
mod peer;
mod rendezvous;
mod sse;

pub use options::PeerOptions;
pub(crate) use peer::{Peer, PeerAnswer, PeerError, class_text};
pub(crate) use sse::{Event, EventSplitter};

use conclave_transport::{Credentials, Role};
use peer::identity;
use rendezvous::Candidate;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Marks a request that another gateway has passed on: it is answered where it arrives. A client that sends it only
/// gives up a cached prefix.
pub(crate) const FORWARDED: &str = "x-conclave-forwarded";
/// On answers to forwarded requests: how many requests their gateway was answering.
pub(crate) const LOAD: &str = "x-conclave-load";

/// This gateway among the others.
pub(crate) struct Peers {
    own: u64,
    others: Vec<Arc<Peer>>,
    /// The probes end with this.
    _probes: JoinSet<()>,
}

impl Peers {
    /// Begins to probe the others that `options` names; `None` if it names none. Needs a runtime.
    ///
    /// - `credentials`: what it shows to those whose URLs are `https`.
    /// - `class`: what this gateway's answers are a function of; peers of another class are not used.
    pub(crate) fn start(options: &PeerOptions, class: u32, credentials: &Credentials) -> Option<Self> {
        let own = options.own()?;
        let credentials = if options.encrypted() { credentials.clone() } else { Credentials::default() };
        let connector = credentials.connector(Role::Gateway).as_peer();
        let peer = |authority| Arc::new(Peer::new(authority, connector.clone()));
        let others: Vec<Arc<Peer>> = options.others().into_iter().map(peer).collect();
        let mut probes = JoinSet::new();
        for peer in &others {
            probes.spawn(peer.clone().probe(class));
        }
        Some(Self { own: identity(&own), others, _probes: probes })
    }

    /// The gateway to answer a request whose prefix is `key`; `None`: this one.
    ///
    /// - `load`: requests that this gateway answers now, or `None` if it cannot answer.
    pub(crate) fn choose(&self, key: u64, load: Option<usize>) -> Option<Arc<Peer>> {
        let usable: Vec<&Arc<Peer>> = self.others.iter().filter(|peer| peer.is_ready()).collect();
        let mut candidates: Vec<Candidate> =
            usable.iter().map(|peer| Candidate { identity: peer.identity(), load: peer.load() }).collect();
        candidates.extend(load.map(|load| Candidate { identity: self.own, load: load as u32 }));
        // This gateway is the last candidate, if it is one.
        let chosen = rendezvous::choose(key, &candidates)?;
        usable.get(chosen).map(|peer| Arc::clone(peer))
    }

    /// How many of the others can be sent requests.
    pub(crate) fn ready(&self) -> usize {
        self.others.iter().filter(|peer| peer.is_ready()).count()
    }
}

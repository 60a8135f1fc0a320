//! The coordinator's settings: flag, environment variable and TOML key come from these fields.

use conclave_control::{Patience, Settings};
use conclave_types::Millis;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A coordinator of the group: `id=host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub id: u64,
    /// Where the others reach it.
    pub address: String,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no coordinator; write it as ID=HOST:PORT, such as 1=10.0.0.1:7001");
        let (id, address) = text.split_once('=').ok_or_else(bad)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(bad());
        }
        Ok(Self { id: id.parse().map_err(|_| bad())?, address: address.to_owned() })
    }
}

/// Settings of a coordinator.
#[derive(Clone, Debug, clap::Args)]
pub struct CoordinatorOptions {
    /// This coordinator's number in --peers. It belongs to its data folder for ever.
    #[arg(long, env = "CONCLAVE_COORDINATOR_ID")]
    pub id: u64,
    /// All coordinators that found the group, this one included: ID=HOST:PORT, separated by commas. Not for one that joins.
    #[arg(long, env = "CONCLAVE_PEERS", value_delimiter = ',', required_unless_present = "join")]
    pub peers: Vec<Peer>,
    /// Found no group but wait to be added to one, by `conclave coordinators add`. An id that the group never had.
    #[arg(long, env = "CONCLAVE_JOIN", conflicts_with = "peers")]
    pub join: bool,
    /// Address to listen on. Off loopback certificates are required.
    #[arg(long, env = "CONCLAVE_LISTEN")]
    pub listen: SocketAddr,
    /// Folder for log and snapshots.
    #[arg(long, env = "CONCLAVE_DATA")]
    pub data: PathBuf,
    /// Homes of every expert, once there are that many nodes; used when the group is founded. Range: 1..=16.
    #[arg(long, env = "CONCLAVE_REPLICAS", default_value_t = 2)]
    pub replicas: u32,
    /// Expert nodes to wait for before experts are placed the first time; used when the group is founded.
    /// Range: 1..=10000.
    #[arg(long, env = "CONCLAVE_NODES_MIN", default_value_t = 1)]
    pub nodes_min: u32,
    /// Further homes that hot experts may get where the recorded load asks for them, only at nodes with --memory-max;
    /// used when the group is founded. Unit: percent of all homes. Range: 0..=400.
    #[arg(long, env = "CONCLAVE_EXTRA_PERCENT", default_value_t = 25)]
    pub extra_percent: u32,
    /// Most experts that are moved at once to level load or numbers; used when the group is founded.
    /// Range: 1..=1000000.
    #[arg(long, env = "CONCLAVE_MOVES_MAX", default_value_t = 256)]
    pub moves_max: u32,
    /// Silence after which a node counts as down. Unit: milliseconds. Range: 500..=600000.
    #[arg(long, env = "CONCLAVE_LEASE_MS", default_value_t = 3_000)]
    pub lease_ms: u64,
    /// Silence after which a node's experts get new homes. Unit: milliseconds. Range: 500..=604800000.
    #[arg(long, env = "CONCLAVE_REPLACE_AFTER_MS", default_value_t = 300_000)]
    pub replace_after_ms: u64,
    /// Time after which a node that is heard of but loads nothing of what it shall hold is given up for a while, and
    /// others load it. Unit: milliseconds. Range: 500..=86400000.
    #[arg(long, env = "CONCLAVE_PROGRESS_DEADLINE_MS", default_value_t = 60_000)]
    pub progress_deadline_ms: u64,
}

impl CoordinatorOptions {
    /// Every problem at once.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |key: &str, value: u64, min: u64, max: u64| {
            if !(min..=max).contains(&value) {
                problems.push(format!("{key} is {value}; it can be {min} to {max}"));
            }
        };
        range("replicas", self.replicas.into(), 1, 16);
        range("nodes_min", self.nodes_min.into(), 1, 10_000);
        range("extra_percent", self.extra_percent.into(), 0, 400);
        range("moves_max", self.moves_max.into(), 1, 1_000_000);
        range("lease_ms", self.lease_ms, 500, 600_000);
        range("replace_after_ms", self.replace_after_ms, 500, 604_800_000);
        range("progress_deadline_ms", self.progress_deadline_ms, 500, 86_400_000);
        let peers = self.members();
        if peers.len() != self.peers.len() {
            problems.push("peers names an id twice; each coordinator has its own".to_owned());
        }
        if !self.join && !peers.contains_key(&self.id) {
            problems.push(format!("peers does not name id {}; it must list this coordinator too", self.id));
        }
        problems
    }

    /// Where it listens and whom it calls, each with its key.
    pub fn addresses(&self) -> Vec<(&'static str, String)> {
        let calls = self.peers.iter().map(|peer| ("peers", peer.address.clone()));
        calls.chain([("listen", self.listen.to_string())]).collect()
    }

    pub(crate) fn members(&self) -> BTreeMap<u64, String> {
        self.peers.iter().map(|peer| (peer.id, peer.address.clone())).collect()
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience {
            lease: Millis(self.lease_ms),
            replace_after: Millis(self.replace_after_ms),
            progress: Millis(self.progress_deadline_ms),
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            replicas: self.replicas,
            nodes_min: self.nodes_min,
            extra_percent: self.extra_percent,
            moves_max: self.moves_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_an_id_and_an_address() {
        let peer = Peer { id: 3, address: "10.0.0.1:7001".to_owned() };
        assert_eq!("3=10.0.0.1:7001".parse(), Ok(peer));
        for bad in ["10.0.0.1:7001", "x=10.0.0.1:7001", "1=10.0.0.1", "1=:7001", "1=a:99999"] {
            assert!(bad.parse::<Peer>().unwrap_err().contains("ID=HOST:PORT"), "{bad}");
        }
    }
}

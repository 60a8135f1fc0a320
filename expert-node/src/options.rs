//! The expert node's settings: flag, environment variable and TOML key come from these fields.

use conclave_types::Bytes;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The machine's own name; empty if it has none that is text.
fn host_name() -> String {
    rustix::system::uname().nodename().to_str().unwrap_or_default().to_owned()
}

/// Settings of an expert node.
#[derive(Clone, Debug, clap::Args)]
pub struct NodeOptions {
    /// This node's name. The same name is the same node: after a restart it gets its experts back. Default: the machine's
    /// own name.
    #[arg(long, env = "CONCLAVE_NODE_NAME", default_value_t = host_name(), hide_default_value = true)]
    pub name: String,
    /// Address to listen on; port 0: the system chooses. Off loopback certificates are required.
    #[arg(long, env = "CONCLAVE_LISTEN", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// HOST or HOST:PORT by which gateways reach this node; default: the address it listens on, or where that is any
    /// address, the machine's own name.
    #[arg(long, env = "CONCLAVE_ADVERTISE")]
    pub advertise: Option<String>,
    /// Folder for a Unix socket beside the address: gateways of this machine that are given the same folder call
    /// through it in place of TCP.
    #[arg(long, env = "CONCLAVE_SOCKET_DIR")]
    pub socket_dir: Option<PathBuf>,
    /// The coordinators, HOST:PORT separated by commas.
    #[arg(long, env = "CONCLAVE_COORDINATORS", value_delimiter = ',', required = true)]
    pub coordinators: Vec<String>,
    /// Most memory for experts, such as 16GiB; default: as much as it is given.
    #[arg(long, env = "CONCLAVE_MEMORY_MAX")]
    pub memory_max: Option<Bytes>,
    /// Weights for other nodes, which fetch their model and lack what this one has, are given no faster than this, so that
    /// tokens keep their way: a second's size; 0: none are given.
    #[arg(long, env = "CONCLAVE_PEER_RATE_MAX", default_value = "64MiB")]
    pub peer_rate_max: Bytes,
    /// What this node may lose together with others, such as a rack; default: it fails alone.
    #[arg(long, env = "CONCLAVE_ZONE", default_value = "")]
    pub zone: String,
    /// Most calls that wait; more are told to come back. Range: 1..=65536.
    #[arg(long, env = "CONCLAVE_CALLS_MAX", default_value_t = 256)]
    pub calls_max: usize,
}

impl NodeOptions {
    /// Every problem at once.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.name.is_empty() {
            problems.push("name is empty; give the node a name".to_owned());
        }
        if !(1..=65_536).contains(&self.calls_max) {
            problems.push(format!("calls_max is {}; it can be 1 to 65536", self.calls_max));
        }
        if self.listen.ip().is_unspecified() && self.advertise.is_none() && host_name().is_empty() {
            problems.push(format!("listen is {}; set advertise to the name others reach it by", self.listen));
        }
        problems
    }

    /// Where it listens and whom it calls, each with its key.
    pub fn addresses(&self) -> Vec<(&'static str, String)> {
        let calls = self.coordinators.iter().map(|address| ("coordinators", address.clone()));
        calls.chain([("listen", self.listen.to_string())]).collect()
    }

    /// What the node tells the coordinators, given the port it listens on.
    pub(crate) fn advertised(&self, listening: SocketAddr) -> String {
        match &self.advertise {
            None if listening.ip().is_unspecified() => format!("{}:{}", host_name(), listening.port()),
            None => listening.to_string(),
            Some(host) if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
                host.clone()
            }
            Some(host) => format!("{host}:{}", listening.port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_a_name_that_leads_here() {
        let mut options = NodeOptions {
            name: "a".to_owned(),
            listen: "0.0.0.0:0".parse().unwrap(),
            advertise: None,
            socket_dir: None,
            coordinators: Vec::new(),
            memory_max: None,
            peer_rate_max: Bytes(0),
            zone: String::new(),
            calls_max: 1,
        };
        let any = "0.0.0.0:7100".parse().unwrap();
        assert_eq!(options.advertised(any), format!("{}:7100", host_name()));
        assert_eq!(options.advertised("127.0.0.1:9".parse().unwrap()), "127.0.0.1:9");
        options.advertise = Some("node-1".to_owned());
        assert_eq!(options.advertised(any), "node-1:7100");
        options.advertise = Some("node-1:9".to_owned());
        assert_eq!(options.advertised(any), "node-1:9");
    }
}

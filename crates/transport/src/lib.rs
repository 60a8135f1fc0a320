//! How the roles of a cluster reach each other: certificates, the shared token, who may call what, and the bounds of
//! every port.
//!
//! Keeps true: nothing travels in plain text but between loopback addresses and through Unix sockets; who is let in
//! has proved its role where certificates are in use. Knows no message: what is called it knows by its path.

mod accept;
mod certificates;
mod connect;
mod crowd;
mod gate;
mod io;
mod pace;
mod role;
mod token;
mod trust;

pub use accept::{Accepted, HANDSHAKE_TIMEOUT, accept, admit, bounded, refused, trusted};
pub use certificates::{
    Certificates, ServerCertificates, TlsError, TlsOptions, asks_as_peer, is_good, is_loopback, proved,
};
pub use connect::{ConnectError, Connector};
pub use crowd::{Crowd, Guest, connections_max};
pub use gate::{Caller, Gate, RULES, Rule};
pub use io::Io;
pub use pace::Pace;
pub use role::{Identity, Role};
pub use token::{ClusterToken, SendToken};
pub use trust::{TrustOptions, explain_https};

use std::error::Error;
use tonic::Code;

/// What a role shows to others, and asks of them.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The secret that all share, or none.
    pub token: ClusterToken,
    /// The role's certificate and the authority that others' must come from; `None`: plain text, on loopback only.
    pub certificates: Option<Certificates>,
}

impl Credentials {
    /// Makes connections to processes of `role`.
    pub fn connector(&self, role: Role) -> Connector {
        Connector::new(self.certificates.clone(), role)
    }
}

/// Whether `error` says that one end does not want the other, which trying again does not change.
pub fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let status = error.downcast_ref::<tonic::Status>().map(tonic::Status::code);
        let unwanted = matches!(status, Some(Code::PermissionDenied | Code::Unauthenticated));
        let insecure = matches!(
            error.downcast_ref(),
            Some(ConnectError::Plain(_) | ConnectError::Tls { .. } | ConnectError::Role { .. })
        );
        // An alert of the other end comes as an error of reading, and that hides what it holds from `source`.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if unwanted || insecure || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        next = error.source();
    }
    false
}

/// An error with all its causes, each told once: the cause of a failed connection lies deep.
pub fn explain(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        cause = error.source();
    }
    told
}

//! The caller's end: a connection to a process of a role, and nothing else.
//!
//! Keeps true: without certificates it reaches loopback addresses only; with them it sends nothing before the other end
//! has proved, by a certificate of the authority for the name that was called, that it has the role it should have.

use crate::certificates::{PEER, identity};
use crate::{Certificates, Io, Role, explain};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is not loopback, and there are no certificates.
    #[error(
        "{0} is not loopback, and nothing travels there in plain text; make certificates with `conclave ca issue` and set \
         --tls-dir"
    )]
    Plain(SocketAddr),
    /// The address names no host.
    #[error("`{0}` is no HOST:PORT")]
    Address(String),
    /// Nobody answers.
    #[error("cannot connect to {address}: {error}")]
    Tcp {
        /// Whom.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// The other end's certificate, or ours at the other end, does not do.
    #[error("no TLS with {address}: {why}")]
    Tls {
        /// Whom.
        address: String,
        /// Why.
        why: String,
    },
    /// The other end is something else.
    #[error("{address} shows a certificate of {is}; a {want} was called")]
    Role {
        /// Whom.
        address: String,
        /// Whom the certificate names.
        is: String,
        /// Whom it should.
        want: Role,
    },
}

/// Makes connections to processes of one role.
#[derive(Clone, Debug)]
pub struct Connector {
    certificates: Option<Certificates>,
    role: Role,
    peer: bool,
}

impl Connector {
    pub(crate) fn new(certificates: Option<Certificates>, role: Role) -> Self {
        Self { certificates, role, peer: false }
    }

    /// Of a gateway to the port of another one that clients use too.
    pub fn as_peer(self) -> Self {
        Self { peer: true, ..self }
    }

    /// A connection to `address` (`host:port`).
    ///
    /// - Errors: see [`ConnectError`].
    pub async fn open(&self, address: &str) -> Result<Io, ConnectError> {
        let tcp = |error| ConnectError::Tcp { address: address.to_owned(), error };
        let Some(certificates) = &self.certificates else {
            let mut last = io::ErrorKind::NotFound.into();
            for resolved in tokio::net::lookup_host(address).await.map_err(tcp)? {
                if !resolved.ip().is_loopback() {
                    return Err(ConnectError::Plain(resolved));
                }
                match TcpStream::connect(resolved).await {
                    Ok(stream) => return Ok(Io::Plain(quick(stream))),
                    Err(error) => last = error,
                }
            }
            return Err(tcp(last));
        };
        let host =
            address.rsplit_once(':').map(|(host, _)| host.trim_start_matches('[').trim_end_matches(']'));
        let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
        let name = name.ok_or_else(|| ConnectError::Address(address.to_owned()))?;
        let stream = quick(TcpStream::connect(address).await.map_err(tcp)?);
        // Asked for each connection, so that the newest are used.
        let mut config = certificates.current().client.clone();
        if self.peer {
            Arc::make_mut(&mut config).alpn_protocols = vec![PEER.to_vec()];
        }
        let connector = TlsConnector::from(config);
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| ConnectError::Tls { address: address.to_owned(), why: explain(&error) })?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| identity(chain.first()?));
        match shown {
            Some(identity) if identity.role == self.role => Ok(Io::tls(stream)),
            other => Err(ConnectError::Role {
                address: address.to_owned(),
                is: other.map_or("nobody (it names no role)".to_owned(), |named| named.to_string()),
                want: self.role,
            }),
        }
    }
}

fn quick(stream: TcpStream) -> TcpStream {
    // Small messages must not wait for more.
    let _ = stream.set_nodelay(true);
    stream
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Io>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let address = uri.authority().map(ToString::to_string).unwrap_or_default();
            Ok(TokioIo::new(this.open(&address).await?))
        })
    }
}

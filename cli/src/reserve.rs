//! Addresses of this machine, kept for processes that will listen there.
//!
//! Keeps true: while such a process is not there, be it not yet or not any more, the system gives its port to no outgoing
//! connection, which would keep it from listening.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpSocket;

/// An address of loopback.
pub(crate) struct Reserved {
    address: SocketAddr,
    /// Bound, and never listening: another socket may listen there, since both allow it. Linux alone sees it so;
    /// elsewhere the address is only known to have been free.
    _socket: Option<TcpSocket>,
}

impl Reserved {
    /// Of `port`, or for 0 of one that the system chooses.
    ///
    /// - Errors: somebody listens there.
    pub(crate) fn of(port: u16) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        let address = socket.local_addr()?;
        Ok(Self { address, _socket: cfg!(target_os = "linux").then_some(socket) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    #[cfg(target_os = "linux")]
    fn only_who_means_to_listen_there_can_have_the_port() {
        let reserved = Reserved::of(0).unwrap();
        for life in 1..=2 {
            let listener = TcpListener::bind(reserved.address()).unwrap();
            let error = Reserved::of(reserved.address().port()).err().expect("somebody listens");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "life {life}");
            drop(listener);
        }
        // As the system does it for a connection: without leave to share.
        let outgoing = TcpSocket::new_v4().unwrap();
        assert_eq!(outgoing.bind(reserved.address()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}

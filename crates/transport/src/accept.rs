//! The server's end: accepting connections, the handshake, and the bounds of HTTP/2.
//!
//! Keeps true: a handshake or a beginning that does not come in time, or comes while the port is full, costs one socket
//! and holds up nobody; what a connection may take of memory and streams is bounded here, by hand.

use crate::certificates::proved;
use crate::gate::Caller;
use crate::{Certificates, Crowd, Guest, Io};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::Server;
use tonic::transport::server::Connected;

/// How long a TLS handshake, and the beginning of HTTP/2 after it, may take each.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most connections of one port.
const CONNECTIONS_MAX: usize = 4096;
/// Pause after the system gave no socket, as when there are too many open files.
const NO_SOCKET: Duration = Duration::from_millis(100);
/// The bytes with which every HTTP/2 connection begins.
const PREFACE_BYTES: usize = 24;

/// Streams of one connection at once. tonic's own default would lift hyper's bound.
const STREAMS_MAX: u32 = 64;
/// Streams that a caller has reset before they were looked at: more, and the connection ends (rapid reset).
const PENDING_RESETS_MAX: usize = 20;
/// Streams that were reset here because the caller broke the protocol: more, and the connection ends.
const OWN_RESETS_MAX: usize = 64;
/// All headers of a call. Unit: bytes. Ours have under a thousand.
const HEADERS_BYTES_MAX: u32 = 16 << 10;
/// Silence after which a caller is asked whether it is there, and how long it may take to say so. Far longer than any
/// caller computes without looking at its sockets.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A server with every bound of HTTP/2 set.
pub fn bounded() -> Server {
    Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
        .http2_max_local_error_reset_streams(Some(OWN_RESETS_MAX))
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .accept_http1(false)
}

/// What must have come before a connection counts as one.
struct Prelude {
    bytes_left: usize,
    late: Pin<Box<Sleep>>,
    leave: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// A connection that was let in.
pub struct Accepted<S> {
    io: S,
    caller: Caller,
    guest: Option<Guest>,
    prelude: Option<Prelude>,
}

impl<S> Accepted<S> {
    fn new(io: S, caller: Caller, guest: Guest) -> Self {
        let prelude = Prelude {
            bytes_left: PREFACE_BYTES,
            late: Box::pin(tokio::time::sleep(HANDSHAKE_TIMEOUT)),
            leave: Box::pin(guest.leave().clone().cancelled_owned()),
        };
        Self { io, caller, guest: Some(guest), prelude: Some(prelude) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Accepted<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(prelude) = &mut this.prelude else { return Pin::new(&mut this.io).poll_read(cx, buf) };
        if prelude.late.as_mut().poll(cx).is_ready() || prelude.leave.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        prelude.bytes_left = prelude.bytes_left.saturating_sub(buf.filled().len() - before);
        if prelude.bytes_left == 0 {
            // From here on HTTP/2 asks whether the caller is there.
            this.prelude = None;
            if let Some(guest) = &this.guest {
                guest.busy();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Accepted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<S> Connected for Accepted<S> {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

/// Connections of a Unix socket, whose file says who may use it.
pub fn trusted(listener: UnixListener) -> impl Stream<Item = io::Result<Accepted<UnixStream>>> + Send {
    UnixListenerStream::new(listener)
        .map(|stream| stream.map(|io| Accepted { io, caller: Caller::Here, guest: None, prelude: None }))
}

/// The next connection of `listener` for which `crowd` has a place; those before it are refused. May be dropped at any time.
pub async fn admit(listener: &TcpListener, crowd: &Crowd) -> (TcpStream, SocketAddr, Guest) {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                refused("no_socket", &error);
                tokio::time::sleep(NO_SOCKET).await;
                continue;
            }
        };
        let Some(guest) = crowd.enter() else {
            refused("full", &format!("{from}: all {} connections are being answered", crowd.len()));
            continue;
        };
        // Small messages must not wait for more.
        let _ = stream.set_nodelay(true);
        return (stream, from, guest);
    }
}

/// Connections of `listener`: with TLS, whose callers have shown a certificate of the authority, where there are
/// `certificates`; else plain. Needs a runtime; ends when the stream is dropped.
pub fn accept(
    listener: TcpListener,
    certificates: Option<Certificates>,
) -> impl Stream<Item = io::Result<Accepted<Io>>> + Send {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let crowd = Crowd::new(crate::connections_max(CONNECTIONS_MAX, 1));
        loop {
            let (stream, from, guest) = tokio::select! {
                admitted = admit(&listener, &crowd) => admitted,
                () = sender.closed() => return,
            };
            let Some(certificates) = &certificates else {
                if sender.send(Ok(Accepted::new(Io::Plain(stream), Caller::Here, guest))).await.is_err() {
                    return;
                }
                continue;
            };
            // Asked for each connection, so that the newest are used.
            let acceptor = TlsAcceptor::from(certificates.server());
            let sender = sender.clone();
            tokio::spawn(async move {
                let leave = guest.leave().clone();
                let shaken = tokio::select! {
                    shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => shaken,
                    () = leave.cancelled() => return,
                    () = sender.closed() => return,
                };
                let stream = match shaken {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => return refused("handshake", &format!("{from}: {error}")),
                    Err(_) => return refused("handshake_timeout", &from),
                };
                let caller =
                    proved(&stream).map_or(Caller::Nobody, |identity| Caller::Proved(Arc::new(identity)));
                // The server may have stopped meanwhile.
                let _ = sender.send(Ok(Accepted::new(Io::tls(stream), caller, guest))).await;
            });
        }
    });
    ReceiverStream::new(receiver)
}

/// Counts and tells a connection that was refused; tells at most one a second, because whoever knocks decides how often.
pub fn refused(why: &'static str, what: &dyn std::fmt::Display) {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    metrics::counter!("conclave_connections_refused_total", "why" => why).increment(1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if TOLD.swap(now, Ordering::Relaxed) != now {
        tracing::warn!(why, %what, "a connection or call was refused");
    }
}

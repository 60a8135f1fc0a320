//! The API's port: accepting connections, TLS where there is a certificate, and the bounds of each connection.
//!
//! Keeps true: what one client does to its connection, be it slow, silent or huge, costs that connection and no other;
//! when there are too many, those that wait for nothing leave first. Knows no route.

use crate::held::held_by;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use conclave_transport::{
    Certificates, Crowd, Guest, HANDSHAKE_TIMEOUT, Io, Role, ServerCertificates, admit, asks_as_peer, proved,
    refused,
};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the head of a request may take, and how long a connection may wait for its next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer that is ready for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// The head of a request. Unit: bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;

/// What the API's port shows to clients and to other gateways.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// To clients; `None`: plain HTTP.
    pub(crate) clients: Option<ServerCertificates>,
    /// To other gateways, which may speak TLS here even where clients do not.
    pub(crate) gateways: Option<Certificates>,
}

/// Answers connections of `listener` by `router` until `closing`; then lets those end that are being answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shown: Shown,
    connections_max: usize,
    closing: CancellationToken,
) {
    let crowd = Crowd::new(conclave_transport::connections_max(connections_max, 1));
    let running = TaskTracker::new();
    loop {
        let (stream, _, guest) = tokio::select! {
            admitted = admit(&listener, &crowd) => admitted,
            () = closing.cancelled() => break,
        };
        metrics::gauge!("conclave_connections").set(crowd.len() as f64);
        let (router, shown, closing) = (router.clone(), shown.clone(), closing.clone());
        running.spawn(async move {
            let leave = guest.leave().clone();
            let answered = async {
                if speaks(&stream, &closing).await {
                    // Boxed, so that a task of who says nothing is small.
                    Box::pin(connection(stream, router, &shown, Arc::new(guest), &closing)).await;
                }
            };
            tokio::select! {
                () = leave.cancelled() => {}
                () = answered => {}
            }
        });
    }
    drop(listener);
    running.close();
    running.wait().await;
}

/// Waits until a new connection says something; before that it needs no buffer. False: it left, or took too long.
async fn speaks(stream: &TcpStream, closing: &CancellationToken) -> bool {
    let mut first = [0];
    tokio::select! {
        // Readiness alone may be reported of a socket that has nothing to read.
        said = tokio::time::timeout(HEAD_TIMEOUT, stream.peek(&mut first)) => matches!(said, Ok(Ok(1))),
        () = closing.cancelled() => false,
    }
}

/// One connection, from its handshake to its end.
async fn connection(
    stream: TcpStream,
    router: Router,
    shown: &Shown,
    guest: Arc<Guest>,
    closing: &CancellationToken,
) {
    let io = match tokio::time::timeout(HANDSHAKE_TIMEOUT, shake(stream, shown)).await {
        Ok(Ok(io)) => io,
        Ok(Err(error)) => return refused("handshake", &error),
        Err(_) => return refused("handshake_timeout", &"the API's port"),
    };
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let under_way = UnderWay::new(guest.clone());
        let answer = router.call(request);
        async move { answer.await.map(|response| under_way.until_the_end_of(response)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Patient::new(io)), service);
    let mut connection = std::pin::pin!(connection);
    // An error here is the client's: it left, or sent what is no HTTP and has been told so.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// The first byte of a TLS handshake; no request of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;

async fn shake(stream: TcpStream, shown: &Shown) -> io::Result<Io> {
    if shown.clients.is_none() {
        let mut first = [0];
        if shown.gateways.is_none() || stream.peek(&mut first).await? == 0 || first != [HANDSHAKE] {
            return Ok(Io::Plain(stream));
        }
    }
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let gateways = shown.gateways.as_ref().filter(|_| asks_as_peer(&start.client_hello()));
    let config = match (gateways, &shown.clients) {
        (Some(gateways), _) => gateways.server(),
        (None, Some(clients)) => clients.server(),
        (None, None) => {
            return Err(io::Error::other("a client spoke TLS to a port that has none for clients"));
        }
    };
    let stream = start.into_stream(config).await?;
    if gateways.is_some() && proved(&stream).is_none_or(|identity| identity.role != Role::Gateway) {
        return Err(io::Error::other("a certificate that is no gateway's asked as one"));
    }
    Ok(Io::tls(stream))
}

/// A request under way; its connection may idle again when it ends.
struct UnderWay(Arc<Guest>);

impl UnderWay {
    fn new(guest: Arc<Guest>) -> Self {
        guest.busy();
        Self(guest)
    }

    fn until_the_end_of(self, response: Response<Body>) -> Response<Body> {
        held_by(response, self)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.idle();
    }
}

/// A connection whose other end must take what is written within [`WRITE_TIMEOUT`].
struct Patient<S> {
    io: S,
    /// Set while nothing can be written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    fn new(io: S) -> Self {
        Self { io, stuck: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stuck = None;
            return result;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIMEOUT)));
        stuck.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write(cx, buf);
        this.watch(cx, result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_flush(cx);
        this.watch(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_shutdown(cx);
        this.watch(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

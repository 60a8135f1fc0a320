//! `conclave balance`: one port before several gateways. Passes TCP connections on to those that say they are ready.
//!
//! Keeps true: a connection is only given up when no backend could be reached for a while, or when places are short and
//! it asks for nothing; bytes are passed on unread, so keys and answers are nobody's business here. Knows of HTTP only the
//! probe, what ends the head of a request and what ends a streamed answer: when it is told to stop, it lets go of a client
//! between two answers, and a client that has asked for nothing costs no gateway a connection.

use crate::process::{Stop, check, runtime};
use conclave_telemetry::{Monitor, MonitorOptions};
use conclave_transport::{Crowd, Guest, admit, connections_max};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a probe or a connection to a backend may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a client waits for a backend that takes it: about as long as a gateway takes to start.
const WAIT: Duration = Duration::from_secs(10);
/// How the head of a request ends.
const HEAD_END: &[u8; 4] = b"\r\n\r\n";
/// The first byte of a TLS handshake, which the gateway gives little time, and after which no head can be seen.
const HANDSHAKE: u8 = 0x16;
/// How a streamed answer ends: HTTP's last chunk.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Bytes passed on at once.
const BUFFER: usize = 16 << 10;
/// Pause between looking for one.
const PAUSE: Duration = Duration::from_millis(50);

/// Settings of `conclave balance`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BalanceOptions {
    /// Address to listen on.
    #[arg(long, env = "CONCLAVE_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The gateways, HOST:PORT separated by commas.
    #[arg(long, env = "CONCLAVE_BACKENDS", value_delimiter = ',', required = true)]
    backends: Vec<String>,
    /// How often a backend is asked whether it is ready. Unit: milliseconds. Range: 50..=60000.
    #[arg(long, env = "CONCLAVE_PROBE_MS", default_value_t = 250)]
    probe_ms: u64,
    /// Most connections at once, each of which needs two open files; when there are more, those leave that wait for
    /// nothing. Range: 1..=1000000.
    #[arg(long, env = "CONCLAVE_CONNECTIONS_MAX", default_value_t = 16384)]
    connections_max: usize,
    /// How long connections may go on once it is told to stop. Unit: seconds. Range: 0..=3600.
    #[arg(long, env = "CONCLAVE_DRAIN_TIMEOUT", default_value_t = 30)]
    drain_timeout_s: u32,
    #[command(flatten)]
    monitor: MonitorOptions,
}

impl BalanceOptions {
    fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |key: &str, value: u64, min: u64, max: u64| {
            if !(min..=max).contains(&value) {
                problems.push(format!("{key} is {value}; it can be {min} to {max}"));
            }
        };
        range("probe_ms", self.probe_ms, 50, 60_000);
        range("connections_max", self.connections_max as u64, 1, 1_000_000);
        range("drain_timeout_s", self.drain_timeout_s.into(), 0, 3600);
        problems
    }
}

/// One gateway.
struct Backend {
    address: String,
    ready: AtomicBool,
    connections: AtomicUsize,
}

/// One connection at a backend.
struct Counted(Arc<Backend>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The backends that are ready, those with the fewest connections first.
fn order(backends: &[Arc<Backend>]) -> Vec<Arc<Backend>> {
    let ready = backends.iter().filter(|backend| backend.ready.load(Ordering::Relaxed));
    let mut ready: Vec<_> = ready.map(|b| (b.connections.load(Ordering::Relaxed), b.clone())).collect();
    ready.sort_by_key(|(connections, _)| *connections);
    ready.into_iter().map(|(_, backend)| backend).collect()
}

pub(crate) fn run(options: &BalanceOptions, stop: Stop) -> anyhow::Result<()> {
    check([options.validate()])?;
    runtime(2)?.block_on(balance(options, stop))
}

async fn balance(options: &BalanceOptions, stop: Stop) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let backend = |address: &String| {
        let address = address.clone();
        Arc::new(Backend { address, ready: AtomicBool::default(), connections: AtomicUsize::default() })
    };
    let backends: Arc<[Arc<Backend>]> = options.backends.iter().map(backend).collect();
    for backend in backends.iter().cloned() {
        tokio::spawn(watch(backend, Duration::from_millis(options.probe_ms)));
    }
    monitor(backends.clone()).start(&options.monitor).await?;
    tracing::info!(address = %listener.local_addr()?, backends = options.backends.join(","), "balances");
    let stop = stop.token();
    let connections = TaskTracker::new();
    // Its own and the one to a gateway.
    let crowd = Crowd::new(connections_max(options.connections_max, 2));
    pass_all(&listener, &crowd, &backends, &stop, &connections).await;
    drop(listener);
    connections.close();
    let drain = Duration::from_secs(options.drain_timeout_s.into());
    tracing::info!(connections = connections.len(), timeout_s = drain.as_secs(), "draining");
    let _ = timeout(drain, connections.wait()).await;
    Ok(())
}

/// Passes on whoever comes, until `stop`.
async fn pass_all(
    listener: &TcpListener,
    crowd: &Crowd,
    backends: &Arc<[Arc<Backend>]>,
    stop: &CancellationToken,
    connections: &TaskTracker,
) {
    loop {
        let (client, _, guest) = tokio::select! {
            admitted = admit(listener, crowd) => admitted,
            () = stop.cancelled() => return,
        };
        let (backends, stop) = (backends.clone(), stop.clone());
        connections.spawn(async move {
            let leave = guest.leave().clone();
            tokio::select! {
                () = leave.cancelled() => {}
                () = pass_on(client, guest, &backends, &stop) => {}
            }
        });
    }
}

async fn pass_on(mut client: TcpStream, guest: Guest, backends: &[Arc<Backend>], stop: &CancellationToken) {
    // Who has said nothing yet costs no gateway a connection.
    let mut first = [0];
    let spoken = tokio::select! {
        first = client.peek(&mut first) => first.is_ok_and(|bytes| bytes > 0),
        () = stop.cancelled() => false,
    };
    if !spoken {
        return;
    }
    let Some((mut server, counted)) = connect(backends).await else {
        metrics::counter!("conclave_balance_connections_failed_total").increment(1);
        tracing::warn!("no gateway can be reached; a client was let go");
        return;
    };
    let backend = counted.0.address.clone();
    metrics::counter!("conclave_balance_connections_total", "backend" => backend).increment(1);
    // Small chunks of a stream must not wait for more.
    let _ = server.set_nodelay(true);
    // How it ends is between the two.
    let _ = exchange(&mut client, &mut server, &guest, stop).await;
}

/// Passes bytes on both ways until both sides have ended, or, after `stop`, until an answer has. Tells `guest` when a
/// request is under way.
async fn exchange(
    client: &mut TcpStream,
    server: &mut TcpStream,
    guest: &Guest,
    stop: &CancellationToken,
) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    // Whether an answer has ended and nothing has come from the client since.
    let between = AtomicBool::new(false);
    let mut head = Head::default();
    let up = pass(&mut from_client, &mut to_server, |bytes| {
        between.store(false, Ordering::Relaxed);
        if head.ends_in(bytes) {
            guest.busy();
        }
    });
    let down = pass(&mut from_server, &mut to_client, |bytes| {
        let ended = bytes.ends_with(LAST_CHUNK);
        between.store(ended, Ordering::Relaxed);
        if ended {
            guest.idle();
        }
    });
    let ended = async {
        stop.cancelled().await;
        while !between.load(Ordering::Relaxed) {
            sleep(PAUSE / 10).await;
        }
    };
    tokio::select! {
        both = async { tokio::try_join!(up, down) } => both.map(|_| ()),
        () = ended => Ok(()),
    }
}

/// Passes bytes on one way until they end; `seen` looks at them after they were passed on.
async fn pass(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    mut seen: impl FnMut(&[u8]),
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        seen(&buffer[..read]);
    }
}

/// Looks for the end of a request's head in what a client sends, wherever that is cut.
#[derive(Default)]
struct Head {
    begun: bool,
    encrypted: bool,
    /// How much of [`HEAD_END`] came last.
    matched: usize,
}

impl Head {
    /// Whether a head ends in `bytes`, which are not empty.
    fn ends_in(&mut self, bytes: &[u8]) -> bool {
        if !std::mem::replace(&mut self.begun, true) {
            self.encrypted = bytes[0] == HANDSHAKE;
        }
        let mut ended = self.encrypted;
        for byte in bytes {
            self.matched = match *byte == HEAD_END[self.matched] {
                true => self.matched + 1,
                false => usize::from(*byte == HEAD_END[0]),
            };
            if self.matched == HEAD_END.len() {
                (ended, self.matched) = (true, 0);
            }
        }
        ended
    }
}

/// A connection to the best backend that takes one.
async fn connect(backends: &[Arc<Backend>]) -> Option<(TcpStream, Counted)> {
    let started = Instant::now();
    loop {
        for backend in order(backends) {
            backend.connections.fetch_add(1, Ordering::Relaxed);
            let counted = Counted(backend.clone());
            match timeout(PATIENCE, TcpStream::connect(&backend.address)).await {
                Ok(Ok(server)) => return Some((server, counted)),
                // Until a probe says otherwise.
                _ => backend.ready.store(false, Ordering::Relaxed),
            }
        }
        if started.elapsed() > WAIT {
            return None;
        }
        sleep(PAUSE).await;
    }
}

/// Asks `backend` again and again whether it is ready.
async fn watch(backend: Arc<Backend>, every: Duration) {
    loop {
        let ready = matches!(timeout(PATIENCE, is_ready(&backend.address)).await, Ok(Ok(true)));
        if backend.ready.swap(ready, Ordering::Relaxed) != ready {
            tracing::info!(backend = backend.address, ready, "backend");
        }
        sleep(every).await;
    }
}

async fn is_ready(address: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(&status == b"HTTP/1.1 200")
}

fn monitor(backends: Arc<[Arc<Backend>]>) -> Monitor {
    let handle = conclave_telemetry::install_metrics("balance");
    metrics::counter!("conclave_balance_connections_failed_total").increment(0);
    for backend in backends.iter() {
        let labels = [("backend", backend.address.clone())];
        metrics::counter!("conclave_balance_connections_total", &labels).increment(0);
    }
    let is = backends.clone();
    Monitor {
        role: "balance",
        ready: Arc::new(move || match order(&is).is_empty() {
            true => Err("a gateway that is ready".to_owned()),
            false => Ok(()),
        }),
        metrics: Arc::new(move || {
            let open: usize = backends.iter().map(|b| b.connections.load(Ordering::Relaxed)).sum();
            metrics::gauge!("conclave_balance_connections").set(open as f64);
            metrics::gauge!("conclave_balance_backends_ready").set(order(&backends).len() as f64);
            handle.run_upkeep();
            handle.render()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backend that answers every connection with `answer`, whatever it is asked.
    async fn backend(answer: &'static str) -> Arc<Backend> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Arc::new(Backend { address, ready: AtomicBool::new(true), connections: AtomicUsize::default() })
    }

    fn guest() -> Guest {
        Crowd::new(1).enter().expect("nobody is there yet")
    }

    async fn asked(backends: Vec<Arc<Backend>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        tokio::spawn(async move { pass_on(accepted, guest(), &backends, &CancellationToken::new()).await });
        client.write_all(b"hello").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_connection_goes_to_the_ready_backend_with_the_fewest() {
        let (a, b, c) = (backend("a").await, backend("b").await, backend("c").await);
        a.connections.store(2, Ordering::Relaxed);
        b.connections.store(1, Ordering::Relaxed);
        c.ready.store(false, Ordering::Relaxed);
        assert_eq!(asked(vec![a, b, c]).await, "b");
    }

    #[tokio::test]
    async fn a_backend_that_is_gone_costs_the_client_nothing() {
        let (gone, there) = (backend("").await, backend("there").await);
        // Nobody listens on port 1.
        let gone = Arc::new(Backend {
            address: "127.0.0.1:1".to_owned(),
            ready: AtomicBool::new(true),
            connections: AtomicUsize::new(gone.connections.load(Ordering::Relaxed)),
        });
        there.connections.store(5, Ordering::Relaxed);
        assert_eq!(asked(vec![gone.clone(), there]).await, "there");
        assert!(!gone.ready.load(Ordering::Relaxed), "it is skipped until a probe says otherwise");
    }

    #[tokio::test]
    async fn told_to_stop_it_lets_go_of_a_client_between_two_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let backend = Backend { address, ready: AtomicBool::new(true), connections: AtomicUsize::default() };
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(front.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = front.accept().await.unwrap();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let passed =
            tokio::spawn(async move { pass_on(accepted, guest(), &[Arc::new(backend)], &token).await });
        client.write_all(b"ask").await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.read_exact(&mut [0; 3]).await.unwrap();
        server.write_all(b"begun").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
        stop.cancel();
        sleep(PAUSE).await;
        assert!(!passed.is_finished(), "in the middle of an answer");
        server.write_all(LAST_CHUNK).await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, LAST_CHUNK);
        passed.await.unwrap();
    }

    #[tokio::test]
    async fn sockets_that_ask_for_nothing_keep_nobody_out_and_cost_no_backend() {
        let (listener, gateway) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let front = listener.local_addr().unwrap();
        let address = gateway.local_addr().unwrap().to_string();
        let backend = Backend { address, ready: AtomicBool::new(true), connections: AtomicUsize::default() };
        let backends: Arc<[Arc<Backend>]> = [Arc::new(backend)].into();
        let (stop, crowd, tracker) = (CancellationToken::new(), Crowd::new(3), TaskTracker::new());
        let (to, token) = (backends.clone(), stop.clone());
        let all = tokio::spawn(async move { pass_all(&listener, &crowd, &to, &token, &tracker).await });
        let connect = || TcpStream::connect(front);
        let (mut silent, mut half) = (connect().await.unwrap(), connect().await.unwrap());
        half.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        let _of_half = gateway.accept().await.unwrap();
        let (mut asking, mut answer) = (connect().await.unwrap(), [0; 6]);
        asking.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let (mut of_asking, _) = gateway.accept().await.unwrap();
        of_asking.write_all(b"answer").await.unwrap();
        asking.read_exact(&mut answer).await.unwrap();
        assert_eq!(backends[0].connections.load(Ordering::Relaxed), 2, "who is silent costs no gateway");
        // Two more come: the two that ask for nothing leave, in the order in which they came.
        let _second = connect().await.unwrap();
        assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
        let _third = connect().await.unwrap();
        assert_eq!(half.read(&mut [0; 1]).await.unwrap(), 0);
        stop.cancel();
        all.await.unwrap();
    }

    #[test]
    fn a_head_ends_wherever_it_is_cut() {
        let request = b"POST /v1 HTTP/1.1\r\nhost: a\r\n\r\r\n\r\nbody";
        let end = request.len() - b"body".len();
        for cut in 1..request.len() {
            let mut head = Head::default();
            let (before, after) = request.split_at(cut);
            assert_eq!(head.ends_in(before), cut >= end, "cut at {cut}");
            assert_eq!(head.ends_in(after), cut < end, "cut at {cut}");
        }
        assert!(Head::default().ends_in(&[HANDSHAKE, 3, 1]), "what is encrypted cannot be looked into");
    }

    #[tokio::test]
    async fn only_a_200_is_ready() {
        for (answer, ready) in [("HTTP/1.1 200 OK\r\n\r\n", true), ("HTTP/1.1 503 No\r\n\r\n", false)] {
            assert_eq!(is_ready(&backend(answer).await.address).await.unwrap(), ready);
        }
        assert!(is_ready(&backend("x").await.address).await.is_err());
    }
}

//! What every role's process needs: checked settings, a runtime, and a reason to stop.

use anyhow::bail;
use conclave_transport::{ClusterToken, Credentials, Role, TlsOptions};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal, which waits for nothing: that of a process that Ctrl-C ended.
const SECOND_SIGNAL: i32 = 130;

/// Fails with every problem at once.
pub(crate) fn check<const N: usize>(problems: [Vec<String>; N]) -> anyhow::Result<()> {
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    if !problems.is_empty() {
        bail!("these settings cannot be used:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

/// How long what nobody waits for may hold up the end of a process: the look-up of a name can take many seconds when that
/// of a machine that is gone.
const LEFT_OVER: Duration = Duration::from_millis(500);

/// A runtime for sockets and timers; computing has threads of its own.
pub(crate) struct Runtime(tokio::runtime::Runtime);

/// A runtime with so many threads.
pub(crate) fn runtime(threads: usize) -> anyhow::Result<Runtime> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    Ok(Runtime(built))
}

impl Runtime {
    /// Runs `work` to its end, and with it the runtime.
    pub(crate) fn block_on<F: Future>(self, work: F) -> F::Output {
        let result = self.0.block_on(work);
        self.0.shutdown_timeout(LEFT_OVER);
        result
    }
}

/// A new folder for sockets that this user alone can enter. In the system's temporary folder, since a socket's path must be
/// short; one that is there already may be somebody else's and is not taken.
pub(crate) fn private_folder() -> std::io::Result<PathBuf> {
    let name = |attempt: u32| format!("conclave-{}-{attempt}", std::process::id());
    for attempt in 0.. {
        let folder = std::env::temp_dir().join(name(attempt));
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    unreachable!("some name is free")
}

/// When a process shall end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// Whether the end of the standard input is a reason: a child that `up` has started must not outlive it.
    pub(crate) with_stdin: bool,
}

impl Stop {
    /// Cancelled at Ctrl-C, at SIGTERM and, if so asked, at the end of the standard input. A second signal ends the
    /// process at once. Needs a runtime.
    pub(crate) fn token(self) -> CancellationToken {
        let token = CancellationToken::new();
        let stop = token.clone();
        // Before the task runs: from now on no signal ends the process by itself.
        let listen = |kind| tokio::signal::unix::signal(kind).expect("a process may listen for its signals");
        let mut terminate = listen(tokio::signal::unix::SignalKind::terminate());
        let mut interrupt = listen(tokio::signal::unix::SignalKind::interrupt());
        tokio::spawn(async move {
            let mut signal = async || {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            };
            tokio::select! {
                () = signal() => {}
                () = stop.cancelled() => {}
            }
            tracing::info!("stopping; what runs may end");
            stop.cancel();
            signal().await;
            tracing::warn!("a second signal: ending at once");
            std::process::exit(SECOND_SIGNAL);
        });
        if self.with_stdin {
            let stop = token.clone();
            // A thread of its own: a runtime that ends would wait for a read that never returns.
            std::thread::spawn(move || {
                let mut byte = [0];
                while std::io::stdin().read(&mut byte).is_ok_and(|read| read > 0) {}
                stop.cancel();
            });
        }
        token
    }
}

/// How a child process shall log and trace: as its parent does.
#[derive(Clone, Debug)]
pub(crate) struct Logging {
    pub(crate) log: String,
    pub(crate) format: String,
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) otlp_sample: f64,
}

impl Logging {
    /// The flags of it.
    pub(crate) fn flags(&self) -> Vec<OsString> {
        let sample = self.otlp_sample.to_string();
        let mut flags = vec!["--log", &self.log, "--log-format", &self.format, "--otlp-sample", &sample];
        if let Some(endpoint) = &self.otlp_endpoint {
            flags.extend(["--otlp-endpoint", endpoint]);
        }
        flags.into_iter().map(OsString::from).collect()
    }
}

/// What a role shows to others, as settings.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CredentialOptions {
    /// Secret that all roles of the cluster share, asked for beside certificates or, on loopback, in place of them. At
    /// least 16 characters.
    #[arg(long, env = "CONCLAVE_CLUSTER_TOKEN", hide_env_values = true)]
    cluster_token: Option<String>,
    #[command(flatten)]
    tls: TlsOptions,
}

impl CredentialOptions {
    /// What is wrong for a process of `role` that listens or calls at `addresses`.
    pub(crate) fn validate(&self, role: Role, addresses: Vec<(&'static str, String)>) -> Vec<String> {
        let token = ClusterToken::new(self.cluster_token.as_deref()).err();
        token.into_iter().chain(self.tls.validate(role, addresses)).collect()
    }

    /// The credentials of a process of `role`. Needs a runtime.
    ///
    /// - Errors: the certificates cannot be used.
    pub(crate) fn load(&self, role: Role) -> anyhow::Result<Credentials> {
        let token = ClusterToken::new(self.cluster_token.as_deref()).map_err(anyhow::Error::msg)?;
        Ok(Credentials { token, certificates: self.tls.load(role)? })
    }
}

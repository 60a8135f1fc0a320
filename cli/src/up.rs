//! `conclave up`: a whole cluster on this machine, one process for each role.
//!
//! Keeps true: what it starts it stops; a process that dies is started again; its children end when it does, even
//! if it is killed. Everything listens on loopback only.

use crate::announce::announce;
use crate::model::ModelOptions;
use crate::process::{Logging, Stop, check, private_folder, runtime};
use crate::progress;
use crate::reserve::Reserved;
use anyhow::{Context, bail};
use conclave_control_rpc::{ClusterStatus, CoordinatorClient, Credentials, NodeStatus};
use conclave_model::Unit;
use conclave_types::NodeId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the cluster is asked how far it is.
const ASK: Duration = Duration::from_millis(100);
/// How long a gateway's running answers may go on; less than [`STOP`].
const DRAIN: Duration = Duration::from_secs(10);
/// How long children may take to stop.
const STOP: Duration = Duration::from_secs(15);
/// A process that ends sooner than this after its start counts as one that cannot start.
const SHORT_LIFE: Duration = Duration::from_secs(5);
/// So many short lives in a row, before the cluster was ready once, end it.
const SHORT_LIVES_MAX: u32 = 3;

/// Settings of `conclave up`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UpOptions {
    #[command(flatten)]
    model: ModelOptions,
    /// Port of the API; 0: the system chooses.
    #[arg(long, env = "CONCLAVE_PORT", default_value_t = 8080)]
    port: u16,
    /// Expert nodes. Range: 1..=64.
    #[arg(long, env = "CONCLAVE_NODES", default_value_t = 3)]
    nodes: u32,
    /// Coordinators; an odd number is best. Range: 1..=9.
    #[arg(long, env = "CONCLAVE_COORDINATOR_COUNT", default_value_t = 3)]
    coordinators: u32,
    /// Gateways, on consecutive ports; each sends a request to the one that likely has its prefix. Range: 1..=16.
    #[arg(long, env = "CONCLAVE_GATEWAY_COUNT", default_value_t = 1)]
    gateways: u32,
    /// Homes of every expert; with 2 any one node may die unnoticed. Range: 1..=16.
    #[arg(long, env = "CONCLAVE_REPLICAS", default_value_t = 2)]
    replicas: u32,
    /// Folder for the coordinators' logs and the log files of all processes; default: a temporary one, removed at
    /// the end. With a folder of your own the cluster remembers its placement.
    #[arg(long, env = "CONCLAVE_DATA")]
    data: Option<PathBuf>,
    /// Pause before a process that ended is started again. Unit: milliseconds. Range: 0..=600000.
    #[arg(long, env = "CONCLAVE_RESTART_MS", default_value_t = 1_000)]
    restart_ms: u64,
    /// Keep the running processes in this JSON file: name to pid and role. Written anew whenever one starts or ends,
    /// removed at the end.
    #[arg(long, env = "CONCLAVE_PIDS_FILE")]
    pids_file: Option<PathBuf>,
}

/// One process to keep running.
struct Role {
    name: String,
    /// The subcommand.
    role: &'static str,
    args: Vec<OsString>,
    log: PathBuf,
}

fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more if the terminal is gone; the cluster goes on.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

pub(crate) fn run(options: UpOptions, logging: &Logging) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    let mut range = |key: &str, value: u64, min: u64, max: u64| {
        if !(min..=max).contains(&value) {
            problems.push(format!("{key} is {value}; it can be {min} to {max}"));
        }
    };
    range("nodes", options.nodes.into(), 1, 64);
    range("coordinators", options.coordinators.into(), 1, 9);
    range("gateways", options.gateways.into(), 1, 16);
    range("replicas", options.replicas.into(), 1, 16);
    range("restart_ms", options.restart_ms, 0, 600_000);
    check([problems, options.model.validate()])?;
    let apis = api_addresses(&options)?;

    let temporary = options.data.is_none();
    let data = match &options.data {
        Some(data) => data.clone(),
        None => std::env::temp_dir().join(format!("conclave-up-{}", std::process::id())),
    };
    std::fs::create_dir_all(&data).with_context(|| format!("data folder {}", data.display()))?;
    let result = prepare(&options, &data, apis, logging)
        .and_then(|cluster| runtime(1)?.block_on(cluster.run(Duration::from_millis(options.restart_ms))));
    if temporary && result.is_ok() {
        // Left behind, it would only take space.
        let _ = std::fs::remove_dir_all(&data);
    }
    result
}

/// The gateways' addresses: consecutive ports, or such as the system chooses.
fn api_addresses(options: &UpOptions) -> anyhow::Result<Vec<Reserved>> {
    let mut apis = Vec::new();
    for at in 0..options.gateways {
        let port = if options.port == 0 { 0 } else { u32::from(options.port) + at };
        let reserved = u16::try_from(port)
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::AddrNotAvailable))
            .and_then(Reserved::of);
        apis.push(reserved.with_context(|| {
            format!("cannot listen on 127.0.0.1:{port}; choose another --port or stop what uses it")
        })?);
    }
    Ok(apis)
}

/// The coordinators' addresses: those of the first start in this folder, because their log names them.
fn coordinator_addresses(
    count: u32,
    file: &Path,
    reserved: &mut Vec<Reserved>,
) -> anyhow::Result<Vec<SocketAddr>> {
    if let Ok(text) = std::fs::read_to_string(file) {
        let addresses: Result<Vec<SocketAddr>, _> = text.lines().map(str::parse).collect();
        let addresses = addresses.with_context(|| format!("{} is damaged", file.display()))?;
        if addresses.len() != count as usize {
            bail!(
                "this data folder belongs to {} coordinators; start with --coordinators {0}, or in another --data folder",
                addresses.len()
            );
        }
        // Where somebody listens the coordinator says so, and tries again.
        reserved.extend(addresses.iter().filter_map(|address| Reserved::of(address.port()).ok()));
        return Ok(addresses);
    }
    let chosen: Vec<Reserved> = (0..count).map(|_| Reserved::of(0)).collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = chosen.iter().map(Reserved::address).collect();
    reserved.extend(chosen);
    let lines: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    std::fs::write(file, lines).with_context(|| format!("writing {}", file.display()))?;
    Ok(addresses)
}

struct Cluster {
    model: String,
    /// The gateways.
    apis: Vec<SocketAddr>,
    /// Theirs and the coordinators' addresses, as long as the cluster runs.
    _reserved: Vec<Reserved>,
    roles: Vec<Role>,
    coordinators: Vec<String>,
    data: PathBuf,
    /// Folder of the nodes' sockets.
    sockets: PathBuf,
    pids: Arc<Pids>,
}

/// What runs now, for programs that watch or hurt the cluster: `conclave load-test --up-pids`.
struct Pids {
    /// `None`: nobody asked for it.
    file: Option<PathBuf>,
    running: Mutex<BTreeMap<String, Value>>,
}

impl Pids {
    /// Notes that `role` runs as `pid`, or with `None` that it does not.
    fn note(&self, role: &Role, pid: Option<u32>) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut running = self.running.lock().expect("no one panics with this lock");
        match pid {
            Some(pid) => running.insert(role.name.clone(), json!({"pid": pid, "role": role.role})),
            None => running.remove(&role.name),
        };
        // Renamed into place, so that a reader sees the old file or the new one.
        let fresh = file.with_extension("tmp");
        let written = std::fs::write(&fresh, format!("{:#}\n", json!(*running)));
        written
            .and_then(|()| std::fs::rename(&fresh, file))
            .with_context(|| format!("pids file {}", file.display()))
    }

    fn remove(&self) {
        if let Some(file) = &self.file {
            // Left behind, it would name processes that are gone.
            let _ = std::fs::remove_file(file);
        }
    }
}

fn prepare(
    options: &UpOptions,
    data: &Path,
    mut reserved: Vec<Reserved>,
    logging: &Logging,
) -> anyhow::Result<Cluster> {
    let folder = options.model.open()?;
    // Hashed once, here; every process verifies what it loads against it.
    let manifest_file = data.join("manifest.json");
    options.model.manifest(&folder)?.write(&manifest_file)?;
    let apis: Vec<SocketAddr> = reserved.iter().map(Reserved::address).collect();
    let addresses = coordinator_addresses(options.coordinators, &data.join("coordinators"), &mut reserved)?;
    let coordinators: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    let peers = (1..).zip(&coordinators).map(|(id, at)| format!("{id}={at}")).collect::<Vec<_>>().join(",");
    let common = |role: &str| -> Vec<OsString> {
        let mut args = logging.flags();
        args.extend(["--stop-with-stdin".into(), role.into()]);
        args
    };
    let mut roles = Vec::new();
    for (id, address) in (1..).zip(&addresses) {
        let name = format!("coordinator-{id}");
        let mut args = common("coordinator");
        let flags = [
            ("--id", id.to_string()),
            ("--peers", peers.clone()),
            ("--listen", address.to_string()),
            ("--replicas", options.replicas.to_string()),
            ("--nodes-min", options.nodes.to_string()),
        ];
        args.extend(flags.into_iter().flat_map(|(flag, value)| [flag.into(), value.into()]));
        args.extend(["--data".into(), data.join(&name).into()]);
        roles.push(Role { log: data.join(format!("{name}.log")), name, role: "coordinator", args });
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Processes of a kind seldom have equally much to do: half of the cores are left to who still has.
    let threads = |processes: u32| {
        let share = (2 * cores).div_ceil(processes.max(1) as usize).min(cores);
        options.model.threads().unwrap_or(share).max(1)
    };
    let shared = options.model.cores_shared();
    let model = options.model.flags(&folder, &manifest_file);
    // Not in the data folder: its path may be longer than a socket's can be.
    let sockets = private_folder().context("a folder for the nodes' sockets")?;
    for id in 1..=options.nodes {
        let name = format!("node-{id}");
        let mut args = common("expert-node");
        let flags = [
            ("--name", name.clone()),
            ("--coordinators", coordinators.join(",")),
            // While the nodes compute, the gateway waits.
            ("--threads", threads(options.nodes).to_string()),
            (
                "--cores",
                shared.dealt(options.nodes as usize, id as usize - 1, threads(options.nodes)).to_string(),
            ),
            ("--socket-dir", sockets.display().to_string()),
        ];
        args.extend(flags.into_iter().flat_map(|(flag, value)| [flag.into(), value.into()]));
        args.extend(model.iter().cloned());
        roles.push(Role { log: data.join(format!("{name}.log")), name, role: "expert-node", args });
    }
    let urls: Vec<String> = apis.iter().map(|api| format!("http://{api}")).collect();
    for (id, (api, url)) in (1..).zip(apis.iter().zip(&urls)) {
        let name = if apis.len() == 1 { "gateway".to_owned() } else { format!("gateway-{id}") };
        let mut args = common("gateway");
        let mut flags = vec![
            ("--port", api.port().to_string()),
            ("--coordinators", coordinators.join(",")),
            ("--threads", threads(options.gateways).to_string()),
            ("--cores", shared.to_string()),
            // While rows are away their experts are computed on these same cores, and each part would read the weights anew.
            ("--overlap", "off".to_owned()),
            ("--drain-timeout-s", DRAIN.as_secs().to_string()),
            ("--socket-dir", sockets.display().to_string()),
        ];
        if apis.len() > 1 {
            flags.extend([("--gateways", urls.join(",")), ("--gateway-url", url.clone())]);
        }
        args.extend(flags.into_iter().flat_map(|(flag, value)| [flag.into(), value.into()]));
        args.extend(model.iter().cloned());
        roles.push(Role { log: data.join(format!("{name}.log")), name, role: "gateway", args });
    }
    let pids = Arc::new(Pids { file: options.pids_file.clone(), running: Mutex::default() });
    Ok(Cluster {
        model: folder.name(),
        apis,
        _reserved: reserved,
        roles,
        coordinators,
        data: data.to_owned(),
        sockets,
        pids,
    })
}

impl Cluster {
    async fn run(self, restart: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        let stop = Stop { with_stdin: false }.token();
        let (model, gateways) = (&self.model, self.apis.len());
        let nodes = self.roles.len() - self.coordinators.len() - gateways;
        say(format!(
            "Starting {model} on {} coordinators, {nodes} expert nodes and {gateways} gateway{}",
            self.coordinators.len(),
            if gateways == 1 { "" } else { "s" },
        ));
        say(format!("  logs and data in {}", self.data.display()));
        // Gateways stop first: what they still answer needs the nodes.
        let (front, rest) = (TaskTracker::new(), TaskTracker::new());
        let stop_rest = CancellationToken::new();
        let ready = CancellationToken::new();
        let (failed, mut failures) = tokio::sync::mpsc::channel(1);
        for role in self.roles {
            let (tracker, stop) = match role.role {
                "gateway" => (&front, stop.clone()),
                _ => (&rest, stop_rest.clone()),
            };
            let (ready, failed, pids) = (ready.clone(), failed.clone(), self.pids.clone());
            tracker.spawn(async move {
                if let Err(error) = keep_running(&role, restart, &stop, &ready, &pids).await {
                    // One reason is enough.
                    let _ = failed.try_send(error);
                }
            });
        }
        front.close();
        rest.close();
        let result = tokio::select! {
            result = until_ready(&self.apis, &self.coordinators) => result,
            () = stop.cancelled() => Ok(()),
            Some(error) = failures.recv() => Err(error),
        };
        if result.is_ok() && !stop.is_cancelled() {
            ready.cancel();
            say(format!("Ready after {:.1} s.", started.elapsed().as_secs_f64()));
            announce(&self.model, "http", self.apis[0]);
            if gateways > 1 {
                let urls: Vec<String> = self.apis.iter().map(|api| format!("http://{api}/v1")).collect();
                say(format!("  any gateway will do: {}\n", urls.join(" ")));
            }
            say(format!("  conclave status --coordinators {}\n", self.coordinators.join(",")));
            stop.cancelled().await;
        }
        stop.cancel();
        say("Stopping");
        front.wait().await;
        stop_rest.cancel();
        rest.wait().await;
        self.pids.remove();
        // A killed node left its own behind.
        let _ = std::fs::remove_dir_all(&self.sockets);
        result
    }
}

/// Follows the placement until every gateway says that it is ready, telling what is waited for.
async fn until_ready(apis: &[SocketAddr], coordinators: &[String]) -> anyhow::Result<()> {
    let client = CoordinatorClient::new(coordinators.to_vec(), Credentials::default());
    let mut told = String::new();
    let progress = progress::shown();
    // While nodes load: the piece of work, and how many experts of it were told of.
    let mut loading = None;
    loop {
        let status = client.status().await;
        match status.as_ref().ok().and_then(experts_loaded) {
            Some((held, wanted)) => {
                let begin = || (progress.begin("the nodes load experts", wanted, Unit::Experts), 0);
                let (_, told) = loading.get_or_insert_with(begin);
                progress.done(held.saturating_sub(*told));
                *told = held.max(*told);
            }
            None => loading = None,
        }
        let waiting = match status {
            Ok(status) if !status.waiting.is_empty() => status.waiting,
            Ok(status) if status.state.epoch.0 > 0 => "the gateway".to_owned(),
            Ok(_) | Err(_) => "a leader among the coordinators".to_owned(),
        };
        if waiting != told {
            say(format!("  waiting for {waiting}"));
            told = waiting;
        }
        let urls: Vec<String> = apis.iter().map(|api| format!("http://{api}/ready")).collect();
        let answer = tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(1))).build();
            let agent = ureq::Agent::from(agent);
            urls.iter().all(|url| agent.get(url).call().is_ok())
        });
        if answer.await? {
            return Ok(());
        }
        tokio::time::sleep(ASK).await;
    }
}

/// While nodes load what a placement wants of them: how many experts they have, each counted at every home, and how many they
/// shall have.
fn experts_loaded(status: &ClusterStatus) -> Option<(u64, u64)> {
    status.state.target.as_ref()?;
    let of_node = |node: &NodeStatus| {
        let wanted = status.state.wanted_at(NodeId(node.node)).len() as u64;
        (node.experts.min(wanted), wanted)
    };
    let sums = status.nodes.iter().map(of_node).fold((0, 0), |sum, node| (sum.0 + node.0, sum.1 + node.1));
    Some(sums).filter(|(_, wanted)| *wanted > 0)
}

/// Starts the role's process, and starts it again whenever it ends.
async fn keep_running(
    role: &Role,
    restart: Duration,
    stop: &CancellationToken,
    ready: &CancellationToken,
    pids: &Pids,
) -> anyhow::Result<()> {
    let mut short_lives = 0;
    loop {
        let started = Instant::now();
        let mut child = start(role)?;
        // Waiting for a child closes an input that it still owns, and that would stop it.
        let input = child.stdin.take();
        pids.note(role, child.id())?;
        say(format!("  {:<16} pid {}", role.name, child.id().unwrap_or_default()));
        let status = tokio::select! {
            status = child.wait() => status?,
            () = stop.cancelled() => return end(&mut child, input, &role.name).await,
        };
        pids.note(role, None)?;
        if stop.is_cancelled() {
            return Ok(());
        }
        short_lives = if started.elapsed() < SHORT_LIFE { short_lives + 1 } else { 0 };
        if short_lives >= SHORT_LIVES_MAX && !ready.is_cancelled() {
            let log = std::fs::read_to_string(&role.log).unwrap_or_default();
            let last = log.lines().last().unwrap_or("it wrote no log").to_owned();
            bail!("{} cannot start ({status}): {last}\nits log is {}", role.name, role.log.display());
        }
        // Longer pauses for a process that does not live.
        let pause = restart * 2_u32.pow(short_lives.saturating_sub(1).min(5));
        say(format!("  {} ended ({status}); starting it again in {:.1} s", role.name, pause.as_secs_f64()));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

fn start(role: &Role) -> anyhow::Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(&role.log);
    let log = log.with_context(|| format!("log file {}", role.log.display()))?;
    Command::new(std::env::current_exe()?)
        .args(&role.args)
        // Settings meant for `up` must not reach its children.
        .env_clear()
        .envs(std::env::vars_os().filter(|(key, _)| !key.to_string_lossy().starts_with("CONCLAVE_")))
        // Its end tells the child to stop. Ctrl-C must not: it would reach all children at once.
        .stdin(Stdio::piped())
        .process_group(0)
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", role.name))
}

/// Asks the child to stop, and kills it if it does not.
async fn end(child: &mut Child, input: Option<ChildStdin>, name: &str) -> anyhow::Result<()> {
    drop(input);
    if tokio::time::timeout(STOP, child.wait()).await.is_err() {
        say(format!("  {name} does not stop; killing it"));
        child.kill().await?;
    }
    Ok(())
}

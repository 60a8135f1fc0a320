//! A cluster whose roles show certificates, and strangers who try to take part: real processes, real sockets.

mod common;

use common::{Api, free_address, story};
use conclave_control_rpc::{ControlError, CoordinatorClient};
use conclave_transport::{Certificates, Credentials, Identity, Role};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long certificates last.
const DAYS: u32 = 90;

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn conclave(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.args(args);
    command
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stdout_of(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn stderr_of(output: Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// For how many days more, rounded, the certificate for `purpose` is good, by what a gateway's `metrics` say.
fn days_left(metrics: &str, purpose: &str) -> Option<u32> {
    let name = format!("conclave_certificate_end_timestamp_seconds{{use=\"{purpose}\"}} ");
    let end: f64 = metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    Some(((end - now) / 86_400.0).round() as u32)
}

/// A process that is killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An authority that `conclave ca init` made.
struct Authority(PathBuf);

impl Authority {
    fn new(dir: &Path) -> Self {
        stdout_of(conclave(&["ca", "init", "--dir", dir.to_str().unwrap()]).output().unwrap());
        Self(dir.to_owned())
    }

    /// A folder with a certificate.
    fn issue(&self, role: &str, name: &str) -> PathBuf {
        let out = self.0.join(format!("{role}-{name}"));
        self.issue_to(&out, role, name);
        out
    }

    fn issue_to(&self, out: &Path, role: &str, name: &str) {
        self.issue_for(DAYS, out, role, name);
    }

    /// For so many days.
    fn issue_for(&self, days: u32, out: &Path, role: &str, name: &str) {
        let dirs = ["--dir", self.0.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let mut issue =
            conclave(&["ca", "issue", "--role", role, "--name", name, "--days", &days.to_string()]);
        stdout_of(issue.args(dirs).output().unwrap());
    }
}

/// A coordinator, a node and a gateway, each with its certificate.
struct Cluster {
    coordinator: String,
    node: String,
    api: Api,
    folders: Vec<(PathBuf, &'static str, &'static str)>,
    _processes: Vec<Process>,
    _data: tempfile::TempDir,
}

impl Cluster {
    fn start(authority: &Authority) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (coordinator, node) = (free_address(), free_address());
        let folders: Vec<_> = [("coordinator", "c1"), ("expert-node", "n"), ("gateway", "g")]
            .map(|(role, name)| (authority.issue(role, name), role, name))
            .into();
        let with = |at: usize, args: &[&str]| {
            let mut command = conclave(&["--log", "warn"]);
            command.args(args).arg("--tls-dir").arg(&folders[at].0).stdout(Stdio::piped());
            Process(command.spawn().unwrap())
        };
        let peers = format!("1={coordinator}");
        let log = data.path().to_str().unwrap();
        let mut processes = vec![
            with(
                0,
                &["coordinator", "--id", "1", "--peers", &peers, "--listen", &coordinator, "--data", log],
            ),
            with(1, &["expert-node", "--name", "n", "--listen", &node, "--coordinators", &coordinator]),
            with(2, &["gateway", "--port", "0", "--coordinators", &coordinator]),
        ];
        let api = Api::announced(&mut processes[2].0);
        wait_until("the gateway is ready", || api.get("/ready").0 == 200);
        Self { coordinator, node, api, folders, _processes: processes, _data: data }
    }

    /// `conclave status` with the certificate in `folder`, or none.
    fn status(&self, folder: Option<&Path>) -> Output {
        let mut command = conclave(&["status", "--json", "--coordinators", &self.coordinator]);
        folder.iter().for_each(|folder| {
            command.arg("--tls-dir").arg(folder);
        });
        command.output().unwrap()
    }

    fn nodes(&self, operator: &Path) -> usize {
        let status: Value = serde_json::from_str(&stdout_of(self.status(Some(operator)))).unwrap();
        status["nodes"].as_array().unwrap().len()
    }
}

/// What a certificate made by hand shall be.
struct Forged<'a> {
    /// Folder of the authority whose key signs.
    signer: &'a Path,
    identity: &'a Identity,
    /// Years before and after now between which it is valid.
    years: (i32, i32),
}

/// A TLS connection as whoever `forged` names; the other end is trusted by the authority in `trusts`.
fn knock(address: &str, trusts: &Path, forged: Option<&Forged<'_>>) -> std::io::Result<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusts.join("ca.crt")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let config = match forged {
        None => config.with_no_client_auth(),
        Some(Forged { signer, identity, years }) => {
            let signer = KeyPair::from_pem(&std::fs::read_to_string(signer.join("ca.key")).unwrap()).unwrap();
            let mut name = CertificateParams::default();
            name.distinguished_name = rcgen::DistinguishedName::new();
            let id: String =
                name.key_identifier(&signer).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            name.distinguished_name.push(DnType::CommonName, format!("Conclave cluster authority {id}"));
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![SanType::URI(identity.uri().try_into().unwrap())];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.use_authority_key_identifier_extension = true;
            let year = 1970 + (std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 31_556_952) as i32;
            params.not_before = rcgen::date_time_ymd(year + years.0, 1, 1);
            params.not_after = rcgen::date_time_ymd(year + years.1, 1, 1);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &Issuer::new(name, signer)).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
            config.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
        }
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut stream = StreamOwned::new(connection, socket);
    // HTTP/2's beginning with empty settings: whoever is let in gets settings back.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")?;
    stream.flush()?;
    let mut answer = vec![0; 9];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_cluster_with_certificates_answers_and_strangers_stay_outside() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"));
    let theirs = Authority::new(&folder.path().join("theirs"));
    let cluster = Cluster::start(&ours);
    let operator = ours.issue("operator", "me");
    let request = story("a dog", 1, 0.0);
    let text = cluster.api.text(&request);
    assert!(!text.is_empty());
    assert_eq!(cluster.nodes(&operator), 1);

    // No certificate: neither in plain text nor with TLS.
    let said = stderr_of(cluster.status(None));
    assert!(said.contains("no coordinator of"), "{said}");
    let right = Identity::new(Role::Gateway, "g").unwrap();
    for address in [&cluster.coordinator, &cluster.node] {
        let good = Forged { signer: &ours.0, identity: &right, years: (-1, 2) };
        let settings = knock(address, &ours.0, Some(&good)).expect("who has a certificate is let in");
        assert_eq!(settings[3], 4, "an HTTP/2 settings frame: {settings:?}");
        let refused = |why: &str, forged: Option<&Forged<'_>>| {
            let error = knock(address, &ours.0, forged).expect_err(why).to_string();
            assert!(error.contains("alert"), "{why}: {error}");
        };
        refused("no certificate", None);
        refused("another authority's", Some(&Forged { signer: &theirs.0, ..good }));
        refused("an expired one", Some(&Forged { years: (-2, 0), ..good }));
        refused("one that is not valid yet", Some(&Forged { years: (1, 2), ..good }));
    }
    // An authority that the caller does not know: it says nothing to such a server.
    let said = stderr_of(cluster.status(Some(&theirs.issue("operator", "me"))));
    assert!(said.contains("UnknownIssuer") || said.contains("unknown issuer"), "{said}");

    // The right authority and the wrong role.
    let said = stderr_of(cluster.status(Some(&cluster.folders[2].0)));
    assert!(said.contains("gateway `g`, but this process runs as operator"), "{said}");
    let refused = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let certificates = Some(Certificates::load(&cluster.folders[2].0, Role::Gateway).unwrap());
        let credentials = Credentials { certificates, ..Credentials::default() };
        let client = CoordinatorClient::new(vec![cluster.coordinator.clone()], credentials);
        [client.status().await.unwrap_err(), client.history(1).await.unwrap_err()]
    });
    for refused in refused {
        let typed =
            matches!(&refused, ControlError::Refused(why) if why.contains("gateway `g` may not call"));
        assert!(typed, "{refused:?}");
    }
    let said = stderr_of(
        conclave(&["--log", "off", "expert-node", "--name", "other", "--coordinators", &cluster.coordinator])
            .arg("--tls-dir")
            .arg(&cluster.folders[1].0)
            .output()
            .unwrap(),
    );
    assert!(said.contains("not that of expert-node `other`"), "{said}");

    assert_eq!(cluster.nodes(&operator), 1);
    assert_eq!(cluster.api.text(&request), text, "nobody else noticed");
}

#[test]
fn new_certificates_of_a_new_authority_are_taken_over_while_the_cluster_answers() {
    let folder = tempfile::tempdir().unwrap();
    let old = Authority::new(&folder.path().join("old"));
    let new = Authority::new(&folder.path().join("new"));
    let cluster = Cluster::start(&old);
    let old_operator = old.issue("operator", "me");
    let new_operator = new.issue("operator", "me");
    let request = story("a dog", 1, 0.0);
    let text = cluster.api.text(&request);
    let days_left = || days_left(&cluster.api.get("/metrics").1, "cluster");
    wait_until("the metric tells when the certificate ends", || days_left() == Some(DAYS));

    // Both authorities, then certificates of the new one, then the new one alone.
    let ca = |authority: &Authority| std::fs::read_to_string(authority.0.join("ca.crt")).unwrap();
    let both = ca(&old) + &ca(&new);
    let trust = |text: &str| {
        for (folder, _, _) in &cluster.folders {
            std::fs::write(folder.join("ca.crt"), text).unwrap();
        }
    };
    trust(&both);
    std::fs::write(new_operator.join("ca.crt"), &both).unwrap();
    wait_until("the new authority counts", || cluster.status(Some(&new_operator)).status.success());
    for (folder, role, name) in &cluster.folders {
        new.issue_for(DAYS / 3, folder, role, name);
        std::fs::write(folder.join("ca.crt"), &both).unwrap();
    }
    std::fs::write(new_operator.join("ca.crt"), ca(&new)).unwrap();
    wait_until("the new certificates are shown", || cluster.status(Some(&new_operator)).status.success());
    assert_eq!(cluster.api.text(&request), text);
    wait_until("the metric tells when the new one ends", || days_left() == Some(DAYS / 3));
    trust(&ca(&new));
    std::fs::write(old_operator.join("ca.crt"), &both).unwrap();
    wait_until("the old authority no longer counts", || {
        !cluster.status(Some(&old_operator)).status.success()
    });

    // Half a file is no certificate: the one before stays in use.
    let (gateway, ..) = &cluster.folders[2];
    std::fs::write(gateway.join("tls.crt"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(cluster.api.text(&request), text);
    assert_eq!(cluster.nodes(&new_operator), 1);
}

#[test]
fn off_loopback_nothing_starts_without_certificates_and_says_what_makes_them() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let with_token = |args: &[&str]| {
        stderr_of(conclave(args).env("CONCLAVE_CLUSTER_TOKEN", "correct-horse-battery").output().unwrap())
    };
    let cases: [(&[&str], &str, &str); 4] = [
        (
            &[
                "coordinator",
                "--id",
                "1",
                "--peers",
                "1=127.0.0.1:1",
                "--listen",
                "0.0.0.0:0",
                "--data",
                data,
            ],
            "listen is 0.0.0.0:0",
            "--role coordinator",
        ),
        (
            &["expert-node", "--name", "n", "--coordinators", "10.0.0.1:7001"],
            "coordinators is 10.0.0.1:7001",
            "--role expert-node",
        ),
        (&["gateway", "--coordinators", "a:7001"], "coordinators is a:7001", "--role gateway"),
        (&["status", "--coordinators", "a:7001"], "coordinators is a:7001", "--role operator"),
    ];
    for (args, what, role) in cases {
        let said = with_token(args);
        for part in [what, "not loopback", "conclave ca init", "conclave ca issue", role] {
            assert!(said.contains(part), "{args:?}: {part}: {said}");
        }
    }
}

#[test]
fn keys_are_their_owners_and_an_authority_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&folder.path().join("ca"));
    let made = authority.issue("expert-node", "node-1");
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(authority.0.join("ca.key")), 0o600);
    assert_eq!(mode(made.join("tls.key")), 0o600);
    assert_eq!(mode(made), 0o700);
    let dir = authority.0.to_str().unwrap();
    assert!(
        stderr_of(conclave(&["ca", "init", "--dir", dir]).output().unwrap())
            .contains("has an authority already")
    );
    let issue =
        |args: &[&str]| stderr_of(conclave(&["ca", "issue", "--dir", dir]).args(args).output().unwrap());
    assert!(issue(&["--role", "king", "--name", "a"]).contains("is no role"));
    assert!(issue(&["--role", "gateway", "--name", "../a"]).contains("the name is"));
    assert!(issue(&["--role", "gateway", "--name", "a", "--host", "a:1"]).contains("without a port"));
    assert!(issue(&["--role", "operator", "--name", "a", "--host", "b"]).contains("listens nowhere"));
}

#[test]
fn what_is_missing_is_made_and_what_is_good_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    let ensure = |args: &[&str]| {
        let mut command = conclave(&["ca", "ensure", "--dir", dir.to_str().unwrap()]);
        stdout_of(command.args(args).output().unwrap())
    };
    let all = ["coordinator/c1=c1.example,10.0.0.7", "expert-node/n", "operator/me"];
    assert_eq!(ensure(&all).matches("made ").count(), 4);
    let text = |path: &str| std::fs::read_to_string(dir.join(path)).unwrap();
    let before = text("expert-node-n/tls.crt");
    assert_eq!(ensure(&all).matches("kept ").count(), 3);
    assert_eq!(text("expert-node-n/tls.crt"), before);
    // Other names, files that are gone or broken, and an end that is near.
    assert!(ensure(&["coordinator/c1=c2.example"]).contains("made a certificate of coordinator `c1`"));
    std::fs::remove_file(dir.join("operator-me/tls.key")).unwrap();
    std::fs::write(dir.join("expert-node-n/tls.crt"), "nothing").unwrap();
    assert_eq!(ensure(&all).matches("made ").count(), 3);
    assert!(ensure(&["--days", "1", "expert-node/short"]).contains("made "));
    assert!(ensure(&["--days", "1", "expert-node/short"]).contains("kept "));
    assert!(ensure(&["--days", "9", "expert-node/short"]).contains("made "));
    // The key alone is enough, and what follows from it is the same authority.
    let (only, other) = (folder.path().join("only"), folder.path().join("other"));
    std::fs::create_dir(&only).unwrap();
    std::fs::copy(dir.join("ca.key"), only.join("ca.key")).unwrap();
    let mut command = conclave(&["ca", "ensure", "--dir", only.to_str().unwrap(), "--out"]);
    stdout_of(command.arg(&other).arg("gateway/g").output().unwrap());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        std::fs::write(other.join("gateway-g/ca.crt"), text("ca.crt")).unwrap();
        Certificates::load(&other.join("gateway-g"), Role::Gateway)
            .expect("the same authority vouches for it");
    });
    let said =
        stderr_of(conclave(&["ca", "ensure", "--dir", dir.to_str().unwrap(), "king/a"]).output().unwrap());
    assert!(said.contains("is no role"), "{said}");
}

/// One request over TLS to the API at `address`, by a client that trusts `authority` and shows nothing.
fn get(address: &str, authority: &Authority, path: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.0.join("ca.crt")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    // The server may end the connection without TLS's own goodbye.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn gateways_find_each_other_with_certificates_on_the_port_where_clients_need_none() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"));
    let public = Authority::new(&folder.path().join("public"));
    let shown = public.issue("gateway", "api");
    let addresses = [free_address(), free_address()];
    let urls = addresses.each_ref().map(|address| format!("https://{address}"));
    let _gateways = [0, 1].map(|at| {
        let (_, port) = addresses[at].rsplit_once(':').unwrap();
        let mut command =
            conclave(&["--log", "warn", "serve", "--port", port, "--gateways", &urls.join(",")]);
        command.args(["--gateway-url", &urls[at]]).arg("--api-tls-dir").arg(&shown);
        command.arg("--tls-dir").arg(ours.issue("gateway", &format!("g{at}"))).stdout(Stdio::null());
        Process(command.spawn().unwrap())
    });
    for address in &addresses {
        wait_until("the other gateway is known as ready", || {
            get(address, &public, "/metrics")
                .is_ok_and(|text| text.contains("\nconclave_peer_gateways_ready 1"))
        });
    }
    wait_until("the metric tells when the API's certificate ends", || {
        days_left(&get(&addresses[0], &public, "/metrics").unwrap(), "api") == Some(DAYS)
    });
    // Clients know the public authority, not the cluster's; plain HTTP gets no answer.
    assert!(
        get(&addresses[0], &ours, "/health").is_err_and(|error| error.to_string().contains("UnknownIssuer"))
    );
    let mut plain = TcpStream::connect(&addresses[0]).unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn gateways_find_each_other_with_certificates_on_a_port_of_plain_http() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"));
    let addresses = [free_address(), free_address()];
    let urls = addresses.each_ref().map(|address| format!("https://{address}"));
    let _gateways = [0, 1].map(|at| {
        let (_, port) = addresses[at].rsplit_once(':').unwrap();
        let mut command =
            conclave(&["--log", "warn", "serve", "--port", port, "--gateways", &urls.join(",")]);
        command.args(["--gateway-url", &urls[at]]);
        command.arg("--tls-dir").arg(ours.issue("gateway", &format!("g{at}"))).stdout(Stdio::null());
        Process(command.spawn().unwrap())
    });
    for address in &addresses {
        let api = Api { address: address.clone() };
        wait_until("clients get plain HTTP, and the other gateway is known as ready", || {
            TcpStream::connect(address).is_ok()
                && api.get("/metrics").1.contains("\nconclave_peer_gateways_ready 1")
        });
    }
    // A client's TLS has nothing to talk to here.
    assert!(get(&addresses[0], &ours, "/health").is_err());
}

#[test]
fn clients_of_an_api_over_https_trust_whom_they_are_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let public = Authority::new(&folder.path().join("public"));
    let other = Authority::new(&folder.path().join("other"));
    // Its certificate is for 127.0.0.1 and localhost.
    let shown = public.issue("gateway", "api");
    let start = |host: &str| {
        let mut command =
            conclave(&["--log", "warn", "serve", "--port", "0", "--host", host, "--api-tls-dir"]);
        let mut child = Process(command.arg(&shown).stdout(Stdio::piped()).spawn().unwrap());
        let api = Api::announced(&mut child.0);
        (format!("https://{}", api.address), child)
    };
    let (url, _server) = start("127.0.0.1");
    let test = |url: &str, trust: &[&str]| {
        let shape = ["--users", "2", "--requests", "4", "--prompt-tokens", "16", "--max-tokens", "4"];
        conclave(&["load-test", "--url", url]).args(shape).args(trust).output().unwrap()
    };
    let chat = |url: &str, trust: &[&str]| {
        conclave(&["chat", "--url", url, "Tell me a story."]).args(trust).output().unwrap()
    };
    let (ca, strange) = (public.0.join("ca.crt"), other.0.join("ca.crt"));
    // A machine whose own list has the authority needs nothing told.
    let machine = |command: &str, more: &[&str]| {
        conclave(&[command, "--url", &url]).args(more).env("SSL_CERT_FILE", &ca).output().unwrap()
    };
    let asked = machine("load-test", &["--users", "1", "--requests", "1", "--prompt-tokens", "8"]);
    assert!(stdout_of(asked).contains("1 ok, 0 failed"));
    assert!(stdout_of(machine("chat", &["Tell me a story."])).trim().len() > 20);
    let (ca, strange) = (["--ca", ca.to_str().unwrap()], ["--ca", strange.to_str().unwrap()]);
    let report = stdout_of(test(&url, &ca));
    assert!(report.contains("4 ok, 0 failed"), "{report}");
    assert!(stdout_of(chat(&url, &ca)).trim().len() > 20);

    // The machine's authorities do not know it, and another one's certificate is not its own.
    for trust in [&[][..], &strange[..]] {
        for output in [test(&url, trust), chat(&url, trust)] {
            let said = stderr_of(output);
            assert!(said.contains("UnknownIssuer") && said.contains("--ca FILE"), "{said}");
        }
    }
    let (elsewhere, _server) = start("127.0.0.2");
    for output in [test(&elsewhere, &ca), chat(&elsewhere, &ca)] {
        let said = stderr_of(output);
        assert!(
            said.contains("127.0.0.2") && said.contains("use the host name that its certificate is for"),
            "{said}"
        );
    }
    let missing = ["--ca", "no/such/file"];
    for output in [test(&url, &missing), chat(&url, &missing)] {
        assert!(stderr_of(output).contains("--ca names a file with certificates"));
    }
}

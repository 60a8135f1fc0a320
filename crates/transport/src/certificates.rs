//! A role's certificate, its key, and the authority it trusts: read, checked, and read again when the files change.
//!
//! Keeps true: what is in use was valid under its own authority when it was read; files that cannot be used never take
//! the place of ones that can; connections that are open go on with what they began with. Keys are in no log and no
//! `Debug`.

use crate::{Identity, Role};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use webpki::{EndEntityCert, KeyUsage};

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(2);
/// How long before its end a certificate is complained about.
const SOON: Duration = Duration::from_secs(3 * 24 * 3600);
/// How often.
const COMPLAIN: Duration = Duration::from_secs(6 * 3600);

/// How gateways ask for each other on a port that clients use too: a protocol's name, of which no client knows.
pub(crate) const PEER: &[u8] = b"conclave-gateway/1";

/// The files in the folder, named as cert-manager and Kubernetes name them.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const AUTHORITY: &str = "ca.crt";

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {error}; `conclave ca issue` makes a folder with tls.crt, tls.key and ca.crt", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {what}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// The file of authorities that a client trusts cannot be used.
    #[error("{}: {why}; --ca names a file with certificates (PEM), such as the ca.crt of `conclave ca init`", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("tls.crt and tls.key in {} cannot be used together: {why}", folder.display())]
    Pair {
        /// Their folder.
        folder: PathBuf,
        /// Why.
        why: String,
    },
    /// The authority beside it does not vouch for the certificate, or no longer.
    #[error("tls.crt in {} is not valid under ca.crt there: {why}; issue a new one with `conclave ca issue`", folder.display())]
    Invalid {
        /// Their folder.
        folder: PathBuf,
        /// Why.
        why: String,
    },
    /// The certificate names no role or another one.
    #[error(
        "tls.crt in {} is {is}, but this process runs as {want}; issue one with `conclave ca issue --role {want} --name NAME`",
        folder.display()
    )]
    Role {
        /// Its folder.
        folder: PathBuf,
        /// Whom it names.
        is: String,
        /// Whom it should.
        want: Role,
    },
}

/// Where a role's certificate is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TlsOptions {
    /// Folder with this role's certificate (tls.crt), its key (tls.key) and the cluster's authority (ca.crt), as
    /// `conclave ca issue` makes it; needed off loopback. Read again when the files change.
    #[arg(long, env = "CONCLAVE_TLS_DIR")]
    pub tls_dir: Option<PathBuf>,
}

/// Whether `host` (a name or an address, with or without port) can only be this machine.
pub fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl TlsOptions {
    /// Every problem of a process of `role` that listens or calls at these addresses, each with the key that set it.
    pub fn validate<'a>(
        &self,
        role: Role,
        addresses: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Vec<String> {
        if self.tls_dir.is_some() {
            return Vec::new();
        }
        let off = addresses.into_iter().filter(|(_, address)| !is_loopback(address));
        off.map(|(key, address)| {
            format!(
                "{key} is {address}, which is not loopback, and there are no certificates; make them with `conclave ca \
                 init --dir D` and `conclave ca issue --dir D --role {role} --name NAME --host HOST`, and set tls_dir to \
                 D/{role}-NAME"
            )
        })
        .collect()
    }

    /// The certificates, if there are any, of a process of `role`. Needs a runtime, on which they are kept fresh.
    ///
    /// - Errors: they cannot be used, or name another role.
    pub fn load(&self, role: Role) -> Result<Option<Certificates>, TlsError> {
        self.tls_dir.as_deref().map(|folder| Certificates::load(folder, role)).transpose()
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The identity that a certificate names.
pub(crate) fn identity(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let mut named = certificate.valid_uri_names().filter_map(Identity::of_uri);
    let identity = named.next()?;
    // Two would let the reader choose.
    named.next().is_none().then_some(identity)
}

/// Whom the certificate names that the other end of `stream` has shown.
pub fn proved(stream: &TlsStream<TcpStream>) -> Option<Identity> {
    identity(stream.get_ref().1.peer_certificates()?.first()?)
}

/// Whether who begins a connection to the API's port is another gateway.
pub fn asks_as_peer(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == PEER))
}

/// The files as they were read.
#[derive(PartialEq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
}

impl Files {
    fn read(folder: &Path) -> Result<Self, TlsError> {
        let read = |name| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| TlsError::Read { path, error })
        };
        Ok(Self { certificate: read(CERTIFICATE)?, key: read(KEY)?, authority: read(AUTHORITY)? })
    }
}

/// What new connections use.
pub(crate) struct Current {
    files: Files,
    chain: Vec<CertificateDer<'static>>,
    end: Option<i64>,
    roots: Arc<RootCertStore>,
    pub(crate) identity: Identity,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
}

impl Current {
    fn of(files: Files, folder: &Path, role: Role) -> Result<Self, TlsError> {
        let content =
            |name: &str, what, why: String| TlsError::Content { path: folder.join(name), what, why };
        let chain = chain(&files.certificate).map_err(|why| content(CERTIFICATE, "certificate", why))?;
        let key = key(&files.key).map_err(|why| content(KEY, "private key", why))?;
        let mut roots = RootCertStore::empty();
        let authorities =
            self::chain(&files.authority).map_err(|why| content(AUTHORITY, "certificate", why))?;
        // Of several authorities one that is old goes, and the others stay.
        let last = authorities.iter().filter_map(end).max();
        let end = chain.iter().filter_map(end).chain(last).min();
        for root in authorities {
            roots
                .add(root)
                .map_err(|error| content(AUTHORITY, "authority's certificate", error.to_string()))?;
        }
        let roots = Arc::new(roots);
        valid(&chain, &roots, UnixTime::now())
            .map_err(|why| TlsError::Invalid { folder: folder.to_owned(), why })?;
        let named = identity(&chain[0]);
        let identity = match named {
            Some(identity) if identity.role == role => identity,
            other => {
                let is = other.map_or("nobody's (it names no role)".to_owned(), |named| named.to_string());
                return Err(TlsError::Role { folder: folder.to_owned(), is, want: role });
            }
        };
        let pair =
            |error: &dyn fmt::Display| TlsError::Pair { folder: folder.to_owned(), why: error.to_string() };
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
            .build()
            .map_err(|error| content(AUTHORITY, "usable authority", error.to_string()))?;
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| pair(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| pair(&error))?;
        // A resumed session would skip the check of the certificate.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| pair(&error))?
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key)
            .map_err(|error| pair(&error))?;
        client.resumption = Resumption::disabled();
        Ok(Self { files, chain, end, roots, identity, server: Arc::new(server), client: Arc::new(client) })
    }
}

pub(crate) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| error.to_string())?;
    if chain.is_empty() { Err("there is no PEM block CERTIFICATE".to_owned()) } else { Ok(chain) }
}

/// When `certificate` ends, in seconds since 1970.
fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// Tells when the certificate for `purpose`, or whoever vouches for it, ends.
fn tell_end(purpose: &'static str, end: Option<i64>) {
    if let Some(end) = end {
        metrics::gauge!("conclave_certificate_end_timestamp_seconds", "use" => purpose).set(end as f64);
    }
}

fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| error.to_string())
}

/// Whether `roots` vouch for `chain` at `time`, as a caller's: every role calls another one.
fn valid(chain: &[CertificateDer<'_>], roots: &RootCertStore, time: UnixTime) -> Result<(), String> {
    let leaf = EndEntityCert::try_from(&chain[0]).map_err(|error| error.to_string())?;
    let algorithms = provider().signature_verification_algorithms.all;
    leaf.verify_for_usage(algorithms, &roots.roots, &chain[1..], time, KeyUsage::client_auth(), None, None)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Whether the certificate in `folder` names `identity` and no host but `hosts`, and the authorities in `authority` (PEM),
/// which must be those of the folder, vouch for it for `left` more.
pub fn is_good(folder: &Path, authority: &str, identity: &Identity, hosts: &[&str], left: Duration) -> bool {
    let read = |name| std::fs::read(folder.join(name)).ok();
    let good = || {
        let chain = chain(&read(CERTIFICATE)?).ok()?;
        let mut roots = RootCertStore::empty();
        for root in self::chain(authority.as_bytes()).ok()? {
            roots.add(root).ok()?;
        }
        let then = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + left);
        valid(&chain, &roots, UnixTime::now()).and_then(|()| valid(&chain, &roots, then)).ok()?;
        let leaf = EndEntityCert::try_from(&chain[0]).ok()?;
        let called = |host: &&str| {
            let name = ServerName::try_from(*host);
            name.is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
        };
        let names = self::identity(&chain[0]).is_some_and(|named| named == *identity);
        let known = leaf.valid_dns_names().all(|name| hosts.contains(&name));
        (read(AUTHORITY)? == authority.as_bytes() && names && known && hosts.iter().all(called)).then_some(())
    };
    // The key is its owner's alone and may be unreadable here; it was written before the certificate.
    folder.join(KEY).exists() && good().is_some()
}

struct Inner {
    folder: PathBuf,
    role: Role,
    current: RwLock<Arc<Current>>,
}

/// A role's certificates; clones share them, and see new ones.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.0.folder.display())
    }
}

impl Certificates {
    /// Those in `folder`, for a process of `role`. Needs a runtime, on which a task looks at the files every two
    /// seconds for as long as a clone is left.
    ///
    /// - Errors: see [`TlsError`].
    pub fn load(folder: &Path, role: Role) -> Result<Self, TlsError> {
        let current = Current::of(Files::read(folder)?, folder, role)?;
        tracing::debug!(identity = current.identity.uri(), folder = %folder.display(), "certificates read");
        let current = RwLock::new(Arc::new(current));
        let inner = Arc::new(Inner { folder: folder.to_owned(), role, current });
        tokio::spawn(follow(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        self.0.current.read().expect("no panic holds this lock").clone()
    }

    /// Whom the certificate names.
    pub fn identity(&self) -> Identity {
        self.current().identity.clone()
    }

    /// For the server's end of a connection that begins now; the other end must show a certificate of the authority.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.current().server.clone()
    }
}

impl Inner {
    /// Takes new files into use; whether there were any.
    fn renew(&self) -> Result<bool, TlsError> {
        let files = Files::read(&self.folder)?;
        if files == self.current.read().expect("no panic holds this lock").files {
            return Ok(false);
        }
        let current = Arc::new(Current::of(files, &self.folder, self.role)?);
        *self.current.write().expect("no panic holds this lock") = current;
        Ok(true)
    }

    /// Whether the certificate in use is no longer valid in `SOON`.
    fn ends_soon(&self) -> Option<String> {
        let current = self.current.read().expect("no panic holds this lock").clone();
        let then = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + SOON);
        valid(&current.chain, &current.roots, then).err()
    }
}

async fn follow(inner: Weak<Inner>) {
    let mut said = String::new();
    let mut complained: Option<tokio::time::Instant> = None;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        match inner.renew() {
            Ok(fresh) => {
                said.clear();
                if fresh {
                    complained = None;
                    metrics::counter!("conclave_certificates_renewed_total").increment(1);
                    tracing::info!(folder = %inner.folder.display(), "new certificates in use");
                }
            }
            Err(error) => {
                // Somebody may be writing them: told once, and the old ones go on.
                let error = error.to_string();
                if error != said {
                    tracing::warn!(error, "new certificates cannot be used; the old ones stay in use");
                    said = error;
                }
            }
        }
        tell_end("cluster", inner.current.read().expect("no panic holds this lock").end);
        if complained.is_none_or(|at| at.elapsed() > COMPLAIN)
            && let Some(why) = inner.ends_soon()
        {
            tracing::warn!(folder = %inner.folder.display(), why, "the certificate ends within three days; issue a new one");
            complained = Some(tokio::time::Instant::now());
        }
        drop(inner);
        tokio::time::sleep(POLL).await;
    }
}

/// A server's certificate without an authority, for clients that show none.
#[derive(Clone)]
pub struct ServerCertificates(Arc<RwLock<Arc<ServerConfig>>>);

impl fmt::Debug for ServerCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerCertificates")
    }
}

impl ServerCertificates {
    /// tls.crt and tls.key in `folder`. Needs a runtime, on which they are kept fresh as those of [`Certificates`].
    ///
    /// - Errors: see [`TlsError`].
    pub fn load(folder: &Path) -> Result<Self, TlsError> {
        let mut files = public_files(folder)?;
        let (config, mut end) = public(&files, folder)?;
        let shared = Arc::new(RwLock::new(config));
        let (weak, folder) = (Arc::downgrade(&shared), folder.to_owned());
        tokio::spawn(async move {
            loop {
                tell_end("api", end);
                tokio::time::sleep(POLL).await;
                let Some(shared) = weak.upgrade() else { return };
                let Ok(fresh) = public_files(&folder) else { continue };
                if fresh == files {
                    continue;
                }
                match public(&fresh, &folder) {
                    Ok((config, fresh)) => {
                        *shared.write().expect("no panic holds this lock") = config;
                        end = fresh;
                        tracing::info!(folder = %folder.display(), "new certificate of the API in use");
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a new certificate cannot be used; the old one stays in use")
                    }
                }
                files = fresh;
            }
        });
        Ok(Self(shared))
    }

    /// For a connection that begins now.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.0.read().expect("no panic holds this lock").clone()
    }
}

fn public_files(folder: &Path) -> Result<[Vec<u8>; 2], TlsError> {
    let read = |name| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| TlsError::Read { path, error })
    };
    Ok([read(CERTIFICATE)?, read(KEY)?])
}

/// The configuration for them, and when the first certificate of the chain ends.
fn public(
    [certificate, key]: &[Vec<u8>; 2],
    folder: &Path,
) -> Result<(Arc<ServerConfig>, Option<i64>), TlsError> {
    let content = |name: &str, what, why: String| TlsError::Content { path: folder.join(name), what, why };
    let chain = chain(certificate).map_err(|why| content(CERTIFICATE, "certificate", why))?;
    let key = self::key(key).map_err(|why| content(KEY, "private key", why))?;
    let end = chain.iter().filter_map(end).min();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| TlsError::Pair { folder: folder.to_owned(), why: error.to_string() })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), end))
}

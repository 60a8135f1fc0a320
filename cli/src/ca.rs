//! `conclave ca`: an authority of one's own, and certificates of it for the roles.
//!
//! Keeps true: keys are readable by their owner alone and never leave their folder; an authority that exists is never
//! written over; `ensure` leaves alone what is good for a while. The names of the files are those of Kubernetes' TLS secrets, so that such a secret can be mounted in
//! place of a folder made here.

use anyhow::{Context, ensure};
use conclave_transport::{Identity, Role, is_good};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown, fchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The authority's files.
const AUTHORITY_KEY: &str = "ca.key";
const AUTHORITY: &str = "ca.crt";
/// How long an authority is valid unless told otherwise.
const AUTHORITY_DAYS: u32 = 3650;
/// Clocks differ: a certificate is good a little before it was made.
const EARLIER: Duration = Duration::from_secs(3600);

/// Settings of `conclave ca`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CaOptions {
    #[command(subcommand)]
    command: CaCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum CaCommand {
    /// Make an authority: its key and its certificate.
    Init(InitOptions),
    /// Make a folder with a role's certificate and key, for --tls-dir.
    Issue(IssueOptions),
    /// Make what is missing: the authority, and certificates that are not there, do not fit or end soon. To be run again and
    /// again.
    Ensure(EnsureOptions),
}

/// Settings of `conclave ca init`.
#[derive(Clone, Debug, clap::Args)]
struct InitOptions {
    /// Folder for ca.key and ca.crt.
    #[arg(long)]
    dir: PathBuf,
    /// How long it is valid. Unit: days. Range: 1..=7300.
    #[arg(long, default_value_t = AUTHORITY_DAYS, value_parser = clap::value_parser!(u32).range(1..=7300))]
    days: u32,
}

/// Settings of `conclave ca issue`.
#[derive(Clone, Debug, clap::Args)]
struct IssueOptions {
    /// Folder of the authority.
    #[arg(long)]
    dir: PathBuf,
    /// The role: gateway, expert-node, coordinator or operator.
    #[arg(long)]
    role: Role,
    /// Which one of its kind; an expert node's is its --name.
    #[arg(long)]
    name: String,
    /// A name or address by which others reach it, such as node-1.example or 10.0.0.7; may be given several times. Its
    /// own name and those of this machine are always there.
    #[arg(long)]
    host: Vec<String>,
    /// How long it is valid. Unit: days. Range: 1..=825.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
    /// Folder for tls.crt, tls.key and ca.crt; default: ROLE-NAME in the authority's.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Settings of `conclave ca ensure`.
#[derive(Clone, Debug, clap::Args)]
struct EnsureOptions {
    /// Folder of the authority. Its ca.key alone is enough; without one an authority is made.
    #[arg(long)]
    dir: PathBuf,
    /// Folder for the folders ROLE-NAME, each for one process; default: the authority's.
    #[arg(long)]
    out: Option<PathBuf>,
    /// How long new certificates are valid; one with less than a third of that left is made anew. Unit: days.
    /// Range: 1..=825.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
    /// Number of the user to whom the files shall belong, if not whoever runs this.
    #[arg(long)]
    owner: Option<u32>,
    /// The processes, each ROLE/NAME, or ROLE/NAME=HOST,HOST with what others call it by besides NAME.
    #[arg(required = true, value_name = "ROLE/NAME")]
    processes: Vec<Process>,
}

/// A process that needs a certificate.
#[derive(Clone, Debug)]
struct Process {
    identity: Identity,
    hosts: Vec<String>,
}

impl FromStr for Process {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (process, hosts) = text.split_once('=').unwrap_or((text, ""));
        let (role, name) = process.split_once('/').ok_or("it must be ROLE/NAME or ROLE/NAME=HOST,HOST")?;
        let identity = Identity::new(role.parse()?, name)?;
        let hosts = hosts.split(',').filter(|host| !host.is_empty()).map(str::to_owned).collect();
        Ok(Self { identity, hosts })
    }
}

pub(crate) fn run(options: &CaOptions) -> anyhow::Result<()> {
    match &options.command {
        CaCommand::Init(options) => init(options),
        CaCommand::Issue(options) => issue(options),
        CaCommand::Ensure(options) => ensure(options),
    }
}

/// `params` with a time that begins now.
fn valid_for(mut params: CertificateParams, days: u32) -> anyhow::Result<CertificateParams> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(EARLIER);
    params.not_after = epoch + now + DAY * days;
    Ok(params)
}

/// What the certificate of the authority with `key` says but for its time. Its name follows from the key, so that the key
/// alone is enough to issue, and two authorities are told apart.
fn authority(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let id: String = params.key_identifier(key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Conclave cluster authority {id}"));
    // It vouches for roles, not for other authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn folder(path: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("folder {}", path.display()))
}

/// Writes a file beside and renames it into place, so that a reader sees the old one or the new one.
fn write(path: &Path, mode: u32, owner: Option<u32>, text: &str) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    // One that an earlier run left behind may have another mode.
    let _ = std::fs::remove_file(&fresh);
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .and_then(|mut file| {
            owner.map_or(Ok(()), |owner| fchown(&file, Some(owner), None))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&fresh, path));
    written.with_context(|| format!("writing {}", path.display()))
}

/// The certificate of the authority with `key`, by itself.
fn certify(key: &KeyPair, days: u32) -> anyhow::Result<String> {
    let params = valid_for(authority(key), days)?;
    Ok(params.self_signed(key).context("making the certificate")?.pem())
}

fn found(dir: &Path, days: u32) -> anyhow::Result<()> {
    folder(dir)?;
    let key = KeyPair::generate().context("making a key")?;
    write(&dir.join(AUTHORITY_KEY), 0o600, None, &key.serialize_pem())?;
    write(&dir.join(AUTHORITY), 0o644, None, &certify(&key, days)?)
}

fn init(options: &InitOptions) -> anyhow::Result<()> {
    ensure!(
        !options.dir.join(AUTHORITY_KEY).exists() && !options.dir.join(AUTHORITY).exists(),
        "{} has an authority already; use it with `conclave ca issue`, or choose another --dir",
        options.dir.display()
    );
    found(&options.dir, options.days)?;
    let dir = options.dir.display();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "An authority for {} days is in {dir}: ca.crt, which every role gets, and ca.key, which must stay here: whoever \
         has it can join the cluster as anything.\n\nNext, a certificate for each process, and one for yourself:\n  conclave \
         ca issue --dir {dir} --role coordinator --name c1 --host HOST\n  conclave ca issue --dir {dir} --role expert-node \
         --name node-1 --host HOST\n  conclave ca issue --dir {dir} --role gateway --name gw-1 --host HOST\n  conclave ca \
         issue --dir {dir} --role operator --name you",
        options.days
    )?;
    Ok(())
}

/// Who signs, and what those who trust it get as their ca.crt.
struct Signer {
    issuer: Issuer<'static, KeyPair>,
    authorities: String,
}

impl Signer {
    fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(AUTHORITY_KEY);
        let key = std::fs::read_to_string(&path).with_context(|| {
            format!("{}; make the authority with `conclave ca init --dir {}`", path.display(), dir.display())
        })?;
        let key = KeyPair::from_pem(&key).with_context(|| path.display().to_string())?;
        let authorities = match std::fs::read_to_string(dir.join(AUTHORITY)) {
            // It follows from the key but for its time, at which nobody looks.
            Err(error) if error.kind() == ErrorKind::NotFound => certify(&key, AUTHORITY_DAYS)?,
            read => read.with_context(|| dir.join(AUTHORITY).display().to_string())?,
        };
        Ok(Self { issuer: Issuer::new(authority(&key), key), authorities })
    }

    /// Makes the folder `made` with a certificate.
    fn issue(
        &self,
        made: &Path,
        identity: &Identity,
        hosts: &[&str],
        days: u32,
        owner: Option<u32>,
    ) -> anyhow::Result<()> {
        let mut params = valid_for(CertificateParams::default(), days)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, identity.to_string());
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if identity.role != Role::Operator {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.subject_alt_names = vec![SanType::URI(identity.uri().try_into()?)];
        for host in hosts {
            let bad = || format!("host `{host}` is no name and no address; write it without a port");
            ensure!(host.parse::<IpAddr>().is_ok() || !host.contains([':', '/']), bad());
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*host).try_into().with_context(bad)?),
            });
        }
        let key = KeyPair::generate().context("making a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("making the certificate")?;
        if !made.exists() {
            folder(made)?;
            owner.map_or(Ok(()), |owner| chown(made, Some(owner), None))?;
        }
        // A process that reads them meanwhile sees a pair that does not fit, and looks again.
        write(&made.join("tls.key"), 0o600, owner, &key.serialize_pem())?;
        write(&made.join("tls.crt"), 0o644, owner, &certificate.pem())?;
        write(&made.join("ca.crt"), 0o644, owner, &self.authorities)
    }
}

/// The names and addresses in the certificate of `identity` for which `more` were asked.
fn hosts<'a>(identity: &'a Identity, more: &'a [String]) -> anyhow::Result<Vec<&'a str>> {
    if identity.role == Role::Operator {
        ensure!(more.is_empty(), "an operator listens nowhere; leave its hosts out");
        return Ok(Vec::new());
    }
    let mut hosts = vec![identity.name.as_str(), "localhost", "127.0.0.1", "::1"];
    for host in more {
        if !hosts.contains(&host.as_str()) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}

fn ensure(options: &EnsureOptions) -> anyhow::Result<()> {
    let EnsureOptions { dir, out, days, owner, processes } = options;
    let mut said = std::io::stdout().lock();
    if !dir.join(AUTHORITY_KEY).exists() && !dir.join(AUTHORITY).exists() {
        found(dir, AUTHORITY_DAYS)?;
        writeln!(said, "made an authority in {}", dir.display())?;
    }
    let signer = Signer::read(dir)?;
    for Process { identity, hosts: more } in processes {
        let hosts = hosts(identity, more)?;
        let made = out.as_ref().unwrap_or(dir).join(format!("{}-{}", identity.role, identity.name));
        if is_good(&made, &signer.authorities, identity, &hosts, DAY * *days / 3) {
            writeln!(said, "kept the certificate of {identity}")?;
            continue;
        }
        signer.issue(&made, identity, &hosts, *days, *owner)?;
        writeln!(said, "made a certificate of {identity} for {days} days")?;
    }
    Ok(())
}

fn issue(options: &IssueOptions) -> anyhow::Result<()> {
    let IssueOptions { dir, role, name, host, days, out } = options;
    let identity = Identity::new(*role, name).map_err(anyhow::Error::msg)?;
    let hosts = hosts(&identity, host)?;
    let made = out.clone().unwrap_or_else(|| dir.join(format!("{role}-{name}")));
    Signer::read(dir)?.issue(&made, &identity, &hosts, *days, None)?;

    let made = made.display();
    let mut out = std::io::stdout().lock();
    writeln!(out, "A certificate of {identity} for {days} days is in {made}: tls.crt, tls.key, ca.crt.")?;
    if !hosts.is_empty() {
        writeln!(out, "Others can reach it as {}.", hosts.join(", "))?;
    }
    let command = match role {
        Role::Operator => "status".to_owned(),
        Role::ExpertNode => format!("expert-node --name {name}"),
        role => role.to_string(),
    };
    writeln!(
        out,
        "\nNext: copy the folder to where it runs, readable by its user alone, and start it there with\n  conclave {command} \
         --tls-dir {made} ...\nIssue again before the time is over: a running process takes new files over by itself."
    )?;
    Ok(())
}

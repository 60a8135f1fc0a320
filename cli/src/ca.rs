//! `conclave ca`: an authority of one's own, and certificates of it for the roles.
//!
//! Keeps true: keys are readable by their owner alone and never leave their folder; an authority that exists is never
//! written over. The names of the files are those of Kubernetes' TLS secrets, so that such a secret can be mounted in
//! place of a folder made here.

use anyhow::{Context, bail, ensure};
use conclave_transport::{Identity, Role};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(24 * 3600);
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
}

/// Settings of `conclave ca init`.
#[derive(Clone, Debug, clap::Args)]
struct InitOptions {
    /// Folder for ca.key and ca.crt.
    #[arg(long)]
    dir: PathBuf,
    /// How long it is valid. Unit: days. Range: 1..=7300.
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=7300))]
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

pub(crate) fn run(options: &CaOptions) -> anyhow::Result<()> {
    match &options.command {
        CaCommand::Init(options) => init(options),
        CaCommand::Issue(options) => issue(options),
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
fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    // One that an earlier run left behind may have another mode.
    let _ = std::fs::remove_file(&fresh);
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&fresh, path));
    written.with_context(|| format!("writing {}", path.display()))
}

fn init(options: &InitOptions) -> anyhow::Result<()> {
    let (key_file, certificate_file) = (options.dir.join("ca.key"), options.dir.join("ca.crt"));
    ensure!(
        !key_file.exists() && !certificate_file.exists(),
        "{} has an authority already; use it with `conclave ca issue`, or choose another --dir",
        options.dir.display()
    );
    folder(&options.dir)?;
    let key = KeyPair::generate().context("making a key")?;
    let certificate =
        valid_for(authority(&key), options.days)?.self_signed(&key).context("making the certificate")?;
    write(&key_file, 0o600, &key.serialize_pem())?;
    write(&certificate_file, 0o644, &certificate.pem())?;
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

fn issue(options: &IssueOptions) -> anyhow::Result<()> {
    let IssueOptions { dir, role, name, host, days, out } = options;
    let identity = Identity::new(*role, name).map_err(anyhow::Error::msg)?;
    let read = |file: &str| {
        let path = dir.join(file);
        std::fs::read_to_string(&path).with_context(|| {
            format!("{}; make the authority with `conclave ca init --dir {}`", path.display(), dir.display())
        })
    };
    let key = KeyPair::from_pem(&read("ca.key")?).with_context(|| format!("{}/ca.key", dir.display()))?;
    let authorities = read("ca.crt")?;
    let issuer = Issuer::new(authority(&key), key);

    let mut params = valid_for(CertificateParams::default(), *days)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, identity.to_string());
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![SanType::URI(identity.uri().try_into()?)];
    let mut hosts: Vec<&str> = Vec::new();
    if *role != Role::Operator {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        hosts.extend([name.as_str(), "localhost", "127.0.0.1", "::1"]);
        hosts.extend(
            host.iter()
                .map(String::as_str)
                .filter(|host| !["localhost", "127.0.0.1", "::1", name].contains(host)),
        );
    } else if !host.is_empty() {
        bail!("an operator listens nowhere; leave --host out");
    }
    for host in &hosts {
        let bad = || format!("--host `{host}` is no name and no address; write it without a port");
        ensure!(host.parse::<IpAddr>().is_ok() || !host.contains([':', '/']), bad());
        params.subject_alt_names.push(match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*host).try_into().with_context(bad)?),
        });
    }
    let key = KeyPair::generate().context("making a key")?;
    let certificate = params.signed_by(&key, &issuer).context("making the certificate")?;

    let made = out.clone().unwrap_or_else(|| dir.join(format!("{role}-{name}")));
    folder(&made)?;
    // A process that reads them meanwhile sees a pair that does not fit, and looks again.
    write(&made.join("tls.key"), 0o600, &key.serialize_pem())?;
    write(&made.join("tls.crt"), 0o644, &certificate.pem())?;
    write(&made.join("ca.crt"), 0o644, &authorities)?;

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

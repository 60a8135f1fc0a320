//! `conclave health`: asks a role how it is and says so with the exit code, for images that hold nothing but the binary.

use anyhow::{Context, bail};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Pause between two questions while it waits.
const PAUSE: Duration = Duration::from_millis(100);

/// Settings of `conclave health`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HealthOptions {
    /// What to ask; default: `/ready` of the monitoring port on this machine, or of the API without one.
    #[arg(long)]
    url: Option<String>,
    /// The role's own setting, so that in its container nothing needs to be named.
    #[arg(long, env = "CONCLAVE_MONITOR_LISTEN", hide = true)]
    monitor_listen: Option<SocketAddr>,
    /// Ask whether the process lives, not whether it can do its work.
    #[arg(long)]
    live: bool,
    /// How long to keep asking for a good answer. Unit: seconds.
    #[arg(long, default_value_t = 0)]
    wait_s: u32,
    /// How long one answer may take. Unit: seconds. Range: 1..=600.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=600))]
    timeout_s: u32,
}

impl HealthOptions {
    fn url(&self) -> String {
        let address = self.monitor_listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        // What listens on any address is asked on loopback.
        let host = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let path = if self.live { "/health" } else { "/ready" };
        self.url.clone().unwrap_or_else(|| format!("http://{}{path}", SocketAddr::new(host, address.port())))
    }
}

pub(crate) fn run(options: &HealthOptions) -> anyhow::Result<()> {
    let url = options.url();
    let timeout = Duration::from_secs(options.timeout_s.into());
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .build()
        .into();
    let (started, wait) = (Instant::now(), Duration::from_secs(options.wait_s.into()));
    loop {
        match ask(&agent, &url) {
            Err(_) if started.elapsed() < wait => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}

fn ask(agent: &ureq::Agent, url: &str) -> anyhow::Result<()> {
    let mut response = agent.get(url).call().with_context(|| url.to_owned())?;
    if response.status() == 200 {
        return Ok(());
    }
    let body: Value = response.body_mut().read_json().unwrap_or_default();
    let why = body["waiting_for"].as_str().map(|what| format!("waits for {what}"));
    let why = why.or_else(|| body["error"]["message"].as_str().map(str::to_owned));
    bail!("{url} answered {}: {}", response.status(), why.unwrap_or_else(|| "not ready".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_asked_where_its_own_setting_says() {
        let options = |listen: Option<&str>, live| HealthOptions {
            url: None,
            monitor_listen: listen.map(|listen| listen.parse().unwrap()),
            live,
            wait_s: 0,
            timeout_s: 1,
        };
        assert_eq!(options(Some("0.0.0.0:9100"), false).url(), "http://127.0.0.1:9100/ready");
        assert_eq!(options(Some("[::]:9100"), true).url(), "http://[::1]:9100/health");
        assert_eq!(options(None, false).url(), "http://127.0.0.1:8080/ready");
    }
}

//! Which gateways there are, as settings.

use crate::Problem;
use axum::http::uri::{Authority, PathAndQuery, Scheme, Uri};

/// Most gateways of a cluster.
const GATEWAYS_MAX: usize = 64;

/// Settings of a gateway that is one of several.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PeerOptions {
    /// URLs of all gateways of the cluster, this one's among them, separated by commas, such as http://a:8080, or https://a:8080
    /// where they have certificates (--tls-dir), whether clients get TLS or not; off loopback it must be https. Each
    /// request then goes to the one that likely has its prefix cached. All need the same API keys.
    #[arg(long, env = "CONCLAVE_GATEWAYS", value_delimiter = ',')]
    pub gateways: Vec<String>,
    /// This gateway's own URL, one of `gateways`.
    #[arg(long, env = "CONCLAVE_GATEWAY_URL")]
    pub gateway_url: Option<String>,
}

/// HOST:PORT of a URL without path, if it is one.
fn authority(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let plain = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme())
        && uri.path_and_query().is_none_or(|path| *path == PathAndQuery::from_static("/"));
    let authority: &Authority = uri.authority()?;
    let port = authority.port_u16().filter(|port| *port > 0)?;
    // Without user and password; letters of a host name have no case.
    let host = authority.host();
    (plain && !host.is_empty() && !authority.as_str().contains('@'))
        .then(|| format!("{}:{port}", host.to_ascii_lowercase()))
}

fn encrypted(url: &str) -> bool {
    url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

impl PeerOptions {
    /// Every problem at once.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match (&self.gateway_url, self.gateways.is_empty()) {
            (None, true) => return problems,
            (Some(_), true) => {
                problems.push("gateway_url is set, but gateways is not; set both or neither".to_owned());
            }
            (None, false) => {
                let why = "gateways is set, but gateway_url is not; set it to the one of them that this is";
                problems.push(why.to_owned());
            }
            (Some(_), false) => {}
        }
        for (key, url) in self
            .gateways
            .iter()
            .map(|url| ("gateways", url))
            .chain(self.gateway_url.iter().map(|url| ("gateway_url", url)))
        {
            if authority(url).is_none() {
                problems
                    .push(format!("{key} has `{url}`; it must look like http://HOST:PORT or https://HOST:PORT, without a path"));
            }
        }
        if self.gateways.len() > GATEWAYS_MAX {
            problems.push(format!("gateways names {}; at most {GATEWAYS_MAX}", self.gateways.len()));
        }
        let encrypted = self.gateways.iter().filter(|url| encrypted(url)).count();
        if ![0, self.gateways.len()].contains(&encrypted) {
            problems.push("gateways has http and https; use the same for all".to_owned());
        }
        let mut all: Vec<String> = self.gateways.iter().filter_map(|url| authority(url)).collect();
        let named = all.len();
        all.sort();
        all.dedup();
        if all.len() < named {
            problems.push("gateways names one twice; name each once".to_owned());
        }
        if let Some(own) = self.own().filter(|own| !all.is_empty() && !all.contains(own)) {
            problems.push(format!("gateways does not name http://{own}, which gateway_url says this is"));
        }
        problems
    }

    /// Whether gateways call each other with TLS.
    pub(crate) fn encrypted(&self) -> bool {
        self.gateways.iter().any(|url| encrypted(url))
    }

    /// The others that are called in plain text, each with its key.
    pub fn addresses(&self) -> Vec<(&'static str, String)> {
        if self.encrypted() {
            return Vec::new();
        }
        self.others().into_iter().map(|address| ("gateways", address)).collect()
    }

    /// HOST:PORT of this gateway, if it is one of several.
    pub(super) fn own(&self) -> Option<String> {
        authority(self.gateway_url.as_ref()?)
    }

    /// HOST:PORT of the others.
    pub(super) fn others(&self) -> Vec<String> {
        let own = self.own();
        self.gateways
            .iter()
            .filter_map(|url| authority(url))
            .filter(|peer| Some(peer) != own.as_ref())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(gateways: &[&str], own: Option<&str>) -> PeerOptions {
        PeerOptions {
            gateways: gateways.iter().map(|url| url.to_string()).collect(),
            gateway_url: own.map(str::to_owned),
        }
    }

    #[test]
    fn the_others_are_all_but_this_one() {
        let options = options(&["http://a:1", "http://B:2/", "http://127.0.0.1:3"], Some("http://b:2"));
        assert_eq!(options.validate(), Vec::<Problem>::new());
        assert_eq!(options.others(), ["a:1", "127.0.0.1:3"]);
        assert_eq!(PeerOptions::default().validate(), Vec::<Problem>::new());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let said = |gateways: &[&str], own| options(gateways, own).validate().join("\n");
        assert!(said(&["http://a:1"], None).contains("gateway_url is not"));
        assert!(said(&[], Some("http://a:1")).contains("gateways is not"));
        assert!(said(&["http://a:1", "http://A:1/"], Some("http://a:1")).contains("one twice"));
        assert!(said(&["http://a:1", "https://b:1"], Some("http://a:1")).contains("the same for all"));
        assert!(said(&["http://a:1"], Some("http://b:1")).contains("does not name http://b:1"));
        for bad in
            ["a:1", "ftp://a:1", "http://a", "http://a:1/v1", "http://u@a:1", "http://a:0", "http://:1"]
        {
            assert!(said(&[bad, "http://b:1"], Some("http://b:1")).contains(&format!("`{bad}`")), "{bad}");
        }
    }
}

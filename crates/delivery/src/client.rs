//! The HTTP client of all stores: TLS by ring, the machine's roots or else the public ones, plain HTTP only where it is meant.

use crate::DeliveryError;
use conclave_transport::TrustOptions;
use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientConfigKey, ClientOptions};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may stand still.
const SILENCE: Duration = Duration::from_secs(30);

/// Makes the client of a store.
#[derive(Debug, Default)]
pub(crate) struct Connector {
    /// Sent to the store's own host, not to one that it redirects to.
    pub(crate) bearer: Option<String>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Generic {
            store: "HTTP client",
            source,
        };
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.bearer {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| failed("the token has characters that no header can have".into()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let trusted = TrustOptions::default().client().map_err(|error| failed(error.into()))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(trusted)
            .user_agent(concat!("conclave/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .https_only(!plain)
            .build()
            .map_err(|error| failed(error.into()))?;
        Ok(HttpClient::new(client))
    }
}

/// Whether plain HTTP to `url` stays within this machine.
pub(crate) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A URL that may be used: TLS, or within this machine.
pub(crate) fn checked(text: &str) -> Result<url::Url, DeliveryError> {
    let url = url::Url::parse(text).map_err(|error| DeliveryError::Settings(format!("{text}: {error}")))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(DeliveryError::Settings(format!("{text}: beyond this machine only https:// is used"))),
    }
}

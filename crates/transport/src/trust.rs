//! Whom a client over HTTPS trusts: the authorities of a file, or those that its machine trusts.
//!
//! Keeps true: a server has to show a certificate of a trusted authority for the host of its URL, or nothing is sent.

use crate::certificates::{chain, provider};
use crate::{TlsError, explain};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::path::PathBuf;

/// The authorities of a client.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TrustOptions {
    /// For https: file with the certificates (PEM) of the authorities whose servers are trusted, such as the ca.crt of
    /// `conclave ca`; default: those that this machine trusts, or the public ones where it has no list of its own.
    #[arg(long, env = "CONCLAVE_CA")]
    pub ca: Option<PathBuf>,
}

impl TrustOptions {
    /// The authorities of the file, or of the machine, which may have some that nobody can read; `None`: the machine has no
    /// list, as an image without a system, so the public ones.
    ///
    /// - Errors: the file cannot be read, or holds no certificate.
    pub fn authorities(&self) -> Result<Option<Vec<CertificateDer<'static>>>, TlsError> {
        let Some(path) = &self.ca else {
            let machine = rustls_native_certs::load_native_certs().certs;
            return Ok((!machine.is_empty()).then_some(machine));
        };
        let pem = std::fs::read(path)
            .map_err(|error| TlsError::Authority { path: path.clone(), why: error.to_string() })?;
        let chain = chain(&pem).map_err(|why| TlsError::Authority { path: path.clone(), why })?;
        Ok(Some(chain))
    }

    /// For connections of a client that shows no certificate.
    ///
    /// - Errors: as [`Self::authorities`].
    pub fn client(&self) -> Result<ClientConfig, TlsError> {
        let mut roots = RootCertStore::empty();
        match (self.authorities()?, &self.ca) {
            (Some(authorities), Some(path)) => {
                for authority in authorities {
                    roots.add(authority).map_err(|error| TlsError::Authority {
                        path: path.clone(),
                        why: error.to_string(),
                    })?;
                }
            }
            (Some(authorities), None) => {
                roots.add_parsable_certificates(authorities);
            }
            (None, _) => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        Ok(client_of(roots))
    }
}

/// For connections of a client that trusts `roots` and shows no certificate.
fn client_of(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows the protocol versions that are the default")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Why there is no answer of a server, with what to do if it is about whom to trust.
pub fn explain_https(error: &(dyn Error + 'static)) -> String {
    let mut told = explain(error);
    if told.contains("UnknownIssuer") {
        told.push_str("; if you trust the server, name the certificate of its authority with --ca FILE");
    } else if told.contains("not valid for name") || told.contains("NotValidForName") {
        told.push_str("; use the host name that its certificate is for");
    } else if told.contains("InvalidContentType") {
        told.push_str("; it does not speak TLS there, so try http://");
    }
    told
}

//! The cluster's shared token: who does not send it is refused before any message is read.
//!
//! Keeps true: the token is in no log and no `Debug`; comparing takes the same time whatever is wrong with it.

use std::fmt;
use std::sync::Arc;
use tonic::codegen::http::{HeaderMap, HeaderValue};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

const KEY: &str = "authorization";

/// The token that all roles of a cluster share, or none.
#[derive(Clone, Default)]
pub struct ClusterToken(Option<Arc<MetadataValue<Ascii>>>);

impl fmt::Debug for ClusterToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ClusterToken(set)" } else { "ClusterToken(none)" })
    }
}

impl ClusterToken {
    /// The token `text`; `None`: calls carry none and none is asked for.
    ///
    /// - Errors: it is short, or has characters that no header can carry.
    pub fn new(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Self(None)) };
        if text.len() < 16 {
            return Err("cluster_token has under 16 characters; use a longer one".to_owned());
        }
        let value = format!("Bearer {text}").parse::<MetadataValue<Ascii>>();
        let value = value
            .map_err(|_| "cluster_token has characters beyond printable ASCII; use others".to_owned())?;
        Ok(Self(Some(Arc::new(value))))
    }

    /// Whether calls must carry it.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Puts the token on each call.
    pub fn sender(&self) -> SendToken {
        SendToken(self.clone())
    }

    /// Whether a call with these headers carries it, or none is asked for.
    pub(crate) fn opens(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.0 else { return true };
        let given = headers.get(KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        let expected = expected.as_bytes();
        let differing = given.iter().zip(expected).fold(0, |sum, (a, b)| sum | (a ^ b));
        given.len() == expected.len() && std::hint::black_box(differing) == 0
    }
}

/// Client side of [`ClusterToken`].
#[derive(Clone, Debug)]
pub struct SendToken(ClusterToken);

impl Interceptor for SendToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0.0 {
            request.metadata_mut().insert(KEY, (**value).clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knock(with: Option<&str>, door: Option<&str>) -> bool {
        let call = ClusterToken::new(with).unwrap().sender().call(Request::new(())).unwrap();
        ClusterToken::new(door).unwrap().opens(&call.into_parts().0.into_headers())
    }

    #[test]
    fn only_the_right_token_opens() {
        let (right, wrong, long) =
            ("correct-horse-battery", "correct-horse-batterx", "correct-horse-battery1");
        assert!(knock(Some(right), Some(right)) && knock(None, None) && knock(Some(right), None));
        assert!(
            !knock(None, Some(right)) && !knock(Some(wrong), Some(right)) && !knock(Some(long), Some(right))
        );
    }

    #[test]
    fn a_token_that_is_weak_or_cannot_travel_is_refused() {
        assert!(ClusterToken::new(Some("short")).is_err());
        assert!(ClusterToken::new(Some("line\nbreaks are no good")).is_err());
        assert_eq!(
            format!("{:?}", ClusterToken::new(Some("correct-horse-battery")).unwrap()),
            "ClusterToken(set)"
        );
    }
}

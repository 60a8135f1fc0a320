//! The closed table of error codes: code, HTTP status, gRPC status, retryable, what to do.
//!
//! Keeps true: whatever goes wrong, a client sees exactly one of these. Knows no HTTP or gRPC
//! library; the faces translate the numbers.

/// What went wrong, as a client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request is malformed or a value is out of range.
    InvalidRequest,
    /// Prompt and answer do not fit the model's context.
    ContextLengthExceeded,
    /// No key, or an unknown one.
    InvalidApiKey,
    /// The key does not open this.
    InsufficientScope,
    /// The requested model is not served here.
    ModelNotFound,
    /// The path is not served here.
    NotFound,
    /// The path is served, but not with this method.
    MethodNotAllowed,
    /// The body is larger than the server takes.
    RequestTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The content type is not JSON.
    UnsupportedMediaType,
    /// The queue is full.
    QueueFull,
    /// The key has asked for too much.
    RateLimited,
    /// An expert has no live home.
    ExpertUnavailable,
    /// The server starts or drains, or the cluster has not placed the model yet.
    Unavailable,
    /// The request's time is over.
    DeadlineExceeded,
    /// A fault of ours.
    Internal,
}

impl ErrorCode {
    /// Every code, for tests and documents.
    pub const ALL: [ErrorCode; 16] = [
        Self::InvalidRequest,
        Self::ContextLengthExceeded,
        Self::InvalidApiKey,
        Self::InsufficientScope,
        Self::ModelNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTooLarge,
        Self::RequestTimeout,
        Self::UnsupportedMediaType,
        Self::QueueFull,
        Self::RateLimited,
        Self::ExpertUnavailable,
        Self::Unavailable,
        Self::DeadlineExceeded,
        Self::Internal,
    ];

    /// The code's name in `error.code`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The family in `error.type`.
    pub fn kind(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status.
    pub fn http_status(self) -> u16 {
        self.row().2
    }

    /// The gRPC status number.
    pub fn grpc_status(self) -> i32 {
        self.row().3
    }

    /// Whether the same request may succeed later; if so it carries `Retry-After`.
    pub fn retryable(self) -> bool {
        self.row().4
    }

    /// What the reader of the error should do.
    pub fn advice(self) -> &'static str {
        self.row().5
    }

    fn row(self) -> (&'static str, &'static str, u16, i32, bool, &'static str) {
        const BAD: &str = "invalid_request_error";
        const AWAY: &str = "unavailable_error";
        match self {
            Self::InvalidRequest => ("invalid_value", BAD, 400, 3, false, "correct the named parameter"),
            Self::ContextLengthExceeded => {
                ("context_length_exceeded", BAD, 400, 3, false, "shorten the prompt or lower max_tokens")
            }
            Self::InvalidApiKey => (
                "invalid_api_key",
                "authentication_error",
                401,
                16,
                false,
                "send a valid `Authorization: Bearer` key",
            ),
            Self::InsufficientScope => (
                "insufficient_scope",
                "permission_error",
                403,
                7,
                false,
                "use a key whose scopes open this route",
            ),
            Self::ModelNotFound => {
                ("model_not_found", BAD, 404, 5, false, "use an id that GET /v1/models lists")
            }
            Self::NotFound => ("not_found", BAD, 404, 5, false, "see the list of endpoints in the README"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", BAD, 405, 12, false, "use the method the Allow header names")
            }
            Self::RequestTooLarge => ("request_too_large", BAD, 413, 8, false, "send a smaller body"),
            Self::RequestTimeout => ("request_timeout", BAD, 408, 4, true, "send the body faster"),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", BAD, 415, 3, false, "send `Content-Type: application/json`")
            }
            Self::QueueFull => ("queue_full", "rate_limit_error", 429, 8, true, "retry after the given time"),
            Self::RateLimited => (
                "rate_limit_exceeded",
                "rate_limit_error",
                429,
                8,
                true,
                "retry after the given time; the key's line in the keys file has its limits",
            ),
            Self::ExpertUnavailable => (
                "expert_unavailable",
                AWAY,
                503,
                14,
                true,
                "retry; see `conclave status` for the missing nodes",
            ),
            Self::Unavailable => ("unavailable", AWAY, 503, 14, true, "retry; GET /ready tells when"),
            Self::DeadlineExceeded => (
                "deadline_exceeded",
                AWAY,
                504,
                4,
                true,
                "retry when there is less to do, ask for fewer tokens, or allow more time",
            ),
            Self::Internal => {
                ("internal_error", "server_error", 500, 13, false, "report it with the request id")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_its_own_name_and_an_error_status() {
        let names: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        assert!(ErrorCode::ALL.iter().all(|code| (400..600).contains(&code.http_status())));
    }

    #[test]
    fn the_operators_page_tells_of_every_code_and_of_no_other() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
        let page = std::fs::read_to_string(page).unwrap();
        let table =
            page.split("<!-- codes -->").nth(1).and_then(|rest| rest.split("<!-- end -->").next()).unwrap();
        let told: BTreeSet<_> = table
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.split('|');
                Some((cells.next()?.trim().trim_end_matches('`'), cells.next()?.trim().parse().ok()?))
            })
            .collect();
        assert_eq!(told, ErrorCode::ALL.iter().map(|code| (code.name(), code.http_status())).collect());
    }
}

//! Errors as OpenAI clients expect them: always the four keys, always the right status.

use crate::engine::EngineError;
use crate::text::TextError;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use conclave_scheduler::SubmitError;
use conclave_types::ErrorCode;
use serde_json::{Value, json};
use std::time::Duration;

/// After how long a retryable error is worth another try, unless it says otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An error of the API.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    /// After how long to try again, if that can be told.
    pub(crate) retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), param: None, retry_after: None }
    }

    /// A bad value of parameter `param`.
    pub(crate) fn value(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(ErrorCode::InvalidRequest, message) }
    }

    /// The body: `{"error": {"message", "type", "param", "code"}}`.
    pub(crate) fn body(&self) -> Value {
        json!({"error": {
            "message": self.message,
            "type": self.code.kind(),
            "param": self.param,
            "code": self.code.name(),
        }})
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<TextError> for ApiError {
    fn from(error: TextError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::QueueFull { .. } | SubmitError::QueueOverbooked { .. } => {
                Self::new(ErrorCode::QueueFull, error.to_string())
            }
            SubmitError::NeverQueues { .. } => Self::value("n", error.to_string()),
            SubmitError::TooLong { prompt_tokens, context_max } => Self::new(
                ErrorCode::ContextLengthExceeded,
                format!(
                    "This model's maximum context length is {context_max} tokens, but the prompt has \
                     {prompt_tokens} and the answer needs at least one; shorten the prompt"
                ),
            ),
            SubmitError::NeverFits { .. } => Self::new(ErrorCode::ContextLengthExceeded, error.to_string()),
            SubmitError::Empty => Self::new(ErrorCode::InvalidRequest, error.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.http_status()).expect("the table holds valid statuses");
        metrics::counter!("conclave_request_errors_total", "code" => self.code.name()).increment(1);
        let mut response = (status, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        if self.code.retryable() {
            let after = self.retry_after.unwrap_or(RETRY_AFTER);
            headers.insert("retry-after", HeaderValue::from(after.as_secs_f32().ceil() as u64));
            headers.insert("retry-after-ms", HeaderValue::from(after.as_millis() as u64));
        }
        let retry = if self.code.retryable() { "true" } else { "false" };
        headers.insert("x-should-retry", HeaderValue::from_static(retry));
        response
    }
}

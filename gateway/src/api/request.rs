//! Reads request bodies: every field checked by type and range, every error naming its parameter.

use super::error::ApiError;
use conclave_model::SamplingParams;
use conclave_types::{ErrorCode, TokenId};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most choices of one request.
const N_MAX: u64 = 16;
/// Most stop texts, and the longest of them in bytes.
const STOP_MAX: usize = 16;
const STOP_BYTES_MAX: usize = 1024;
const LOGIT_BIAS_MAX: usize = 1024;
/// The least urgent, and what `service_tier` `flex` means.
const PRIORITY_MAX: u64 = 100;
const PRIORITY_FLEX: i32 = 10;

/// The defaults of the model, from generation_config.json.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    pub(crate) top_k: u32,
    pub(crate) repetition_penalty: f32,
}

impl Defaults {
    pub(crate) fn of(generation: &Map<String, Value>) -> Self {
        let number =
            |key: &str, default: f64| generation.get(key).and_then(Value::as_f64).unwrap_or(default) as f32;
        let samples = generation.get("do_sample").and_then(Value::as_bool).unwrap_or(true);
        Self {
            temperature: if samples { number("temperature", 1.0) } else { 0.0 },
            top_p: number("top_p", 1.0),
            top_k: number("top_k", 0.0) as u32,
            repetition_penalty: number("repetition_penalty", 1.0),
        }
    }
}

/// What chat and completions have in common.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) n: u32,
    pub(crate) tokens_max: Option<u32>,
    pub(crate) stop: Vec<String>,
    pub(crate) ignore_eos: bool,
    /// 0, or more for what can wait.
    pub(crate) priority: i32,
    /// How long the answer may take.
    pub(crate) timeout: Option<Duration>,
    /// Only requests with the same one share a cached prefix.
    pub(crate) cache_salt: String,
    pub(crate) sampling: SamplingParams,
}

/// A body under reading.
pub(crate) struct Fields {
    values: Map<String, Value>,
}

impl Fields {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self { values }),
            Ok(_) => Err(ApiError::new(ErrorCode::InvalidRequest, "the body is not a JSON object")),
            Err(error) => {
                Err(ApiError::new(ErrorCode::InvalidRequest, format!("the body is not valid JSON: {error}")))
            }
        }
    }

    /// The value of `key`; null counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool, ApiError> {
        match self.get(key) {
            None => Ok(false),
            Some(value) => {
                value.as_bool().ok_or_else(|| ApiError::value(key, format!("`{key}` must be true or false")))
            }
        }
    }

    pub(crate) fn whole(&self, key: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(ApiError::value(key, format!("`{key}` must be a whole number from {min} to {max}"))),
        }
    }

    fn text(&self, key: &str) -> Result<Option<&str>, ApiError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::value(key, format!("`{key}` must be a text"))),
        }
    }

    /// Requests can only be less urgent than others: `priority`, or OpenAI's word for it.
    fn priority(&self) -> Result<i32, ApiError> {
        let by_tier = match self.text("service_tier")? {
            None | Some("auto" | "default" | "priority") => 0,
            Some("flex") => PRIORITY_FLEX,
            Some(other) => {
                let why = format!("`service_tier` is `{other}`; it can be auto, default, priority or flex");
                return Err(ApiError::value("service_tier", why));
            }
        };
        Ok(self.whole("priority", 0, PRIORITY_MAX)?.map_or(by_tier, |priority| priority as i32))
    }

    fn number(&self, key: &str, min: f64, max: f64, default: f32) -> Result<f32, ApiError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        match value.as_f64() {
            Some(number) if (min..=max).contains(&number) => Ok(number as f32),
            _ => Err(ApiError::value(key, format!("`{key}` must be a number from {min} to {max}"))),
        }
    }

    /// Refuses parameters that would change the answer in a way that is not offered here.
    pub(crate) fn refuse(&self, keys: &[&str]) -> Result<(), ApiError> {
        for key in keys {
            let harmless = |value: &Value| match value {
                Value::Bool(flag) => !flag,
                Value::Array(list) => list.is_empty(),
                Value::String(text) => matches!(text.as_str(), "none" | "auto" | ""),
                Value::Object(object) => object.get("type").and_then(Value::as_str) == Some("text"),
                Value::Number(number) => number.as_u64() == Some(1),
                Value::Null => true,
            };
            if self.get(key).is_some_and(|value| !harmless(value)) {
                return Err(ApiError::value(
                    key,
                    format!("`{key}` is not supported by this server; leave it out"),
                ));
            }
        }
        Ok(())
    }

    fn stop(&self) -> Result<Vec<String>, ApiError> {
        let bad = || {
            let why =
                format!("`stop` must be a text or up to {STOP_MAX} texts of 1 to {STOP_BYTES_MAX} bytes");
            ApiError::value("stop", why)
        };
        let list = match self.get("stop") {
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(list)) => list
                .iter()
                .map(|text| text.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(bad)?,
            Some(_) => return Err(bad()),
        };
        let fits = |text: &String| (1..=STOP_BYTES_MAX).contains(&text.len());
        if list.len() > STOP_MAX || !list.iter().all(fits) { Err(bad()) } else { Ok(list) }
    }

    fn logit_bias(&self, vocab: u32) -> Result<BTreeMap<TokenId, f32>, ApiError> {
        let bad = || {
            let why = format!(
                "`logit_bias` must map up to {LOGIT_BIAS_MAX} token ids below {vocab} to numbers from -100 to 100"
            );
            ApiError::value("logit_bias", why)
        };
        let Some(value) = self.get("logit_bias") else { return Ok(BTreeMap::new()) };
        let map = value.as_object().filter(|map| map.len() <= LOGIT_BIAS_MAX).ok_or_else(bad)?;
        map.iter()
            .map(|(id, bias)| {
                let id = id.parse::<u32>().ok().filter(|id| *id < vocab)?;
                let bias = bias.as_f64().filter(|bias| (-100.0..=100.0).contains(bias))?;
                Some((TokenId(id), bias as f32))
            })
            .collect::<Option<_>>()
            .ok_or_else(bad)
    }

    pub(crate) fn common(
        &self,
        defaults: &Defaults,
        vocab: u32,
        fresh_seed: u64,
    ) -> Result<Common, ApiError> {
        let model = self.text("model")?.map(str::to_owned);
        let include_usage = match self.get("stream_options") {
            None => false,
            Some(Value::Object(options)) => {
                options.get("include_usage").and_then(Value::as_bool).unwrap_or(false)
            }
            Some(_) => return Err(ApiError::value("stream_options", "`stream_options` must be an object")),
        };
        let limit = u64::from(u32::MAX);
        let tokens_max = match self.whole("max_completion_tokens", 1, limit)? {
            Some(tokens) => Some(tokens),
            None => self.whole("max_tokens", 1, limit)?,
        };
        let seed = match self.get("seed") {
            None => fresh_seed,
            Some(value) => value
                .as_i64()
                .map(|seed| seed as u64)
                .or_else(|| value.as_u64())
                .ok_or_else(|| ApiError::value("seed", "`seed` must be a whole number of 64 bits"))?,
        };
        Ok(Common {
            model,
            stream: self.flag("stream")?,
            include_usage,
            n: self.whole("n", 1, N_MAX)?.unwrap_or(1) as u32,
            tokens_max: tokens_max.map(|tokens| tokens as u32),
            stop: self.stop()?,
            ignore_eos: self.flag("ignore_eos")?,
            priority: self.priority()?,
            timeout: self.whole("timeout_ms", 1, limit)?.map(Duration::from_millis),
            cache_salt: self.text("cache_salt")?.unwrap_or_default().to_owned(),
            sampling: SamplingParams {
                temperature: self.number("temperature", 0.0, 2.0, defaults.temperature)?,
                top_p: self.number("top_p", f64::MIN_POSITIVE, 1.0, defaults.top_p)?,
                top_k: self.whole("top_k", 0, limit)?.map_or(defaults.top_k, |k| k as u32),
                min_p: self.number("min_p", 0.0, 1.0, 0.0)?,
                frequency_penalty: self.number("frequency_penalty", -2.0, 2.0, 0.0)?,
                presence_penalty: self.number("presence_penalty", -2.0, 2.0, 0.0)?,
                repetition_penalty: self.number(
                    "repetition_penalty",
                    0.01,
                    10.0,
                    defaults.repetition_penalty,
                )?,
                logit_bias: self.logit_bias(vocab)?,
                seed,
            },
        })
    }
}

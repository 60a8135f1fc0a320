//! Reads config.json strictly. Keeps true: every key is either used, known to be harmless, or refused by name.

use crate::ModelError;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Keys that never change what an inference computes.
const HARMLESS: &[&str] = &[
    "_attn_implementation_autoset",
    "_name_or_path",
    "add_cross_attention",
    "architectures",
    "attention_dropout",
    "auto_map",
    "bos_token_id",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "label2id",
    "max_window_layers",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "return_dict",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "sep_token_id",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "transformers_version",
    "use_cache",
];

/// One config under reading.
pub(crate) struct Config<'a> {
    values: &'a Map<String, Value>,
    family: &'static str,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Config<'a> {
    pub(crate) fn new(values: &'a Map<String, Value>, family: &'static str) -> Self {
        Self { values, family, used: RefCell::default() }
    }

    /// The value of the first of `keys` that is present and not null.
    fn find(&self, keys: &[&str]) -> Option<(String, &'a Value)> {
        let mut found = None;
        for key in keys {
            self.used.borrow_mut().insert((*key).to_owned());
            if let Some(value) = self.values.get(*key).filter(|value| !value.is_null()) {
                found = found.or(Some(((*key).to_owned(), value)));
            }
        }
        found
    }

    fn bad(key: &str, value: &Value, supported: &str) -> ModelError {
        ModelError::Unsupported {
            key: key.to_owned(),
            found: value.to_string(),
            supported: supported.to_owned(),
        }
    }

    /// A whole number of at least 1, under any of the spellings `keys`.
    pub(crate) fn count(&self, keys: &[&str]) -> Result<usize, ModelError> {
        self.count_or_none(keys)?
            .ok_or_else(|| ModelError::Missing { key: keys.join("` or `"), family: self.family })
    }

    pub(crate) fn count_or_none(&self, keys: &[&str]) -> Result<Option<usize>, ModelError> {
        let Some((key, value)) = self.find(keys) else { return Ok(None) };
        match value.as_u64() {
            Some(count @ 1..=0x7fff_ffff) => Ok(Some(count as usize)),
            _ => Err(Self::bad(&key, value, "a whole number from 1")),
        }
    }

    pub(crate) fn number(&self, key: &str, default: Option<f64>) -> Result<f64, ModelError> {
        match self.find(&[key]) {
            Some((key, value)) => value
                .as_f64()
                .filter(|number| number.is_finite() && *number > 0.0)
                .ok_or_else(|| Self::bad(&key, value, "a number above 0")),
            None => default.ok_or_else(|| ModelError::Missing { key: key.to_owned(), family: self.family }),
        }
    }

    pub(crate) fn number_or_none(&self, key: &str) -> Result<Option<f64>, ModelError> {
        if self.find(&[key]).is_none() { Ok(None) } else { self.number(key, None).map(Some) }
    }

    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.find(&[key]) {
            Some((key, value)) => value.as_bool().ok_or_else(|| Self::bad(&key, value, "true or false")),
            None => Ok(default),
        }
    }

    pub(crate) fn indices(&self, key: &str) -> Result<Vec<usize>, ModelError> {
        let Some((key, value)) = self.find(&[key]) else { return Ok(Vec::new()) };
        let bad = || Self::bad(&key, value, "a list of layer numbers");
        let list = value.as_array().ok_or_else(bad)?;
        list.iter().map(|item| item.as_u64().map(|item| item as usize).ok_or_else(bad)).collect()
    }

    /// Refuses any value of `key` but `only`.
    pub(crate) fn only(&self, key: &str, only: &str) -> Result<(), ModelError> {
        match self.find(&[key]) {
            Some((key, value)) if value.as_str() != Some(only) => Err(Self::bad(&key, value, only)),
            _ => Ok(()),
        }
    }

    /// The base of the position embedding, in either spelling: `rope_theta` with `rope_scaling` (transformers
    /// 4) or `rope_parameters` (transformers 5). Anything but plain rotary embedding is refused.
    pub(crate) fn rope_theta(&self, default: f64) -> Result<f64, ModelError> {
        let mut theta = self.number_or_none("rope_theta")?;
        for key in ["rope_scaling", "rope_parameters"] {
            let Some((_, value)) = self.find(&[key]) else { continue };
            let parameters = value.as_object().ok_or_else(|| Self::bad(key, value, "an object"))?;
            for (name, parameter) in parameters {
                match (name.as_str(), parameter) {
                    ("rope_type" | "type", Value::String(kind)) if kind == "default" => {}
                    ("rope_theta", number) if number.as_f64().is_some_and(|n| n > 0.0) => {
                        theta = number.as_f64()
                    }
                    ("partial_rotary_factor", number) if number.as_f64() == Some(1.0) => {}
                    (_, Value::Null) => {}
                    _ => {
                        return Err(Self::bad(
                            &format!("{key}.{name}"),
                            parameter,
                            "plain rotary embedding (rope_type default)",
                        ));
                    }
                }
            }
        }
        Ok(theta.unwrap_or(default))
    }

    /// The end-of-answer tokens: one id or a list.
    pub(crate) fn eos(&self) -> Vec<conclave_types::TokenId> {
        eos_of(self.values)
    }

    /// Refuses every key that nobody asked for and that is not known to be harmless.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        let used = self.used.borrow();
        for (key, value) in self.values {
            // `layer_types` restates the window, which `finish` cannot check: only the plain kinds pass.
            let plain_layers = key == "layer_types"
                && value.as_array().is_some_and(|kinds| {
                    let mut kinds = kinds.iter();
                    let first = kinds.next();
                    first.is_some_and(|kind| kind == "full_attention" || kind == "sliding_attention")
                        && kinds.all(|kind| Some(kind) == first)
                });
            if !used.contains(key) && !HARMLESS.contains(&key.as_str()) && !value.is_null() && !plain_layers {
                return Err(ModelError::UnknownKey { key: key.clone(), family: self.family });
            }
        }
        Ok(())
    }
}

/// `eos_token_id` of a config or a generation config.
pub(crate) fn eos_of(values: &Map<String, Value>) -> Vec<conclave_types::TokenId> {
    let id = |value: &Value| value.as_u64().map(|id| conclave_types::TokenId(id as u32));
    match values.get("eos_token_id") {
        Some(Value::Array(list)) => list.iter().filter_map(id).collect(),
        Some(value) => id(value).into_iter().collect(),
        None => Vec::new(),
    }
}

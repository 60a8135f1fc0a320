//! The families: each one description over the generic trunk. To add one: a file and a line in [`FAMILIES`].

mod mixtral;
mod olmoe;
mod qwen3_moe;

use crate::config::Config;
use crate::{ModelError, ModelSpec};
use serde_json::{Map, Value};

/// A model family.
pub struct Family {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    describe: fn(&Config<'_>) -> Result<ModelSpec, ModelError>,
}

/// Every family that can be served.
pub const FAMILIES: &[Family] = &[
    Family { model_type: "mixtral", describe: mixtral::describe },
    Family { model_type: "olmoe", describe: olmoe::describe },
    Family { model_type: "qwen3_moe", describe: qwen3_moe::describe },
];

/// Describes the model of a config.json.
pub fn describe(values: &Map<String, Value>) -> Result<ModelSpec, ModelError> {
    let found = values.get("model_type").and_then(Value::as_str).unwrap_or("").to_owned();
    let Some(family) = FAMILIES.iter().find(|family| family.model_type == found) else {
        let supported = FAMILIES.iter().map(|family| family.model_type).collect::<Vec<_>>().join(", ");
        return Err(ModelError::Family { found, supported });
    };
    let config = Config::new(values, family.model_type);
    let spec = (family.describe)(&config)?;
    config.finish()?;
    check(&spec)?;
    Ok(spec)
}

/// What must hold between the values, whatever the family.
fn check(spec: &ModelSpec) -> Result<(), ModelError> {
    let bad = |key: &str, found: usize, supported: String| {
        Err(ModelError::Unsupported { key: key.to_owned(), found: found.to_string(), supported })
    };
    if !spec.heads.is_multiple_of(spec.kv_heads) {
        return bad("num_key_value_heads", spec.kv_heads, format!("a divisor of {}", spec.heads));
    }
    if spec.top_k > spec.experts {
        return bad("num_experts_per_tok", spec.top_k, format!("1 to {}", spec.experts));
    }
    if spec.head_dim == 0 || !spec.head_dim.is_multiple_of(2) {
        return bad("head_dim", spec.head_dim, "an even number above 0".to_owned());
    }
    Ok(())
}

//! The `--kv-dtype` option: what keys and values are stored in. Keeps true: it is the same for every row.

use crate::NumericDtype;
use conclave_kernels::attention::KvDtype;

/// The `--kv-dtype` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum KvDtypeChoice {
    /// f32 for a model computed in f32, else bf16.
    #[default]
    Auto,
    /// f32, as computed.
    F32,
    /// bf16, rounded to nearest even.
    Bf16,
    /// int8 with one f32 scale for each position and KV head.
    Q8,
}

impl KvDtypeChoice {
    /// What it means for a model computed in `dtype`.
    pub fn resolve(self, dtype: NumericDtype) -> KvDtype {
        match (self, dtype) {
            (Self::Auto, NumericDtype::F32) | (Self::F32, _) => KvDtype::F32,
            (Self::Auto, NumericDtype::Bf16) | (Self::Bf16, _) => KvDtype::Bf16,
            (Self::Q8, _) => KvDtype::Q8,
        }
    }
}

impl std::str::FromStr for KvDtypeChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "q8" => Ok(Self::Q8),
            other => Err(format!("kv_dtype is `{other}`; it can be auto, f32, bf16 or q8")),
        }
    }
}

impl std::fmt::Display for KvDtypeChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Q8 => "q8",
        })
    }
}

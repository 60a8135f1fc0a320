//! The `--kv-dtype` option: what keys and values are stored in. Keeps true: it is the same for every row.

use crate::NumericDtype;
use crate::choice::choice;
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

choice!(KvDtypeChoice, "kv_dtype": Auto = "auto", F32 = "f32", Bf16 = "bf16", Q8 = "q8");

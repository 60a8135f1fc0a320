//! GGUF's names of tensors in Hugging Face's, by the description of the model.

use crate::ModelSpec;
use crate::formats::files::RowOrder;
use conclave_types::ExpertKey;

/// What a tensor of the file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The tensor of this name.
    Whole(String, RowOrder),
    /// All experts of a layer, one after the other.
    Experts(ExpertPart),
}

/// The gate, up or down projections of a layer's experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExpertPart {
    layer: usize,
    /// As `ModelSpec::expert_tensors` counts.
    part: usize,
}

impl ExpertPart {
    /// The name of one expert's tensor.
    pub(super) fn name(self, spec: &ModelSpec, expert: usize) -> String {
        let [gate, up, down] = spec.expert_tensors(ExpertKey::new(self.layer as u32, expert as u32));
        match self.part {
            0 => gate,
            1 => up,
            _ => down,
        }
    }
}

/// Where `tensor` belongs; `None` if the family has no such tensor.
///
/// - `interleaved`: whether rows of q and k are stored for rotary embedding of neighbours.
pub(super) fn place(spec: &ModelSpec, interleaved: bool, tensor: &str) -> Option<Place> {
    let plain = |name: String| Some(Place::Whole(name, RowOrder::Plain));
    match tensor {
        "token_embd.weight" => return plain("model.embed_tokens.weight".to_owned()),
        "output_norm.weight" => return plain("model.norm.weight".to_owned()),
        "output.weight" => return plain("lm_head.weight".to_owned()),
        _ => {}
    }
    let (layer, part) = tensor.strip_prefix("blk.")?.split_once('.')?;
    let layer = index(layer, spec.layers)?;
    let at = format!("model.layers.{layer}");
    let block = spec.names.block;
    let turned =
        if interleaved { RowOrder::Interleaved { head_dim: spec.head_dim } } else { RowOrder::Plain };
    let expert = |part: &str| {
        let part = ["ffn_gate", "ffn_up", "ffn_down"].iter().position(|name| *name == part)?;
        Some(ExpertPart { layer, part })
    };
    match part {
        "attn_norm.weight" => plain(format!("{at}.input_layernorm.weight")),
        "ffn_norm.weight" => plain(format!("{at}.post_attention_layernorm.weight")),
        "attn_q.weight" => Some(Place::Whole(format!("{at}.self_attn.q_proj.weight"), turned)),
        "attn_k.weight" => Some(Place::Whole(format!("{at}.self_attn.k_proj.weight"), turned)),
        "attn_v.weight" => plain(format!("{at}.self_attn.v_proj.weight")),
        "attn_output.weight" => plain(format!("{at}.self_attn.o_proj.weight")),
        "attn_q.bias" if !interleaved => plain(format!("{at}.self_attn.q_proj.bias")),
        "attn_k.bias" if !interleaved => plain(format!("{at}.self_attn.k_proj.bias")),
        "attn_v.bias" => plain(format!("{at}.self_attn.v_proj.bias")),
        "attn_output.bias" => plain(format!("{at}.self_attn.o_proj.bias")),
        "attn_q_norm.weight" => plain(format!("{at}.self_attn.q_norm.weight")),
        "attn_k_norm.weight" => plain(format!("{at}.self_attn.k_norm.weight")),
        "ffn_gate_inp.weight" => plain(format!("{at}.{block}.gate.weight")),
        "ffn_gate.weight" => plain(format!("{at}.mlp.gate_proj.weight")),
        "ffn_up.weight" => plain(format!("{at}.mlp.up_proj.weight")),
        "ffn_down.weight" => plain(format!("{at}.mlp.down_proj.weight")),
        _ => match part.strip_suffix(".weight")?.split_once('.') {
            // Older files have a tensor for each expert.
            Some((part, of)) => plain(expert(part)?.name(spec, index(of, spec.experts)?)),
            None => expert(part.strip_suffix("_exps.weight")?).map(Place::Experts),
        },
    }
}

/// A number below `end` in its one spelling.
fn index(text: &str, end: usize) -> Option<usize> {
    text.parse().ok().filter(|index: &usize| *index < end && index.to_string() == text)
}

//! SentencePiece BPE, `tokenizer.ggml.model` = `llama`: pieces with scores, bytes where there is no piece.
//!
//! Source of the way from scores to merges: the converter of Hugging Face transformers for Llama's tokenizer.

use super::{Metadata, Vocabulary};
use crate::text::TextError;
use std::collections::HashMap;
use tokenizers::Tokenizer;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::utils::Sequence as Normalizers;
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace};

/// Stands for a space.
const SPACE: &str = "▁";

pub(super) fn tokenizer(
    metadata: &Metadata<'_>,
    vocabulary: &Vocabulary<'_>,
) -> Result<Tokenizer, TextError> {
    let malformed = |error: tokenizers::Error| metadata.malformed(error);
    let scores = metadata.list("scores", serde_json::Value::as_f64)?;
    let scores = scores.ok_or_else(|| metadata.wrong("scores", "list"))?;
    if vocabulary.tokens.last().is_some_and(|token| token.id as usize >= scores.len()) {
        return Err(metadata.malformed(format!("it has only {} scores", scores.len())));
    }
    let mut bpe = BPE::builder()
        .vocab_and_merges(vocabulary.ids(), merges(vocabulary, &scores))
        .fuse_unk(true)
        .byte_fallback(true);
    if let Some(unknown) = metadata.id("unknown_token_id").or(Some(0)).and_then(|id| vocabulary.text(id)) {
        bpe = bpe.unk_token(unknown.to_owned());
    }
    let mut tokenizer = Tokenizer::new(bpe.build().map_err(malformed)?);
    let prefix = metadata.flag("add_space_prefix")?.unwrap_or(true);
    let mut normalizers: Vec<NormalizerWrapper> = Vec::new();
    let mut decoders: Vec<DecoderWrapper> = vec![
        Replace::new(SPACE, " ").map_err(malformed)?.into(),
        ByteFallback::new().into(),
        Fuse::new().into(),
    ];
    if prefix {
        normalizers.push(Prepend::new(SPACE.to_owned()).into());
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    normalizers.push(Replace::new(" ", SPACE).map_err(malformed)?.into());
    tokenizer.with_normalizer(Some(Normalizers::new(normalizers))).map_err(malformed)?;
    tokenizer.with_decoder(Some(Decoders::new(decoders)));
    Ok(tokenizer)
}

/// The merges, best first: every way to make a token of two, by the token's score.
fn merges(vocabulary: &Vocabulary<'_>, scores: &[f64]) -> Vec<(String, String)> {
    let ids: HashMap<&str, u32> = vocabulary.tokens.iter().map(|token| (token.text, token.id)).collect();
    let mut merges = Vec::new();
    for token in vocabulary.tokens.iter().filter(|token| token.is_normal) {
        let cuts = token.text.char_indices().skip(1).map(|(at, _)| token.text.split_at(at));
        let pairs = cuts.filter_map(|(left, right)| Some(((*ids.get(left)?, *ids.get(right)?), left, right)));
        merges.extend(
            pairs.map(|(pair, left, right)| (scores[token.id as usize], token.id, pair, left, right)),
        );
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    merges.into_iter().map(|(_, _, _, left, right)| (left.to_owned(), right.to_owned())).collect()
}

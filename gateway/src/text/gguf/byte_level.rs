//! Byte-level BPE, `tokenizer.ggml.model` = `gpt2`: merges over bytes, within the pieces a pattern cuts.
//!
//! Sources of the patterns: the `tokenizer.json` of the models that the names stand for; of `default`, the reader
//! that made the name up.

use super::{Metadata, Vocabulary};
use crate::text::TextError;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

/// What a value of `tokenizer.ggml.pre` stands for.
struct Pre {
    names: &'static [&'static str],
    /// Cut the text one after the other, each the pieces of the one before.
    patterns: &'static [&'static str],
    /// Whether texts are composed to NFC first.
    composes: bool,
    /// Whether a piece that is a token is that token, whatever the merges make of it.
    ignores_merges: bool,
    /// Whether a beginning is marked if the file does not say.
    bos: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DIGIT: &str = r"\p{N}";

const PLAIN: Pre = Pre { names: &[], patterns: &[GPT2], composes: false, ignores_merges: false, bos: false };

const PRES: [Pre; 7] = [
    Pre { names: &["gpt-2", "mpt", "phi-2", "jais", "exaone4"], ..PLAIN },
    Pre { names: &["olmo"], composes: true, ..PLAIN },
    Pre { names: &["qwen2", "deepseek-r1-qwen", "megrez"], patterns: &[QWEN2], composes: true, ..PLAIN },
    Pre {
        names: &["llama-bpe", "llama3", "llama-v3"],
        patterns: &[LLAMA3],
        ignores_merges: true,
        bos: true,
        ..PLAIN
    },
    Pre { names: &["dbrx", "smaug-bpe"], patterns: &[LLAMA3], ..PLAIN },
    Pre {
        names: &["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"],
        patterns: &[DIGIT, GPT2],
        ..PLAIN
    },
    Pre {
        names: &["default"],
        patterns: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
        ..PLAIN
    },
];

/// The tokenizer, and whether it marks a beginning if the metadata do not say.
pub(super) fn tokenizer(
    metadata: &Metadata<'_>,
    vocabulary: &Vocabulary<'_>,
) -> Result<(Tokenizer, bool), TextError> {
    // Files from before there was such a key are read as `default`, as their makers did.
    let name = if metadata.get("pre").is_some() { metadata.text("pre")? } else { "default" };
    let Some(pre) = PRES.iter().find(|pre| pre.names.contains(&name)) else {
        let known = PRES.iter().flat_map(|pre| pre.names).copied().collect::<Vec<_>>().join(", ");
        let why = format!("`tokenizer.ggml.pre` is `{name}`, which is not known; known: {known}");
        return Err(metadata.unsupported(why));
    };
    let merges = metadata.list("merges", |merge| {
        // A token of spaces may stand first; the space that separates comes after it.
        let text = merge.as_str()?;
        let (at, _) = text.char_indices().skip(1).find(|(_, char)| *char == ' ')?;
        Some((text[..at].to_owned(), text[at + 1..].to_owned()))
    })?;
    let merges = merges.ok_or_else(|| metadata.wrong("merges", "list"))?;
    let bpe = BPE::builder().vocab_and_merges(vocabulary.ids(), merges).ignore_merges(pre.ignores_merges);
    let mut tokenizer = Tokenizer::new(bpe.build().map_err(|error| metadata.malformed(error))?);
    if pre.composes {
        tokenizer.with_normalizer(Some(NFC)).map_err(|error| metadata.malformed(error))?;
    }
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    for pattern in pre.patterns {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        steps.push(split.map_err(|error| metadata.malformed(error))?.into());
    }
    steps.push(ByteLevel::new(false, true, false).into());
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    Ok((tokenizer, pre.bos))
}

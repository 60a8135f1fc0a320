//! Writes logits for llama.cpp: the file of `llama-perplexity --kl-divergence-base`, from which its `--kl-divergence` takes tokens
//! and logits of a reference, so that another engine's tool compares the two on the same tokens.
//!
//! Layout, little-endian: `_logits_`; i32 each: tokens of a window, vocabulary, windows; the windows' tokens, i32 each; then for
//! every window, for each token from the middle to the last but one: f32 step, f32 least, and a u16 for each token of the
//! vocabulary (and one more if that is odd). A log probability is `least + step x u16`. Logits of 16 below the best and less become 0.

use std::io::Write;

/// Writes one file.
pub(super) struct LogitsFile<W> {
    out: W,
    window: usize,
}

impl<W: Write> LogitsFile<W> {
    /// Begins with all `windows`, which are equally long. The rows of the second half of each must follow.
    pub(super) fn begin(mut out: W, vocab: usize, windows: &[Vec<u32>]) -> std::io::Result<Self> {
        let window = windows.first().map_or(0, Vec::len);
        out.write_all(b"_logits_")?;
        let sizes = [window, vocab, windows.len()].map(|size| size as u32);
        for number in sizes.iter().chain(windows.iter().flatten()) {
            out.write_all(&number.to_le_bytes())?;
        }
        Ok(Self { out, window })
    }

    /// Takes the logits after the token at `row` of a window; in order. Those of the first half are not kept.
    pub(super) fn add(&mut self, row: usize, logits: &[f32]) -> std::io::Result<()> {
        if row < self.window / 2 {
            return Ok(());
        }
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let least = logits.iter().copied().fold(f32::INFINITY, f32::min).max(most - 16.0);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
        let step = (most - least) / 65535.0;
        self.out.write_all(&step.to_le_bytes())?;
        self.out.write_all(&(least - most - sum.ln() as f32).to_le_bytes())?;
        // What is below the least becomes 0, and so does everything where all are equal.
        let code =
            |logit: &f32| if step > 0.0 { ((logit - least) / step).round_ties_even() as u16 } else { 0 };
        let mut codes: Vec<u8> = logits.iter().flat_map(|logit| code(logit).to_le_bytes()).collect();
        codes.resize(codes.len().next_multiple_of(4), 0);
        self.out.write_all(&codes)
    }

    /// What is not written yet is written.
    pub(super) fn end(mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_one_that_llama_cpp_reads() {
        let mut bytes = Vec::new();
        let mut file = LogitsFile::begin(&mut bytes, 3, &[vec![7, 8, 9, 1]]).unwrap();
        for row in 0..3 {
            file.add(row, &[1.0, 3.0, -50.0 + 20.0 * row as f32]).unwrap();
        }
        file.end().unwrap();
        let words: Vec<u32> =
            bytes[8..36].chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        assert_eq!((&bytes[..8], &words[..]), (&b"_logits_"[..], &[4, 3, 1, 7, 8, 9, 1][..]));
        // Of four tokens the third alone is in the second half and has one after it.
        assert_eq!(bytes.len(), 36 + 8 + 8);
        let float = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let code =
            |token: usize| u16::from_le_bytes(bytes[44 + 2 * token..46 + 2 * token].try_into().unwrap());
        assert_eq!((code(1), code(2), code(3)), (65535, 0, 0));
        let log_probs = [0, 1].map(|token| float(40) + float(36) * f32::from(code(token)));
        let expected = [-2.0 - (1.0 + (-2.0_f32).exp()).ln(), -(1.0 + (-2.0_f32).exp()).ln()];
        assert!(
            log_probs.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-4),
            "{log_probs:?} {expected:?}"
        );
    }
}

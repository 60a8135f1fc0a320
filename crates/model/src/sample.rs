//! From logits to a token.
//!
//! Keeps true: the token is a function of (logits, parameters, seed, position): no state is carried from one
//! token to the next, so a step that is computed again draws again the same.

use conclave_types::{Digest, TokenId};
use std::collections::BTreeMap;

/// How to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// 0: greedy. Range 0..=2.
    pub temperature: f32,
    /// Keep the smallest set of tokens whose probability reaches this. Range (0, 1].
    pub top_p: f32,
    /// Keep this many tokens; 0: all.
    pub top_k: u32,
    /// Keep tokens at least this times as likely as the best. Range 0..=1.
    pub min_p: f32,
    /// Subtracted per earlier occurrence in the answer. Range -2..=2.
    pub frequency_penalty: f32,
    /// Subtracted once if the token occurs in the answer. Range -2..=2.
    pub presence_penalty: f32,
    /// Divides positive and multiplies negative logits of tokens seen in prompt or answer. 1: off.
    pub repetition_penalty: f32,
    /// Added to the logits of single tokens. Range -100..=100.
    pub logit_bias: BTreeMap<TokenId, f32>,
    /// Decides every draw.
    pub seed: u64,
}

/// A token with its log probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The token.
    pub token: TokenId,
    /// Natural logarithm of its probability under the unscaled, unpenalised logits.
    pub logprob: f32,
}

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The token.
    pub token: TokenId,
    /// Its log probability, if asked for.
    pub logprob: Option<f32>,
    /// The most likely tokens, best first; as many as asked for.
    pub top: Vec<TokenLogprob>,
}

/// A uniform number in [0, 1) that depends on seed and position alone.
fn uniform(seed: u64, position: u64) -> f64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&position.to_le_bytes());
    let digest = Digest::of(&bytes).0;
    let word = u64::from_le_bytes(digest[..8].try_into().expect("eight bytes"));
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

/// `logits - log(sum(exp(logits)))` in f64, token order.
pub fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
    logits.iter().map(|logit| (f64::from(logit - max) - sum.ln()) as f32).collect()
}

/// The order of two logits: higher first, then lower id.
fn better(logits: &[f32], a: u32, b: u32) -> std::cmp::Ordering {
    logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b))
}

/// Chooses the token at `position` (the number of tokens before it).
///
/// - `logits`: `[vocab]`, finite; `prompt` and `answer`: the tokens so far, for the penalties.
/// - `logprobs`: `None`, or how many alternatives to report besides the chosen one.
pub fn sample(
    logits: &[f32],
    params: &SamplingParams,
    prompt: &[TokenId],
    answer: &[TokenId],
    position: u64,
    logprobs: Option<u32>,
) -> Sampled {
    let mut scores = logits.to_vec();
    if params.repetition_penalty != 1.0 {
        let mut seen: Vec<TokenId> = prompt.iter().chain(answer).copied().collect();
        seen.sort_unstable();
        seen.dedup();
        for token in seen {
            let score = &mut scores[token.0 as usize];
            *score = if *score > 0.0 {
                *score / params.repetition_penalty
            } else {
                *score * params.repetition_penalty
            };
        }
    }
    if params.frequency_penalty != 0.0 || params.presence_penalty != 0.0 {
        let mut counts = BTreeMap::<TokenId, f32>::new();
        answer.iter().for_each(|token| *counts.entry(*token).or_default() += 1.0);
        for (token, count) in counts {
            scores[token.0 as usize] -= count * params.frequency_penalty + params.presence_penalty;
        }
    }
    for (token, bias) in &params.logit_bias {
        scores[token.0 as usize] += bias;
    }
    let token = TokenId(choose(&scores, params, position));
    let Some(alternatives) = logprobs else { return Sampled { token, logprob: None, top: Vec::new() } };
    let logs = log_softmax(logits);
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_unstable_by(|a, b| better(logits, *a, *b));
    let top = order
        .into_iter()
        .take(alternatives as usize)
        .map(|id| TokenLogprob { token: TokenId(id), logprob: logs[id as usize] })
        .collect();
    Sampled { token, logprob: Some(logs[token.0 as usize]), top }
}

fn choose(scores: &[f32], params: &SamplingParams, position: u64) -> u32 {
    let best =
        (0..scores.len() as u32).min_by(|a, b| better(scores, *a, *b)).expect("a vocabulary has tokens");
    if params.temperature == 0.0 {
        return best;
    }
    let max = scores[best as usize];
    let temperature = f64::from(params.temperature);
    let weight = |id: u32| (f64::from(scores[id as usize] - max) / temperature).exp();
    let mut kept: Vec<u32> = (0..scores.len() as u32).collect();
    kept.sort_unstable_by(|a, b| better(scores, *a, *b));
    if params.top_k > 0 {
        kept.truncate(params.top_k as usize);
    }
    if params.min_p > 0.0 {
        kept.retain(|id| weight(*id) >= f64::from(params.min_p));
    }
    if params.top_p < 1.0 {
        let total: f64 = kept.iter().map(|id| weight(*id)).sum();
        let mut sum = 0.0;
        let reached = kept.iter().position(|id| {
            sum += weight(*id);
            sum >= f64::from(params.top_p) * total
        });
        kept.truncate(reached.map_or(kept.len(), |at| at + 1));
    }
    let total: f64 = kept.iter().map(|id| weight(*id)).sum();
    let mut left = uniform(params.seed, position) * total;
    for id in &kept {
        left -= weight(*id);
        if left < 0.0 {
            return *id;
        }
    }
    *kept.last().unwrap_or(&best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> SamplingParams {
        SamplingParams {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repetition_penalty: 1.0,
            logit_bias: BTreeMap::new(),
            seed: 7,
        }
    }

    #[test]
    fn greedy_takes_the_best_and_the_lowest_id_on_a_tie() {
        let params = SamplingParams { temperature: 0.0, ..params() };
        assert_eq!(sample(&[0.0, 3.0, 3.0], &params, &[], &[], 0, None).token, TokenId(1));
    }

    #[test]
    fn the_same_seed_and_position_draw_the_same_token() {
        let logits: Vec<f32> = (0..50).map(|i| (i as f32 * 0.37).sin()).collect();
        let draw = |position| sample(&logits, &params(), &[], &[], position, None).token;
        assert_eq!(draw(3), draw(3));
        let distinct: std::collections::BTreeSet<_> = (0..50).map(draw).collect();
        assert!(distinct.len() > 10, "fifty positions gave only {} tokens", distinct.len());
    }

    #[test]
    fn draws_follow_the_distribution() {
        let logits = [0.0, (3.0_f32).ln()];
        let ones =
            (0..4000).filter(|p| sample(&logits, &params(), &[], &[], *p, None).token == TokenId(1)).count();
        assert!((2800..3200).contains(&ones), "expected about 3000 of 4000, got {ones}");
    }

    #[test]
    fn top_k_top_p_and_min_p_cut_the_tail() {
        let logits = [5.0, 4.0, 0.0, -5.0];
        for params in [
            SamplingParams { top_k: 2, ..params() },
            SamplingParams { top_p: 0.9, ..params() },
            SamplingParams { min_p: 0.1, ..params() },
        ] {
            assert!((0..200).all(|p| sample(&logits, &params, &[], &[], p, None).token.0 < 2), "{params:?}");
        }
    }

    #[test]
    fn penalties_and_bias_move_the_choice() {
        let greedy = SamplingParams { temperature: 0.0, ..params() };
        let logits = [1.0, 1.5, 0.0];
        let seen = [TokenId(1)];
        let pick = |params: &SamplingParams| sample(&logits, params, &[], &seen, 0, None).token.0;
        assert_eq!(pick(&greedy), 1);
        assert_eq!(pick(&SamplingParams { presence_penalty: 1.0, ..greedy.clone() }), 0);
        assert_eq!(pick(&SamplingParams { frequency_penalty: 1.0, ..greedy.clone() }), 0);
        assert_eq!(pick(&SamplingParams { repetition_penalty: 2.0, ..greedy.clone() }), 0);
        assert_eq!(pick(&SamplingParams { logit_bias: [(TokenId(2), 9.0)].into(), ..greedy.clone() }), 2);
    }

    #[test]
    fn logprobs_come_from_the_plain_logits() {
        let greedy = SamplingParams { temperature: 0.0, logit_bias: [(TokenId(0), 9.0)].into(), ..params() };
        let sampled = sample(&[0.0, 0.0], &greedy, &[], &[], 0, Some(2));
        assert!((sampled.logprob.unwrap() - 0.5_f32.ln()).abs() < 1e-6);
        assert_eq!(sampled.top.len(), 2);
    }
}

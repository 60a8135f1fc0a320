//! From logits to a token.
//!
//! Keeps true: the token is a function of (logits, parameters, seed, position): no state is carried from one
//! token to the next, so a step that is computed again draws again the same.

use conclave_types::{Digest, TokenId};
use std::borrow::Cow;
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

/// The logarithm of the sum of the exponentials of `logits`, less their largest, in f64; and that largest.
fn log_sum(logits: &[f32]) -> (f32, f64) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
    (max, sum.ln())
}

/// `logits - log(sum(exp(logits)))` in f64, token order.
pub fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let (max, log) = log_sum(logits);
    logits.iter().map(|logit| (f64::from(logit - max) - log) as f32).collect()
}

/// A number whose order is the order of logits: that of `f32::total_cmp`.
fn rank(logit: f32) -> i32 {
    let bits = logit.to_bits() as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

/// The best token: the highest logit, the lowest id on a tie.
pub fn argmax(logits: &[f32]) -> u32 {
    // The largest number first, its place second: two plain loops that become vector instructions.
    let best = logits.iter().map(|logit| rank(*logit)).max().expect("a vocabulary has tokens");
    logits.iter().position(|logit| rank(*logit) == best).expect("the maximum is somewhere") as u32
}

/// A token and its logit as one number that is lower for what is better: a higher logit, then a lower id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u64);

impl Candidate {
    fn new(id: u32, logit: f32) -> Self {
        let descending = !(rank(logit) as u32 ^ 0x8000_0000);
        Self(u64::from(descending) << 32 | u64::from(id))
    }

    fn id(self) -> u32 {
        self.0 as u32
    }
}

/// Candidates best first, put in order only as far as they are read.
struct Best {
    candidates: Vec<Candidate>,
    /// How many are in order; the others are worse than these.
    ordered: usize,
}

impl Best {
    fn of(logits: &[f32]) -> Self {
        let candidates = logits.iter().enumerate().map(|(id, logit)| Candidate::new(id as u32, *logit));
        Self { candidates: candidates.collect(), ordered: 0 }
    }

    /// Keeps the best `count`.
    fn truncate(&mut self, count: usize) {
        self.order(count);
        self.candidates.truncate(count);
    }

    /// Puts at least the best `count` in order, as far as there are so many.
    fn order(&mut self, count: usize) {
        let count = count.min(self.candidates.len());
        if count <= self.ordered {
            return;
        }
        let rest = &mut self.candidates[self.ordered..];
        let wanted = count - self.ordered;
        if wanted < rest.len() {
            rest.select_nth_unstable(wanted - 1);
        }
        rest[..wanted].sort_unstable();
        self.ordered = count;
    }

    /// The first candidate from the best on at which `stop` holds, and its place.
    fn find(&mut self, mut stop: impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        // A draw seldom goes deep; each further reach is eight times as far.
        let mut reach = 64;
        let mut at = 0;
        while at < self.candidates.len() {
            self.order(reach);
            reach *= 8;
            while at < self.ordered {
                let id = self.candidates[at].id();
                if stop(id) {
                    return Some((at, id));
                }
                at += 1;
            }
        }
        None
    }
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
    let token = TokenId(choose(&scores(logits, params, prompt, answer), params, position));
    let Some(alternatives) = logprobs else { return Sampled { token, logprob: None, top: Vec::new() } };
    let (max, log) = log_sum(logits);
    let logprob = |id: u32| (f64::from(logits[id as usize] - max) - log) as f32;
    let mut best = Best::of(logits);
    best.truncate(alternatives as usize);
    let top = best.candidates.iter().map(|candidate| candidate.id());
    let top = top.map(|id| TokenLogprob { token: TokenId(id), logprob: logprob(id) }).collect();
    Sampled { token, logprob: Some(logprob(token.0)), top }
}

/// The logits after penalties and biases; most requests have none.
fn scores<'a>(
    logits: &'a [f32],
    params: &SamplingParams,
    prompt: &[TokenId],
    answer: &[TokenId],
) -> Cow<'a, [f32]> {
    let mut scores = Cow::Borrowed(logits);
    if params.repetition_penalty != 1.0 {
        let mut seen: Vec<TokenId> = prompt.iter().chain(answer).copied().collect();
        seen.sort_unstable();
        seen.dedup();
        for token in seen {
            let score = &mut scores.to_mut()[token.0 as usize];
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
            scores.to_mut()[token.0 as usize] -= count * params.frequency_penalty + params.presence_penalty;
        }
    }
    for (token, bias) in &params.logit_bias {
        scores.to_mut()[token.0 as usize] += bias;
    }
    scores
}

fn choose(scores: &[f32], params: &SamplingParams, position: u64) -> u32 {
    let best = argmax(scores);
    if params.temperature == 0.0 {
        return best;
    }
    let max = scores[best as usize];
    let temperature = f64::from(params.temperature);
    let weight = |id: u32| (f64::from(scores[id as usize] - max) / temperature).exp();
    let mut kept = Best::of(scores);
    if params.top_k > 0 {
        kept.truncate(params.top_k as usize);
    }
    if params.min_p > 0.0 {
        // Whoever is kept weighs as much as all that are better: they are the first ones.
        let first_out = kept.find(|id| weight(id) < f64::from(params.min_p));
        kept.candidates.truncate(first_out.map_or(kept.candidates.len(), |(at, _)| at));
        kept.ordered = kept.ordered.min(kept.candidates.len());
    }
    // In the order of tokens where nothing is in order yet, so that a sum needs no sort.
    let total = |kept: &Best| -> f64 { kept.candidates.iter().map(|kept| weight(kept.id())).sum() };
    let mut whole = total(&kept);
    if params.top_p < 1.0 {
        let mut sum = 0.0;
        let reached = kept.find(|id| {
            sum += weight(id);
            sum >= f64::from(params.top_p) * whole
        });
        if let Some((at, _)) = reached {
            kept.truncate(at + 1);
            whole = sum;
        }
    }
    let mut left = uniform(params.seed, position) * whole;
    let drawn = kept.find(|id| {
        left -= weight(id);
        left < 0.0
    });
    // Rounding may leave a crumb after the last one.
    drawn.map_or_else(|| kept.candidates.last().map_or(best, |kept| kept.id()), |(_, id)| id)
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

    /// [`choose`] as one would write it down: everything in order, then cut, then drawn.
    fn choose_plainly(scores: &[f32], params: &SamplingParams, position: u64) -> u32 {
        let mut kept: Vec<u32> = (0..scores.len() as u32).collect();
        kept.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
        let best = kept[0];
        if params.temperature == 0.0 {
            return best;
        }
        let weight = |id: &u32| {
            (f64::from(scores[*id as usize] - scores[best as usize]) / f64::from(params.temperature)).exp()
        };
        if params.top_k > 0 {
            kept.truncate(params.top_k as usize);
        }
        kept.retain(|id| weight(id) >= f64::from(params.min_p));
        let total: f64 = kept.iter().map(weight).sum();
        let mut sum = 0.0;
        let reached = kept.iter().position(|id| {
            sum += weight(id);
            params.top_p < 1.0 && sum >= f64::from(params.top_p) * total
        });
        kept.truncate(reached.map_or(kept.len(), |at| at + 1));
        let mut left = uniform(params.seed, position) * kept.iter().map(weight).sum::<f64>();
        let drawn = kept.iter().find(|id| {
            left -= weight(id);
            left < 0.0
        });
        *drawn.unwrap_or(kept.last().unwrap())
    }

    #[test]
    fn the_choice_is_that_of_sorting_everything() {
        for case in 0..4000_u64 {
            let draw = |what: u64| uniform(case, what);
            let pick = |what, from: &[f32]| from[(draw(what) * from.len() as f64) as usize];
            let vocab = 1 + (draw(0) * 700.0) as u64;
            // Coarse steps, so that there are ties, zeros of both signs among them.
            let logits: Vec<f32> =
                (0..vocab).map(|id| ((draw(100 + id) * 40.0 - 20.0) as f32).round() * 0.37).collect();
            let params = SamplingParams {
                temperature: pick(1, &[0.0, 0.3, 1.0, 2.0]),
                top_p: pick(2, &[1.0, 0.95, 0.5, 0.01]),
                top_k: pick(3, &[0.0, 0.0, 1.0, 40.0, 10_000.0]) as u32,
                min_p: pick(4, &[0.0, 0.0, 0.05, 1.0]),
                seed: case,
                ..params()
            };
            let (found, plain) = (choose(&logits, &params, 3), choose_plainly(&logits, &params, 3));
            assert_eq!(found, plain, "case {case}: {params:?} over {vocab} tokens");
        }
    }

    #[test]
    fn the_alternatives_are_the_best_tokens_in_order() {
        let logits = [0.5, 2.0, -1.0, 2.0, 1.0];
        let sampled = sample(&logits, &params(), &[], &[], 0, Some(3));
        let logs = log_softmax(&logits);
        let top: Vec<(u32, f32)> = sampled.top.iter().map(|t| (t.token.0, t.logprob)).collect();
        assert_eq!(top, [(1, logs[1]), (3, logs[3]), (4, logs[4])]);
        assert_eq!(sampled.logprob, Some(logs[sampled.token.0 as usize]));
    }
}

//! How many prompt tokens a step may take beside running answers, so that nobody waits long for the next token.
//!
//! Keeps true: what it says follows from times that were measured here, and changes no bit of a result; prompts get half of
//! the time at least, however slow answers alone are. Told times, reads no clock.

use std::collections::BTreeMap;

/// Fewer prompt tokens than this are not worth reading the weights for.
const TOKENS_MIN: u32 = 16;
/// Weight of the newest time in the mean.
const NEWEST: f64 = 0.2;

/// Remembers what prompts and answers have cost.
#[derive(Debug)]
pub(super) struct Chunk {
    goal_seconds: f64,
    /// Of a prompt's token; 0 before the first.
    seconds_per_token: f64,
    /// Of steps without prompts, for each power of two of answers.
    answers: BTreeMap<u32, f64>,
}

/// Moves `mean` towards `now`, or there if it is the first.
fn smooth(mean: &mut f64, now: f64) {
    *mean += (now - *mean) * if *mean == 0.0 { 1.0 } else { NEWEST };
}

impl Chunk {
    /// Steps with both prompts and answers shall take `goal_seconds`.
    pub(super) fn new(goal_seconds: f64) -> Self {
        Self { goal_seconds, seconds_per_token: 0.0, answers: BTreeMap::new() }
    }

    /// What a step of `answers` alone takes, as far as is known.
    fn alone(&self, answers: u32) -> f64 {
        let size = answers.checked_ilog2().unwrap_or(0);
        self.answers.range(..=size).next_back().map_or(0.0, |(_, seconds)| *seconds)
    }

    /// Most prompt tokens of a step beside `answers`.
    pub(super) fn tokens(&self, answers: u32) -> u32 {
        if self.seconds_per_token == 0.0 {
            return u32::MAX;
        }
        let alone = self.alone(answers);
        let left = (self.goal_seconds - alone).max(alone);
        ((left / self.seconds_per_token) as u32).max(TOKENS_MIN)
    }

    /// A step of `answers` and `prompt_tokens` took `seconds`.
    pub(super) fn took(&mut self, answers: u32, prompt_tokens: u32, seconds: f64) {
        if prompt_tokens > 0 {
            let of_prompts = (seconds - self.alone(answers)).max(0.0);
            smooth(&mut self.seconds_per_token, of_prompts / f64::from(prompt_tokens));
        } else if let Some(size) = answers.checked_ilog2() {
            smooth(self.answers.entry(size).or_default(), seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of the last of many steps in which prompts wait beside `answers`, and its prompt tokens.
    fn settled(goal: f64, answers: u32, cost: impl Fn(u32, u32) -> f64) -> (f64, u32) {
        let mut chunk = Chunk::new(goal);
        let mut last = (0.0, 0);
        for step in 0..200 {
            let tokens = if step % 4 == 0 { 0 } else { chunk.tokens(answers).min(256) };
            let seconds = cost(answers, tokens);
            chunk.took(answers, tokens, seconds);
            if tokens > 0 {
                last = (seconds, tokens);
            }
        }
        last
    }

    #[test]
    fn steps_take_what_was_aimed_at() {
        // Reading the weights costs as much as 20 tokens, however many there are.
        let cost = |answers: u32, tokens: u32| {
            let read = if tokens > 0 { 20 } else { 0 };
            0.05 + f64::from(answers + tokens + read) * 0.001
        };
        let (seconds, tokens) = settled(0.15, 8, cost);
        assert!((seconds - 0.15).abs() < 0.01, "{seconds} s with {tokens}");
    }

    #[test]
    fn quick_prompts_are_not_cut() {
        assert_eq!(settled(0.15, 8, |_, tokens| 0.001 + f64::from(tokens) * 1e-5).1, 256);
    }

    #[test]
    fn prompts_get_half_of_the_time_where_answers_alone_miss_the_goal() {
        let (seconds, _) = settled(0.15, 8, |_, tokens| 0.4 + f64::from(tokens) * 0.004);
        assert!((seconds - 0.8).abs() < 0.05, "{seconds}");
    }

    #[test]
    fn prompts_go_on_whatever_they_cost() {
        assert_eq!(settled(0.15, 8, |_, tokens| 0.1 + f64::from(tokens)).1, TOKENS_MIN);
    }

    #[test]
    fn before_anything_is_known_nothing_is_cut() {
        let mut chunk = Chunk::new(0.15);
        assert_eq!(chunk.tokens(3), u32::MAX);
        // A prompt alone already tells.
        chunk.took(0, 100, 1.0);
        assert_eq!(chunk.tokens(3), TOKENS_MIN);
    }
}

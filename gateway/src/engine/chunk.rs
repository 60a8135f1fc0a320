//! How many prompt tokens a step may take beside running answers, so that nobody waits long for the next token.
//!
//! Keeps true: what it says follows from times that were measured here, and changes no bit of a result; prompts get half of
//! the time at least, however slow answers alone are. Told times, reads no clock.

use std::collections::BTreeMap;

/// Fewer prompt tokens than this are not worth reading the weights for.
const TOKENS_MIN: u32 = 16;
/// Weight of the newest time in the mean.
const NEWEST: f64 = 0.2;
/// Deviations above the mean that a prompt's token is taken to cost: users see the slow steps, not the mean.
const CAUTION: f64 = 2.0;

/// Remembers what prompts and answers have cost.
#[derive(Debug)]
pub(super) struct Chunk {
    goal_seconds: f64,
    /// Of a prompt's token; 0 before the first.
    seconds_per_token: f64,
    /// How far that was off, in the mean.
    deviation: f64,
    /// Of steps without prompts, for each power of two of answers.
    answers: BTreeMap<u32, f64>,
}

/// Moves `mean` towards `now`, or there if it is the first; how far off it was.
fn smooth(mean: &mut f64, now: f64) -> f64 {
    if *mean == 0.0 {
        *mean = now;
    }
    let off = now - *mean;
    *mean += off * NEWEST;
    off.abs()
}

impl Chunk {
    /// Steps with both prompts and answers shall take no longer than `goal_seconds`, nearly all of them.
    pub(super) fn new(goal_seconds: f64) -> Self {
        Self { goal_seconds, seconds_per_token: 0.0, deviation: 0.0, answers: BTreeMap::new() }
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
        let seconds_per_token = self.seconds_per_token + CAUTION * self.deviation;
        ((left / seconds_per_token) as u32).max(TOKENS_MIN)
    }

    /// A step of `answers` and `prompt_tokens` took `seconds`.
    pub(super) fn took(&mut self, answers: u32, prompt_tokens: u32, seconds: f64) {
        if prompt_tokens > 0 {
            let of_prompts = (seconds - self.alone(answers)).max(0.0);
            let off = smooth(&mut self.seconds_per_token, of_prompts / f64::from(prompt_tokens));
            self.deviation += (off - self.deviation) * NEWEST;
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
    fn where_times_vary_few_steps_miss_the_goal() {
        let mut chunk = Chunk::new(0.15);
        let mut state = 7_u64;
        let (mut late, mut all) = (0, 0.0);
        for step in 0..2000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Some steps take up to a third longer.
            let noise = 1.0 + f64::from((state >> 40) as u32) / f64::from(1 << 24) / 3.0;
            let tokens = if step % 4 == 0 { 0 } else { chunk.tokens(8).min(256) };
            let seconds = (0.05 + f64::from(tokens) * 0.001) * noise;
            chunk.took(8, tokens, seconds);
            late += u32::from(seconds > 0.155);
            all += f64::from(tokens);
        }
        assert!(late < 30, "{late} of 1500 steps were late");
        assert!(all / 1500.0 > 50.0, "{all} prompt tokens in 1500 steps: too cautious");
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

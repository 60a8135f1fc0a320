//! Synthetic prompts of a wanted number of tokens, without a tokenizer. Pure.
//!
//! Keeps true: the same seed gives the same prompts. How many tokens a word has is learnt from the server's `usage`
//! (`calibrate.rs`): words behind a space do not melt into each other, so that costs add up.

use crate::random::Random;

/// Every synthetic prompt begins with it.
pub(crate) const ANCHOR: &str = "Read:";
/// Common words, most of them one token for most tokenizers.
pub(crate) const WORDS: [&str; 24] = [
    "the", "and", "one", "day", "big", "red", "little", "dog", "cat", "tree", "sun", "house", "was", "to",
    "of", "in", "happy", "ball", "play", "said", "they", "with", "it", "a",
];
/// How often a word is repeated to learn its cost.
pub(crate) const REPEATS: u64 = 8;

/// The text by which a word's cost is learnt.
pub(crate) fn probe(word: &str) -> String {
    format!("{ANCHOR}{}", format!(" {word}").repeat(REPEATS as usize))
}

/// What words cost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Costs {
    /// Tokens of a prompt that is only the anchor, with all that the chat template adds.
    pub(crate) base: u64,
    /// Tokens of a word behind a space, for words where this is a whole number.
    words: Vec<(&'static str, u64)>,
}

impl Costs {
    /// From the prompt tokens of the anchor and of each word's probe; `None` if they make no sense.
    pub(crate) fn learn(base: u64, probes: &[(&'static str, u64)]) -> Option<Self> {
        let cost = |(word, tokens): &(&'static str, u64)| {
            let more = tokens.checked_sub(base)?;
            (more > 0 && more.is_multiple_of(REPEATS)).then_some((*word, more / REPEATS))
        };
        let words: Vec<(&'static str, u64)> = probes.iter().filter_map(cost).collect();
        (!words.is_empty()).then_some(Self { base, words })
    }

    /// For servers that count nothing: a token a word.
    pub(crate) fn guess() -> Self {
        Self { base: 8, words: WORDS.map(|word| (word, 1)).to_vec() }
    }

    /// Random words of `tokens` tokens, or as near below as the words allow.
    pub(crate) fn text(&self, mut tokens: u64, random: &mut Random) -> String {
        let mut text = String::new();
        loop {
            let fitting: Vec<&(&str, u64)> = self.words.iter().filter(|(_, cost)| *cost <= tokens).collect();
            if fitting.is_empty() {
                return text;
            }
            let (word, cost) = fitting[random.below(fitting.len() as u64) as usize];
            text.push(' ');
            text.push_str(word);
            tokens -= cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs() -> Costs {
        Costs::learn(10, &[("the", 18), ("little", 26), ("odd", 19), ("gone", 4)]).unwrap()
    }

    #[test]
    fn costs_are_whole_or_not_used() {
        assert_eq!(costs(), Costs { base: 10, words: vec![("the", 1), ("little", 2)] });
        assert_eq!(Costs::learn(10, &[("the", 10)]), None, "a server that counts nothing");
    }

    #[test]
    fn a_text_has_exactly_the_tokens_wanted() {
        for tokens in 0..50 {
            let text = costs().text(tokens, &mut Random::new(1, tokens));
            let found: u64 = text.split_whitespace().map(|word| if word == "the" { 1 } else { 2 }).sum();
            assert_eq!(found, tokens);
        }
    }

    #[test]
    fn a_probe_is_the_anchor_and_the_word_eight_times() {
        assert_eq!(probe("a"), "Read: a a a a a a a a");
    }
}

//! Stop strings in a stream of text.
//!
//! Keeps true: the text that comes out does not depend on how the stream is cut into chunks, and holds
//! nothing of the stop string that ends it. Knows no token.

/// Looks for stop strings across chunk boundaries.
///
/// The stop string that is complete first ends the stream; of those complete at the same character, the longest.
#[derive(Clone, Debug)]
pub struct StopMatcher {
    stops: Vec<String>,
    /// The end of the stream that may be the beginning of a stop string, and nothing more.
    held: String,
    stopped: bool,
}

/// What one chunk brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopStep {
    /// Text that belongs to the answer for certain.
    pub text: String,
    /// Whether a stop string is complete; the answer ends before it.
    pub stopped: bool,
}

impl StopMatcher {
    /// A matcher for `stops`; empty ones never match.
    pub fn new(stops: impl IntoIterator<Item = String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, held: String::new(), stopped: false }
    }

    /// Takes the next chunk. After a stop, every chunk is dropped.
    pub fn push(&mut self, chunk: &str) -> StopStep {
        if self.stopped {
            return StopStep { text: String::new(), stopped: true };
        }
        let seen = self.held.len();
        self.held += chunk;
        if let Some(start) = self.first_match(seen) {
            self.stopped = true;
            self.held.truncate(start);
            return StopStep { text: std::mem::take(&mut self.held), stopped: true };
        }
        let kept = self.held.split_off(self.possible_start());
        StopStep { text: std::mem::replace(&mut self.held, kept), stopped: false }
    }

    /// The text held back, at the end of a stream that no stop string ended.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the first complete stop string begins; ends up to `seen` were looked at before.
    fn first_match(&self, seen: usize) -> Option<usize> {
        let ends = self.held.char_indices().map(|(at, char)| at + char.len_utf8()).filter(|end| *end > seen);
        ends.filter_map(|end| {
            let complete = self.stops.iter().filter(|stop| self.held[..end].ends_with(stop.as_str()));
            complete.map(|stop| end - stop.len()).min()
        })
        .next()
    }

    /// Where the longest end of the text begins that begins a stop string.
    fn possible_start(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let from = (self.held.len() + 1).saturating_sub(longest);
        let mut starts = self.held.char_indices().map(|(at, _)| at).filter(|at| *at >= from);
        starts
            .find(|at| self.stops.iter().any(|stop| stop.starts_with(&self.held[*at..])))
            .unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::seed::seeded;
    use proptest::prelude::*;

    fn run(stops: &[&str], chunks: &[&str]) -> (Vec<String>, bool) {
        let mut matcher = StopMatcher::new(stops.iter().map(|stop| stop.to_string()));
        let mut texts: Vec<_> = chunks.iter().map(|chunk| matcher.push(chunk).text).collect();
        let stopped = matcher.stopped;
        texts.push(matcher.finish());
        (texts, stopped)
    }

    #[test]
    fn a_stop_string_across_chunks_ends_the_stream_before_it() {
        assert_eq!(
            run(&["END"], &["oneE", "N", "Dtwo", "x"]),
            (vec!["one".into(), "".into(), "".into(), "".into(), "".into()], true)
        );
    }

    #[test]
    fn only_the_longest_possible_beginning_is_held_back() {
        assert_eq!(run(&["END"], &["aEEN", "x"]), (vec!["aE".into(), "ENx".into(), "".into()], false));
        assert_eq!(run(&["\n\n"], &["a\n", "b\n"]), (vec!["a".into(), "\nb".into(), "\n".into()], false));
    }

    #[test]
    fn the_first_complete_stop_string_wins_and_of_two_the_longest() {
        assert_eq!(run(&["bc", "abcd"], &["xabcd"]), (vec!["xa".into(), "".into()], true));
        assert_eq!(run(&["bc", "abc"], &["xabcd"]), (vec!["x".into(), "".into()], true));
    }

    #[test]
    fn without_stop_strings_nothing_is_held_back() {
        assert_eq!(run(&[""], &["é", ""]), (vec!["é".into(), "".into(), "".into()], false));
    }

    /// The rule in the plainest words: the first prefix of the text that ends in a stop string.
    fn expected(stops: &[String], text: &str) -> (String, bool) {
        let ends = (1..=text.len()).filter(|end| text.is_char_boundary(*end));
        for end in ends {
            let longest =
                stops.iter().filter(|stop| text[..end].ends_with(stop.as_str())).map(String::len).max();
            if let Some(len) = longest {
                return (text[..end - len].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    proptest! {
        #![proptest_config(seeded())]

        #[test]
        fn the_answer_does_not_depend_on_the_chunks(
            stops in prop::collection::vec("[abé]{1,4}", 0..4),
            chunks in prop::collection::vec("[abéc]{0,4}", 0..12),
        ) {
            let mut matcher = StopMatcher::new(stops.clone());
            let mut text = String::new();
            let mut stopped = false;
            let mut fed = String::new();
            for chunk in &chunks {
                let step = matcher.push(chunk);
                text += &step.text;
                stopped = step.stopped;
                fed += chunk;
                if !stopped {
                    let held = &fed[text.len()..];
                    let longest = (0..=fed.len())
                        .filter(|at| fed.is_char_boundary(*at))
                        .map(|at| &fed[at..])
                        .find(|end| stops.iter().any(|stop| stop.starts_with(end) && stop != end));
                    prop_assert_eq!(held, longest.unwrap_or(""));
                }
            }
            if !stopped {
                text += &matcher.finish();
            }
            prop_assert_eq!((text, stopped), expected(&stops, &chunks.concat()));
        }
    }
}

//! Keeps messages from forging special tokens.
//!
//! A chat prompt is one text in which special tokens (role marks, end of turn) are parsed. A message that
//! contains the text of one, whole, or in two strings that the template puts side by side, must not
//! become one. So before rendering, a mark goes after the first character of whatever in a message is, or
//! at its end may become, the text of a special token; after rendering, what is marked is cut out as plain text.
//!
//! Keeps true: in the pieces to be parsed, the text of a special token never begins in a message; the
//! pieces joined are the text that the template renders without marks. Knows no template: a mark is one
//! character that occurs nowhere else, and is only put where it must be, so that templates see messages as
//! they are. Knows the text as it is written: a tokenizer that normalises before it looks for special tokens is
//! guarded only against what looks special before.

use serde_json::{Map, Value};
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// Never assigned, then private use: characters that mean nothing in text.
const MARKS: [RangeInclusive<char>; 2] = ['\u{FDD0}'..='\u{FDEF}', '\u{E000}'..='\u{F8FF}'];

/// The texts of all special tokens.
pub(super) struct Specials {
    texts: HashSet<String>,
    /// Every non-empty proper prefix of `texts`.
    prefixes: HashSet<String>,
}

/// A piece of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Special tokens in it are the template's.
    Parsed(String),
    /// What looks like a special token in it is somebody's text.
    Plain(String),
}

impl Specials {
    pub(super) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let texts: HashSet<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        let cuts = |text: &'_ String| {
            text.char_indices().skip(1).map(|(at, _)| text[..at].to_owned()).collect::<Vec<_>>()
        };
        let prefixes = texts.iter().flat_map(cuts).collect();
        Self { texts, prefixes }
    }

    /// The length in bytes of the longest special token that `text` begins with.
    fn longest_at(&self, text: &str) -> Option<usize> {
        self.ends(text).filter(|end| self.texts.contains(&text[..*end])).last()
    }

    /// Whether `text` begins with a special token, or would if something followed it.
    fn threatens(&self, text: &str) -> bool {
        self.ends(text).any(|end| self.texts.contains(&text[..end]) || end == text.len())
    }

    /// The ends of the prefixes of `text` from which a special token may still come, or is there.
    fn ends<'a>(&'a self, text: &'a str) -> impl Iterator<Item = usize> + 'a {
        let mut open = true;
        text.char_indices().map(|(at, char)| at + char.len_utf8()).take_while(move |end| {
            let here = open;
            open = self.prefixes.contains(&text[..*end]);
            here && (open || self.texts.contains(&text[..*end]))
        })
    }
}

/// The mark of one prompt.
pub(super) struct Guard<'a> {
    specials: &'a Specials,
    mark: char,
}

impl<'a> Guard<'a> {
    /// A guard whose mark occurs neither in `variables` nor in `template`; `None` if they use up all characters
    /// that may be marks.
    pub(super) fn new(
        specials: &'a Specials,
        variables: &Map<String, Value>,
        template: &str,
    ) -> Option<Self> {
        let mut used = HashSet::new();
        note_marks(template, &mut used);
        variables.iter().for_each(|(key, value)| {
            note_marks(key, &mut used);
            each_text(value, &mut |text| note_marks(text, &mut used));
        });
        let mark = MARKS.into_iter().flatten().find(|mark| !used.contains(mark))?;
        Some(Self { specials, mark })
    }

    /// Marks every text and every key within `value`.
    pub(super) fn protect(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.protect_text(text)),
            Value::Array(values) => values.into_iter().map(|value| self.protect(value)).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| (self.protect_text(key), self.protect(value))).collect()
            }
            other => other,
        }
    }

    fn protect_text(&self, text: String) -> String {
        // Templates trim messages, so what stands before trailing space may come to stand at the end.
        let trimmed = text.trim_end().len();
        let threat =
            |at: usize| self.specials.threatens(if at < trimmed { &text[at..trimmed] } else { &text[at..] });
        let first = text.char_indices().find(|(at, _)| threat(*at));
        let Some((first, _)) = first else { return text };
        let mut marked = text[..first].to_owned();
        for (at, char) in text[first..].char_indices() {
            marked.push(char);
            if threat(first + at) {
                marked.push(self.mark);
            }
        }
        marked
    }

    /// Takes the marks out and cuts what they guard out of the parsed pieces.
    pub(super) fn pieces(&self, rendered: &str) -> Vec<Piece> {
        let mut text = String::with_capacity(rendered.len());
        let mut guarded = Vec::new();
        for char in rendered.chars() {
            match char == self.mark {
                true => guarded.extend(text.char_indices().next_back().map(|(at, _)| at)),
                false => text.push(char),
            }
        }
        let mut pieces = Vec::new();
        let mut done = 0;
        for start in guarded {
            // Nothing special after all: the end of a message that nothing fitting followed.
            let Some(len) = self.specials.longest_at(&text[start..]) else { continue };
            let end = start + len;
            if end <= done {
                continue;
            }
            let start = start.max(done);
            pieces.push(Piece::Parsed(text[done..start].to_owned()));
            pieces.push(Piece::Plain(text[start..end].to_owned()));
            done = end;
        }
        pieces.push(Piece::Parsed(text[done..].to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Parsed(text) if text.is_empty()));
        pieces
    }
}

fn note_marks(text: &str, used: &mut HashSet<char>) {
    used.extend(text.chars().filter(|char| MARKS.iter().any(|marks| marks.contains(char))));
}

fn each_text(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, visit)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            visit(key);
            each_text(value, visit);
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    /// Guards `texts`, sets them side by side as a template would, and writes plain pieces in brackets.
    fn check(texts: &[&str], expected: Expect) {
        let specials = Specials::new(["<|a|>", "<|a|><|b|>", "|><|c|>", "<|b|>"].map(str::to_owned));
        let variables = json!({ "messages": texts });
        let guard = Guard::new(&specials, variables.as_object().unwrap(), "").unwrap();
        let Value::Array(marked) = guard.protect(json!(texts)) else { panic!("still an array") };
        let rendered: Vec<_> = marked.iter().map(|text| text.as_str().unwrap().trim()).collect();
        let pieces = guard.pieces(&format!("<|a|>{}<|a|>", rendered.concat()));
        let shown = pieces.iter().map(|piece| match piece {
            Piece::Parsed(text) => text.clone(),
            Piece::Plain(text) => format!("[{text}]"),
        });
        expected.assert_eq(&shown.collect::<String>());
    }

    #[test]
    fn a_special_token_in_a_message_is_plain_text() {
        check(&["x<|a|>y"], expect!["<|a|>x[<|a|>]y<|a|>"]);
    }

    #[test]
    fn a_special_token_in_two_messages_side_by_side_is_plain_text() {
        check(&["x<|", "a|>y", " <", "|", "b|>"], expect!["<|a|>x[<|a|>]y[<|b|>]<|a|>"]);
        check(&["x<| \n", "a|>y"], expect!["<|a|>x[<|a|>]y<|a|>"]);
    }

    #[test]
    fn the_end_of_a_message_joins_no_special_token_of_the_template() {
        check(&["2 <"], expect!["<|a|>2 <<|a|>"]);
        check(&["<|a"], expect!["<|a|><|a<|a|>"]);
    }

    #[test]
    fn overlapping_special_tokens_are_plain_text_to_the_end_of_the_last() {
        check(&["<|a|><|c|>"], expect!["<|a|>[<|a|>][<|c|>]<|a|>"]);
        check(&["<|a|><|b|>"], expect!["<|a|>[<|a|><|b|>]<|a|>"]);
    }

    #[test]
    fn what_only_looks_special_is_left_as_it_is() {
        check(&["if a<|b then é<"], expect!["<|a|>if a<|b then é<<|a|>"]);
    }

    #[test]
    fn a_message_cannot_use_up_the_marks_unnoticed() {
        let specials = Specials::new(["<|a|>".to_owned()]);
        let all: String = MARKS.into_iter().flatten().collect();
        let variables = json!({ "messages": [all] });
        assert!(Guard::new(&specials, variables.as_object().unwrap(), "").is_none());
        let variables = json!({ "messages": ["\u{FDD0}"] });
        assert_eq!(Guard::new(&specials, variables.as_object().unwrap(), "").unwrap().mark, '\u{FDD1}');
    }
}

//! Tokens to text, one token at a time.
//!
//! Keeps true: the chunks and the rest from `finish`, joined, are the text of all tokens; a chunk ends at
//! a whole character. Special tokens have no text. Knows nothing of stops.

use super::{TextCodec, TextError};
use conclave_types::TokenId;

/// Tokens held back before the settled part of broken text is let go. A character has at most 4 bytes, so more
/// tokens than that without a whole character at the end are not one character to come.
const HELD_MAX: usize = 8;

/// The text of one sequence, as its tokens arrive.
pub struct StreamDecoder {
    codec: TextCodec,
    /// The tokens of the last chunk, as context for decoders that treat the first token specially, then those
    /// that have given no text yet.
    window: Vec<TokenId>,
    /// How many of `window` have given their text.
    shown: usize,
}

impl StreamDecoder {
    pub(super) fn new(codec: TextCodec, context: &[TokenId]) -> Self {
        let window: Vec<_> = context.iter().copied().filter(|token| !codec.is_special(*token)).collect();
        Self { codec, shown: window.len(), window }
    }

    /// Takes the next token; returns the text that is complete now, often that of this token, sometimes none.
    pub fn push(&mut self, token: TokenId) -> Result<String, TextError> {
        if self.codec.is_special(token) {
            return Ok(String::new());
        }
        self.window.push(token);
        let text = self.codec.decode(&self.window)?;
        let shown = self.codec.decode(&self.window[..self.shown])?;
        if text.len() > shown.len() && !text.ends_with(char::REPLACEMENT_CHARACTER) {
            let new = self.new_text(&text, &shown)?;
            self.window.drain(..self.shown);
            self.shown = self.window.len();
            return Ok(new);
        }
        if self.window.len() - self.shown > HELD_MAX {
            return self.settle(&text, &shown);
        }
        Ok(String::new())
    }

    /// The text still held back: that of an unfinished character, if any.
    pub fn finish(self) -> Result<String, TextError> {
        let text = self.codec.decode(&self.window)?;
        let shown = self.codec.decode(&self.window[..self.shown])?;
        self.new_text(&text, &shown)
    }

    fn new_text(&self, text: &str, shown: &str) -> Result<String, TextError> {
        match text.strip_prefix(shown) {
            Some(new) => Ok(new.to_owned()),
            // Broken bytes can change the text before them in some decoders; what was sent stays sent.
            None => self.codec.decode(&self.window[self.shown..]),
        }
    }

    /// Lets go of all tokens but those at the end whose bytes may still become a character.
    fn settle(&mut self, text: &str, shown: &str) -> Result<String, TextError> {
        let len = self.window.len();
        for cut in (len - 4..len).rev() {
            let settled = self.codec.decode(&self.window[..cut])?;
            let rest = self.codec.decode(&self.window[cut..])?;
            // No character spans the cut.
            if text.strip_prefix(settled.as_str()) == Some(rest.as_str()) {
                let new = self.new_text(&settled, shown)?;
                self.window.drain(..cut - 1);
                self.shown = 1;
                return Ok(new);
            }
        }
        Ok(String::new())
    }
}

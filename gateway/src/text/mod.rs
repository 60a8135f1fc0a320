//! Text to tokens and back: tokenizer, chat template, incremental detokenising, stop strings.
//!
//! Keeps true: only the template writes special tokens into a chat prompt, never a message; a stream
//! of text chunks equals the text of all its tokens; no chunk breaks a character. Does not know what
//! ends a sequence: which token ids mean end of sequence is the model's to say and the engine's to judge.

mod codec;
mod date;
mod error;
mod folder;
mod gguf;
mod guard;
#[cfg(test)]
mod seed;
mod settings;
mod stop;
mod stream;
mod template;

pub use codec::TextCodec;
pub use error::TextError;
pub use stop::{StopMatcher, StopStep};
pub use stream::StreamDecoder;

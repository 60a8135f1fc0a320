//! Options that are one of a few words: what each is called, how it is read and shown.

/// Gives an enum `name`, `FromStr` and `Display` from one table of words; a wrong word is answered with all right ones.
macro_rules! choice {
    ($type:ident, $option:literal: $($variant:ident = $name:literal),+ $(,)?) => {
        impl $type {
            /// The word for it in options, manifests and logs.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($name => Ok(Self::$variant),)+
                    other => Err(format!(
                        "{} is `{other}`; it can be {}",
                        $option,
                        $crate::choice::listed(&[$($name),+])
                    )),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use choice;

/// `a, b or c`.
pub(crate) fn listed(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{DtypeChoice, KvDtypeChoice, WeightDtype};

    #[test]
    fn a_wrong_word_is_answered_with_the_right_ones() {
        let wrong = "q5".parse::<WeightDtype>().unwrap_err();
        assert_eq!(wrong, "dtype is `q5`; it can be auto, f32, bf16, q8 or q4");
        assert_eq!("".parse::<DtypeChoice>().unwrap_err(), "dtype is ``; it can be auto, f32 or bf16");
        assert_eq!("q8".parse::<KvDtypeChoice>().unwrap().to_string(), "q8");
    }
}

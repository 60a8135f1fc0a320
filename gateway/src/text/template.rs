//! The checkpoint's chat template, run as `transformers` runs it.
//!
//! Keeps true: a template's `raise_exception` is the client's error, in the template's own words.
//! Knows no token: it makes text.

use super::{TextError, date};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind};
use std::error::Error as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const NAME: &str = "chat";

/// A compiled chat template.
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
    pub(super) source: String,
}

/// What `raise_exception` was called with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

impl ChatTemplate {
    pub(super) fn compile(source: String, path: &Path) -> Result<Self, TextError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the default delimiters are valid"));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment.add_template_owned(NAME, source.clone()).map_err(|error| TextError::Malformed {
            path: path.to_owned(),
            why: format!("chat template: {error}"),
        })?;
        Ok(Self { environment, source })
    }

    /// Renders with `variables`, an object.
    pub(super) fn render(
        &self,
        variables: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<String, TextError> {
        let template = self.environment.get_template(NAME);
        template.and_then(|template| template.render(Value::from(Serde(variables)))).map_err(|error| {
            match raised(&error) {
                Some(why) => TextError::Refused { why },
                None => TextError::Render { why: error.to_string() },
            }
        })
    }
}

fn raised(error: &Error) -> Option<String> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(raised) = cause.downcast_ref::<Raised>() {
            return Some(raised.to_string());
        }
        source = cause.source();
    }
    None
}

fn raise_exception(why: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(why)))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date::strftime(format, now).map_err(|why| Error::new(ErrorKind::InvalidOperation, why))
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=indent)`. The engine's own filter escapes for HTML.
fn tojson(value: Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let json = serde_json::to_value(&value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "tojson").with_source(error))?;
    let mut out = String::new();
    dump(&json, indent, 0, &mut out);
    Ok(Value::from_safe_string(out))
}

fn dump(value: &serde_json::Value, indent: Option<usize>, depth: usize, out: &mut String) {
    use serde_json::Value::{Array, Object};
    let new_line = |depth: usize, out: &mut String| {
        if let Some(width) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width * depth));
        }
    };
    // Python puts a space after a comma only where no new line follows.
    let comma = if indent.is_some() { "," } else { ", " };
    match value {
        Array(values) if !values.is_empty() => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                *out += if at > 0 { comma } else { "" };
                new_line(depth + 1, out);
                dump(value, indent, depth + 1, out);
            }
            new_line(depth, out);
            out.push(']');
        }
        Object(map) if !map.is_empty() => {
            out.push('{');
            for (at, (key, value)) in map.iter().enumerate() {
                *out += if at > 0 { comma } else { "" };
                new_line(depth + 1, out);
                *out += &serde_json::Value::from(key.as_str()).to_string();
                *out += ": ";
                dump(value, indent, depth + 1, out);
            }
            new_line(depth, out);
            out.push('}');
        }
        plain => *out += &plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(source: &str, variables: serde_json::Value, expected: Expect) {
        let template = ChatTemplate::compile(source.to_owned(), Path::new("chat_template.jinja")).unwrap();
        let answer = template.render(variables.as_object().unwrap());
        expected
            .assert_eq(&answer.unwrap_or_else(|error| format!("{}: {error}", error.code().http_status())));
    }

    #[test]
    fn a_block_alone_on_its_line_leaves_no_trace() {
        check(
            "{% for m in messages %}\n  {% if m.role == 'user' %}\n[{{ m.content.strip() }}]\n  {% endif %}\n{% endfor %}\n",
            json!({"messages": [{"role": "user", "content": " hi "}]}),
            expect!["[hi]\n"],
        );
    }

    #[test]
    fn an_exception_of_the_template_is_the_clients_error() {
        check(
            "{% macro no() %}{{ raise_exception('roles must alternate') }}{% endmacro %}{{ no() }}",
            json!({}),
            expect!["400: the model's chat template refuses these messages: roles must alternate"],
        );
    }

    #[test]
    fn messages_that_the_template_cannot_handle_are_the_clients_error() {
        check(
            "{{ 'a' + content }}",
            json!({"content": null}),
            expect![
                "400: the model's chat template cannot render these messages: invalid operation: tried to use + operator on unsupported types string and none (in chat:1)"
            ],
        );
    }

    #[test]
    fn tojson_prints_as_python_does() {
        check(
            "{{ v | tojson }} {{ v | tojson(indent=2) }}",
            json!({"v": {"b": "<é'\">", "a": [1, 2.0, null, true], "e": {}}}),
            expect![[r#"
                {"b": "<é'\">", "a": [1, 2.0, null, true], "e": {}} {
                  "b": "<é'\">",
                  "a": [
                    1,
                    2.0,
                    null,
                    true
                  ],
                  "e": {}
                }"#]],
        );
    }

    #[test]
    fn a_template_may_ask_for_the_date() {
        let template = ChatTemplate::compile("{{ strftime_now('%Y') }}".into(), Path::new("x")).unwrap();
        assert!(template.render(&serde_json::Map::new()).unwrap().parse::<u32>().unwrap() > 2024);
    }

    #[test]
    fn a_template_with_a_syntax_error_names_its_file() {
        let error =
            ChatTemplate::compile("{% if %}".into(), Path::new("dir/chat_template.jinja")).err().unwrap();
        assert!(
            error.to_string().starts_with("dir/chat_template.jinja is malformed: chat template: "),
            "{error}"
        );
    }
}

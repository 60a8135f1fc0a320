//! `conclave chat`: talk to a running server in the terminal.

use anyhow::{Context, anyhow, bail};
use conclave_transport::{TrustOptions, explain_https};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::sync::Arc;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Settings of `conclave chat`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ChatOptions {
    /// The server, http or https.
    #[arg(long, env = "CONCLAVE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The API key, if the server asks for one.
    #[arg(long, env = "CONCLAVE_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    #[command(flatten)]
    trust: TrustOptions,
    /// Seed of every answer; default: another each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Ask this one question, print the answer and end.
    prompt: Option<String>,
}

pub(crate) fn run(options: &ChatOptions) -> anyhow::Result<()> {
    let agent = agent(&options.trust)?;
    let mut messages = Vec::new();
    let stdin = std::io::stdin();
    let asks = stdin.is_terminal() && options.prompt.is_none();
    let mut lines: Box<dyn Iterator<Item = std::io::Result<String>>> = match &options.prompt {
        Some(prompt) => Box::new(std::iter::once(Ok(prompt.clone()))),
        None => Box::new(stdin.lock().lines()),
    };
    loop {
        if asks {
            eprint!("you> ");
        }
        let Some(line) = lines.next() else { return Ok(()) };
        let line = line.context("reading what you type")?;
        if line.trim().is_empty() {
            continue;
        }
        messages.push(json!({"role": "user", "content": line}));
        let answer = ask(&agent, options, &messages)?;
        messages.push(json!({"role": "assistant", "content": answer}));
    }
}

/// A client of servers that `trust` trusts.
fn agent(trust: &TrustOptions) -> anyhow::Result<ureq::Agent> {
    let roots = match trust.authorities()? {
        None => RootCerts::WebPki,
        Some(list) => RootCerts::Specific(Arc::new(
            list.iter().map(|one| Certificate::from_der(one).to_owned()).collect(),
        )),
    };
    let tls = TlsConfig::builder().root_certs(roots).build();
    let config = ureq::Agent::config_builder().http_status_as_error(false).tls_config(tls);
    Ok(config.build().into())
}

/// Streams one answer to stdout and returns it.
fn ask(agent: &ureq::Agent, options: &ChatOptions, messages: &[Value]) -> anyhow::Result<String> {
    let url = format!("{}/v1/chat/completions", options.url.trim_end_matches('/'));
    let mut request = agent.post(&url);
    if let Some(key) = &options.api_key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let mut body = json!({"messages": messages, "stream": true});
    if let Some(seed) = options.seed {
        body["seed"] = json!(seed);
    }
    let mut response = request.send_json(&body).map_err(|error| {
        anyhow!("{url}: {}; is the server running? (`conclave serve`)", explain_https(&error))
    })?;
    if response.status() != 200 {
        let error: Value = response.body_mut().read_json().unwrap_or_default();
        bail!("{} answered {}: {}", options.url, response.status(), text(&error, "/error/message"));
    }
    let mut answer = String::new();
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(response.body_mut().as_reader()).lines() {
        let line = line.context("the stream broke off")?;
        let Some(data) = line.strip_prefix("data: ") else { continue };
        if data == "[DONE]" {
            break;
        }
        let chunk: Value = serde_json::from_str(data).context("the server sent a chunk that is not JSON")?;
        if chunk.get("error").is_some() {
            bail!("the answer broke off: {}", text(&chunk, "/error/message"));
        }
        let piece = text(&chunk, "/choices/0/delta/content");
        answer.push_str(piece);
        write!(out, "{piece}")?;
        out.flush()?;
    }
    writeln!(out)?;
    Ok(answer)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

//! What a user reads when the API answers.

/// Prints the URL and a curl that works when pasted.
pub(crate) fn announce(model: &str, address: std::net::SocketAddr) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "Serving {model} at http://{address}/v1 (Ctrl-C stops). Try:\n")?;
    writeln!(
        out,
        "  curl -N http://{address}/v1/chat/completions -H 'Content-Type: application/json' -d \\"
    )?;
    writeln!(
        out,
        "    '{{\"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Tell me a story about a dog.\"}}]}}'\n"
    )?;
    Ok(out.flush()?)
}

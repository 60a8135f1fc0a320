//! What a user reads when the API answers.

use std::io::Write;
use std::net::SocketAddr;

/// Prints the URL and a curl that works when pasted.
pub(crate) fn announce(model: &str, scheme: &str, address: SocketAddr) {
    let curl = format!(
        "  curl -N {scheme}://{address}/v1/chat/completions -H 'Content-Type: application/json' -d \\\n    \
         '{{\"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Tell me a story about a dog.\"}}]}}'"
    );
    let mut out = std::io::stdout().lock();
    // Whoever read the output may have left; that is no reason to stop serving.
    let _ = writeln!(out, "Serving {model} at {scheme}://{address}/v1 (Ctrl-C stops). Try:\n\n{curl}\n")
        .and_then(|()| out.flush());
}

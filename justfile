# Everything a change must pass; writes nothing to the tree.
check:
    .ci/run

# Formats and applies what clippy can fix.
fix:
    cargo fmt --all
    cargo clippy --release --workspace --all-targets --fix --allow-dirty --allow-staged

# Serves the model that comes with Conclave.
serve *ARGS:
    cargo run --release -- serve {{ARGS}}

# Starts a whole cluster on this machine.
up *ARGS:
    cargo run --release -- up {{ARGS}}

# How long a stream stands still when a node is killed under it.
stall ROUNDS="21":
    cargo build --release
    python3 tests/clients/kill_stall.py target/release/conclave {{ROUNDS}}

# Makes the golden fixtures anew; needs `pip install -r tests/golden/requirements.txt`.
golden:
    python3 tests/golden/generate.py

# Talks to a running server with the official OpenAI client; needs `pip install openai`.
openai URL="http://127.0.0.1:8080/v1":
    python3 tests/clients/openai_client.py {{URL}}

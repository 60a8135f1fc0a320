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

# The container image, from a local build; pulls nothing.
image TAG="conclave:dev":
    deploy/image.sh {{TAG}}

# Starts the compose cluster, hurts it under load, and prints what that cost; needs docker and `just image`.
drill *ARGS:
    deploy/compose/drill.py {{ARGS}}

# Lints, renders and examines the chart; needs helm and `pip install pyyaml kubernetes-validate`.
chart *ARGS:
    deploy/helm/check.py {{ARGS}}

# Installs the chart on the cluster that kubectl talks to, hurts it under load, and prints what that cost.
chart-drill *ARGS:
    deploy/helm/drill.py {{ARGS}}

# Compares what the roles expose with what dashboards and alerts ask for; uses promtool if it is there.
monitoring:
    cargo build --release
    deploy/monitoring/check.py

# What every crate is and where it comes from, as CycloneDX: target/sbom.json; needs `cargo install cargo-cyclonedx`.
sbom:
    cargo cyclonedx --manifest-path cli/Cargo.toml --format json --override-filename sbom
    mkdir -p target && mv cli/sbom.json target/sbom.json
    find . -name sbom.json -not -path './target/*' -delete

# Licences, sources and bans of all crates; needs `cargo install cargo-deny`. With network also: cargo deny check advisories
deny:
    cargo deny check bans licenses sources

# The control plane under simulated faults, 100,000 seeds (some minutes on two cores); other seeds: `just simulate 5..6`.
simulate SEEDS="0..100000":
    CONCLAVE_SEEDS={{SEEDS}} cargo test --release -p conclave-control --test simulation no_seed

# What clients see of the coordinators' settings under kills, freezes and cuts, some ten minutes; another seed: `just linearizability 7`.
linearizability SEED="1" ROUNDS="160":
    CONCLAVE_SEED={{SEED}} CONCLAVE_ROUNDS={{ROUNDS}} cargo test --release --workspace --test linearizability -- --nocapture

# Whether an older version, a binary of it, works with this one in one cluster, through each step of an upgrade and back.
versions OLD:
    cargo build --release
    python3 tests/clients/versions.py {{OLD}} target/release/conclave

# What separate processes do when nodes, networks and disks fail under load; root, Linux; some minutes. Some of it: `just faults --only kill,stop`.
faults *ARGS:
    cargo build --release
    python3 tests/clients/faults.py {{ARGS}}

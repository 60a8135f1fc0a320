#!/usr/bin/env bash
# Makes the image `conclave:dev` from this tree: the binary, the libraries it is linked to, and the model that comes with
# Conclave; no distribution, no shell. Needs cargo and docker; pulls nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release
binary="${CARGO_TARGET_DIR:-target}/release/conclave"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
install -D "$binary" "$root/usr/local/bin/conclave"
mkdir -p "$root/usr/local/bin/models" "$root/data" "$root/tmp"
cp -r models/tiny-tales "$root/usr/local/bin/models/"
ldd "$binary" | grep -oE '/[^ ]+' | while read -r library; do
  install -D "$(readlink -f "$library")" "$root$library"
done
tar -C "$root" --owner=65532 --group=65532 -c . | docker import \
  --change 'USER 65532:65532' --change 'ENTRYPOINT ["/usr/local/bin/conclave"]' - conclave:dev

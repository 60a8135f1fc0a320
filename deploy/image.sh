#!/usr/bin/env bash
# Makes an image from this tree; needs cargo and docker, pulls nothing. `deploy/Dockerfile` makes the same one where a
# registry can be reached.
#
#   deploy/image.sh [TAG]                    default: conclave:dev
#   CONCLAVE_BINARY=FILE deploy/image.sh     with a binary that is built already
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:-conclave:dev}
binary=${CONCLAVE_BINARY:-}
if [ -z "$binary" ]; then
  cargo build --release
  binary="${CARGO_TARGET_DIR:-target}/release/conclave"
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
deploy/stage.sh "$binary" models/tiny-tales "$root"
tar -C "$root" --owner=65532 --group=65532 -c . | docker import \
  --change 'USER 65532:65532' \
  --change 'ENTRYPOINT ["/usr/local/bin/conclave"]' \
  --change 'ENV CONCLAVE_MONITOR_LISTEN=0.0.0.0:9100' \
  --change 'EXPOSE 8080 7001 7100 9100' \
  --change 'HEALTHCHECK --interval=2s --timeout=3s --start-period=60s --retries=3 CMD ["/usr/local/bin/conclave", "health"]' \
  --change 'LABEL org.opencontainers.image.title=conclave org.opencontainers.image.licenses=Apache-2.0' \
  - "$tag"

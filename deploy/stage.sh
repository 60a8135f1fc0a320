#!/bin/sh
# Lays out the image's files: the binary, the libraries it is linked to, and the model that comes with Conclave; no
# distribution, no shell. Used by Dockerfile and image.sh.
#
#   deploy/stage.sh BINARY MODEL ROOT
set -eu
binary=$1 model=$2 root=$3
mkdir -p "$root/usr/local/bin/models" "$root/data" "$root/models" "$root/tmp"
install "$binary" "$root/usr/local/bin/conclave"
cp -r "$model" "$root/usr/local/bin/models/"
ldd "$binary" | grep -oE '/[^ ]+' | while read -r library; do
  install -D "$(readlink -f "$library")" "$root$library"
done
chmod 1777 "$root/tmp"

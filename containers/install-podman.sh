#!/usr/bin/env bash
# Installs from Debian's packages what builds and runs the images, for root on a machine that has no container engine.
set -euo pipefail
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "Only root on Debian or Ubuntu can install podman here. Remedy: install docker or podman in your system's own way." >&2
    exit 1
fi
apt-get update -q > /dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap podman runc > /dev/null

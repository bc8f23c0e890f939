#!/usr/bin/env bash
# Makes debian:trixie-slim from Debian's packages, for hosts that reach no registry. Arguments: engine, name of the image.
set -euo pipefail
engine=$1 image=$2

if [ "$(id -u)" != 0 ] || ! command -v debootstrap > /dev/null; then
    echo "$image cannot be pulled, and only root with debootstrap can make it here. Remedy: log in to a registry, or run as root after apt-get install debootstrap." >&2
    exit 1
fi
echo "$image cannot be pulled: making it from Debian's packages." >&2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase trixie "$folder/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" > "$folder/log" 2>&1 || { tail -n 20 "$folder/log" >&2; exit 1; }
cat > "$folder/root/etc/apt/sources.list" <<SOURCES
deb http://deb.debian.org/debian trixie main
deb http://deb.debian.org/debian trixie-updates main
deb http://deb.debian.org/debian-security trixie-security main
SOURCES
# As in the official slim image: no documentation, neither now nor from packages that follow.
printf 'path-exclude /usr/share/%s/*\n' doc info locale man > "$folder/root/etc/dpkg/dpkg.cfg.d/slim"
cd "$folder/root"
rm -rf usr/share/{doc,info,locale,man}/* var/lib/apt/lists/* var/cache/* var/log/*
tar -c . | "$engine" import - "$image" > /dev/null

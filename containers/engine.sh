# shellcheck shell=bash
# Sourced by the scripts beside it: chooses a container engine, and sees that it has the base image and runs containers.
# prepare_engine sets ENGINE, VERSION and BUILD_OPTIONS, and CONTAINERS_CONF where podman needs it; where no engine can be had it
# says why and returns 1.

BASE_IMAGE=${BASE_IMAGE:-docker.io/library/debian:trixie-slim}
CA_BUNDLE=${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}
VERSION=$(sed -n 's/^version = //p' setup.cfg)

choose_engine() {
    local engine
    for engine in ${ENGINE:-docker podman}; do
        if "$engine" version > /dev/null 2>&1; then
            export ENGINE=$engine
            return
        fi
    done
    echo "No container engine answers (tried ${ENGINE:-docker, podman}). Remedy: start one, or as root on Debian run containers/install-podman.sh." >&2
    return 1
}

# Where no registry answers, the base image is made from Debian's packages.
have_base_image() {
    "$ENGINE" image inspect "$BASE_IMAGE" > /dev/null 2>&1 || "$ENGINE" pull -q "$BASE_IMAGE" > /dev/null 2>&1 || containers/make-base-image.sh "$ENGINE" "$BASE_IMAGE"
}

runs_containers() {
    "$ENGINE" run --rm --network none "$BASE_IMAGE" true > /dev/null 2>&1
}

prepare_engine() {
    choose_engine && have_base_image || return 1
    if ! runs_containers && [ "$ENGINE" = podman ] && [ -z "${CONTAINERS_CONF:-}" ]; then
        export CONTAINERS_CONF=$PWD/containers/containers.conf
    fi
    if ! runs_containers; then
        "$ENGINE" run --rm --network none "$BASE_IMAGE" true || true
        echo "$ENGINE answers, but runs no container here." >&2
        return 1
    fi
    BUILD_OPTIONS=(--file containers/Dockerfile --build-arg "DEBIAN_IMAGE=$BASE_IMAGE")
    BUILD_OPTIONS+=(--build-arg "VERSION=$VERSION")
    BUILD_OPTIONS+=(--build-arg "REVISION=$(git describe --always --dirty --abbrev=40 2> /dev/null || echo unknown)")
    # A HEALTHCHECK has no place in the other format; packages come over the host's network, where podman may have none of its own.
    if [ "$ENGINE" = podman ]; then BUILD_OPTIONS+=(--format docker --network host); fi
    if [ -n "${SERVING_IMAGE:-}" ]; then BUILD_OPTIONS+=(--build-arg "SERVING_IMAGE=$SERVING_IMAGE"); fi
    if [ -r "$CA_BUNDLE" ]; then BUILD_OPTIONS+=(--secret "id=ca-bundle,src=$CA_BUNDLE"); fi
}

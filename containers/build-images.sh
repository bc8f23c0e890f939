#!/usr/bin/env bash
# Builds the images sluice and sluice-serving and writes containers/images.lock. Environment: ENGINE (docker or podman), REGISTRY
# (such as ghcr.io/team; pushes there, and locks the registry's digests), SERVING_IMAGE (such as tensorflow/serving:2.20.0).
set -euo pipefail
cd "$(dirname "$0")/.."
. containers/engine.sh
prepare_engine
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Prints what a pipeline refers to: the registry's digest, or without a registry the local image's.
reference_of() {
    local name=$1 remote=${REGISTRY:-}/$1:$VERSION
    if [ -z "${REGISTRY:-}" ]; then
        "$ENGINE" image inspect --format '{{.Id}}' "$name" | sed 's/^\(sha256:\)\{0,1\}/sha256:/'
        return
    fi
    "$ENGINE" tag "$name" "$remote"
    if [ "$ENGINE" = podman ]; then
        podman push -q --digestfile "$scratch/digest" "$remote" >&2
        echo "$REGISTRY/$name@$(cat "$scratch/digest")"
    else
        docker push -q "$remote" >&2
        docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$remote" | grep -m 1 "^${REGISTRY#docker.io/}/$name@" # docker leaves its own registry's name out
    fi
}

# The digest of the programs, by which pipelines/images_lock.py tells an image that was built from other code.
code=$(find components serving -type f \( -name '*.py' -o -name '*.j2' \) -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c -64)

for target in runtime serving; do
    name=sluice$([ "$target" = runtime ] || echo "-$target")
    "$ENGINE" build "${BUILD_OPTIONS[@]}" --target "$target" --tag "$name:$VERSION" --tag "$name:latest" .
    reference=$(reference_of "$name")
    echo "$name $reference code:$code" >> "$scratch/lock"
done
# Images of projects that were locked before stand on another base now.
mv "$scratch/lock" containers/images.lock
cat containers/images.lock

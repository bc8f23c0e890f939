#!/usr/bin/env bash
# Runs the suite inside the image: its user, its libraries, a root that cannot be written, no network. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. containers/engine.sh
prepare_engine
"$ENGINE" build "${BUILD_OPTIONS[@]}" --target test --tag sluice-test .
exec "$ENGINE" run --rm --read-only --tmpfs /tmp:rw,exec,mode=1777,size=8g --network none sluice-test "$@"

# `make demo` and `make test` do all the set-up that they need. `make help` lists the rest.

# Without bytecode TensorFlow takes three times as long to import.
unexport PYTHONDONTWRITEBYTECODE

# TFDV 1.21 has Linux wheels for glibc 2.39 and later only; older systems run the TFX 1.16 line.
GLIBC := $(shell getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
OLD_GLIBC := $(if $(GLIBC),$(shell printf '%s\n2.38.999\n' '$(GLIBC)' | sort -CV && echo yes))
LINE := $(if $(OLD_GLIBC),tfx-1.16,tfx-1.21)
PYTHON ?= $(if $(OLD_GLIBC),python3.11,python3.13)
UV := .uv/bin/uv
BIN := .venv/bin
READY := .venv/.$(LINE).ready
EXTRAS := runtime authoring demo dev
PROJECT ?= projects/flights

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench bench-large golden images test-image lock clean

help: ## Lists the commands
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(READY) ## Makes .venv from the lock file, with bytecode compiled

demo: $(READY) ## Trains on real flights, judges the model and pushes it into projects/flights/served
	@$(BIN)/python $(PROJECT)/prepare_data.py
	@$(BIN)/sluice run $(PROJECT)

test: $(READY) ## Runs the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY) ## Checks style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v shellcheck >/dev/null; then shellcheck -x containers/*.sh .ci/run; else echo "No shellcheck here: scripts were not checked."; fi

format: $(READY) ## Formats the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Measures the pipeline's stages, and the model server under load for two minutes
	@$(BIN)/python $(PROJECT)/prepare_data.py
	$(BIN)/python -m pipelines.bench $(PROJECT) --spans 1-12 --json bench.json
	$(BIN)/python -m serving.bench --seconds 60 --clients 16

bench-large: $(READY) ## Measures how the stages grow with their data, up to ten million rows; takes 4 GB of memory and half an hour
	@$(BIN)/python projects/large/prepare_data.py --spans 100
	$(BIN)/python -m pipelines.bench_large projects/large --spans 3,10,100 --json bench-large.json

golden: $(READY) ## Writes the compiled pipeline that the tests compare with
	$(BIN)/sluice compile $(PROJECT) --image sluice:latest -o tests/pipelines/golden/flights-training.yaml

images: ## Builds the container images, with docker or podman, and writes containers/images.lock
	containers/build-images.sh

test-image: ## Runs the whole test suite inside the image, on the TFX 1.21 line
	containers/test-image.sh

lock: $(UV) ## Resolves both dependency lines, and what of them the image needs, and writes the lock files
	$(call compile,tfx-1.16,--python-version 3.11 --python-platform x86_64-manylinux_2_28)
	$(call compile,tfx-1.21,--python-version 3.13 --python-platform x86_64-manylinux_2_39)
	$(UV) pip compile -q setup.cfg requirements/tfx-1.21-runtime.in --extra runtime --generate-hashes --no-header --upgrade \
		--python-version 3.13 --python-platform x86_64-manylinux_2_39 -c requirements/tfx-1.21.lock \
		--override requirements/tfx-1.21.overrides --excludes requirements/tfx-1.21-runtime.excludes -o requirements/tfx-1.21-runtime.lock
	$(UV) pip compile -q requirements/uv.in --generate-hashes --no-header -o requirements/uv.lock

clean: ## Removes environments, runs, served models and prepared data
	rm -rf .venv .uv runs build dist *.egg-info $(PROJECT)/served $(PROJECT)/data projects/large/data containers/images.lock

define compile
$(UV) pip compile -q setup.cfg $(EXTRAS:%=--extra %) --generate-hashes --no-header --upgrade $(2) \
	-c requirements/$(1).constraints --override requirements/$(1).overrides -o requirements/$(1).lock
endef

$(UV): requirements/uv.lock
	@command -v $(PYTHON) >/dev/null || { echo "Sluice needs $(PYTHON) with venv on this system. Remedy: install it, or run make PYTHON=/path/to/it."; exit 2; }
	@[ "$$(uname -m)" = x86_64 ] || command -v c++ >/dev/null || { echo "Without an x86-64 wheel pyfarmhash is compiled. Remedy: install a C++ compiler (Debian: apt-get install g++ $(PYTHON)-dev)."; exit 2; }
	$(PYTHON) -m venv .uv
	.uv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.lock
	@touch $@

$(READY): $(UV) requirements/$(LINE).lock setup.cfg pyproject.toml
	@echo "Setting up .venv with the $(LINE) line: 3 GB on disk, about a minute after the download."
	$(UV) venv -q --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync -q --python .venv --require-hashes --compile-bytecode requirements/$(LINE).lock
	$(UV) pip install -q --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

# One command per need, the same here and in CI. Needs git, make and Python 3.11+ with venv and pip.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
READY := .venv/.ready
IMAGE ?= rfm-streams:local
TESTS ?= tests

# Both lock files name every platform's files with their hashes, and no registry.
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links --python-version 3.11 pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-cluster check bench soak image compose-check walk clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(READY)  ## everything into .venv, as locked; done by the other targets when needed

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"

$(READY): requirements/dev.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	VIRTUAL_ENV=.venv $(UV) pip sync --require-hashes requirements/dev.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock: | $(UV)  ## resolve pyproject.toml anew into requirements/*.lock
	$(COMPILE) --upgrade --all-extras --group dev --output-file requirements/dev.lock
	$(COMPILE) --extra deliver --constraints requirements/dev.lock \
		--output-file requirements/runtime.lock
	@! grep -nE '://|^-' requirements/*.lock \
		|| { echo "a lock file names a host or an option, so it holds on this machine only" >&2; exit 1; }

demo: $(READY)  ## a simulated shop on an embedded Kafka and Redis; Ctrl-C ends everything
	$(BIN)/rfm-streams demo

test: $(READY)  ## all tests, real Kafka and Redis included (TESTS=path for some)
	$(BIN)/python -m pytest -n 4 --dist worksteal -m "not soak" $(TESTS)

test-cluster: TESTS = tests/integration
test-cluster: $(READY)  ## the integration tests on a Redis Cluster of three masters (TESTS=path for others)
	RFM_TEST_REDIS=cluster $(BIN)/python -m pytest -n 2 --dist worksteal -m "not soak" $(TESTS)

check: $(READY)  ## lint, format, types, import rules, contracts as committed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/rfm-streams schemas export --check

bench: $(READY)  ## throughput, latency and memory on this machine, beside Quix Streams and Faust
	$(BIN)/python -m bench

soak: $(READY)  ## the long tests: kills, pauses, broker restarts, Redis set back; the larger real shop
	$(BIN)/python -m pytest -m soak --timeout 7200 $(TESTS)

# The image installs from files that are fetched here, checked against the lock: so building it
# needs no network, and it holds what the tests ran on.
ARCH = $(shell docker version --format '{{.Server.Arch}}' | sed 's/amd64/x86_64/; s/arm64/aarch64/')
GLIBC_TAGS := 2_17 2_24 2_26 2_27 2_28 2_31 2_34
image: $(READY)  ## build the container image $(IMAGE)
	rm -rf build/wheels && mkdir -p build
	$(UV) pip compile --quiet --no-deps --generate-hashes --no-header --python-version 3.11 \
		--python-platform linux requirements/runtime.lock --output-file build/every-wheel.txt  # its markers
	.uv/bin/python -m pip download --quiet --disable-pip-version-check --dest build/wheels \
		--no-deps --require-hashes --only-binary :all: --implementation cp --python-version 3.11 \
		--platform manylinux2014_$(ARCH) $(GLIBC_TAGS:%=--platform manylinux_%_$(ARCH)) \
		--requirement build/every-wheel.txt
	$(BIN)/python -m hatchling build --target wheel --directory build/wheels
	docker build --tag $(IMAGE) .

compose-check: image  ## bring docker-compose.yml up, publish, kill every container, compare, take down
	$(BIN)/python -m tests.acceptance.compose_check

walk: image  ## do what docs/getting-started.md says, until a signed webhook arrives
	$(BIN)/python -m tests.acceptance.walk

clean:  ## remove the virtual environments and everything built
	rm -rf .venv .uv build dist out

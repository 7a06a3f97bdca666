# `make` lists the targets. Each makes what it needs; none needs root or Docker.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
unexport PYTHONDONTWRITEBYTECODE  # else each process that a test starts compiles all it imports, for two seconds

PYTHON ?= python3
WORKERS ?= $(shell expr 3 \* $$(nproc))  # tests wait for most of their time
UV_VERSION := 0.13.8
BIN := .venv/bin
UV := UV_PYTHON=$(BIN)/python $(BIN)/uv
COMPILE_GROUPS := $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(COMPILE_FLAGS)
COMPILE := $(COMPILE_GROUPS) pyproject.toml
INSTALLED_RUN := .venv/installed-run
INSTALLED_TRY := .venv/installed-try
INSTALLED := .venv/installed
INSTALLED_E2E := .venv/installed-e2e
INSTALLED_RELEASE := .venv/installed-release
INSTALLED_DOCS := .venv/installed-docs

.PHONY: help setup demo demo-launch try run agent join test test-slow check e2e e2e-long attack fuzz chaos soak bench dist smoke image check-deps check-deploy docs lock fmt clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED)  ## install everything that developing needs into .venv

demo: $(INSTALLED_RUN)  ## watch it work, against a LiveKit of its own that loses agents
	$(BIN)/dispatcher demo

demo-launch: $(INSTALLED_RUN)  ## watch a launcher at work: processes are started, killed, replaced, given up
	@$(BIN)/python -m examples.launching

try: $(INSTALLED_TRY)  ## bring up a real LiveKit, the service, an agent and a person, until Ctrl-C
	@$(BIN)/python -m examples.together

run: $(INSTALLED_RUN)  ## serve, as the environment and dispatcher.yaml say
	$(BIN)/dispatcher serve

agent: $(INSTALLED_TRY)  ## run the sample agent, as LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET say
	@$(BIN)/python examples/agent/agent.py start

join: $(INSTALLED_TRY)  ## join a room and see what its agent writes (ROOM=lobby)
	@$(BIN)/python -m examples.join $(or $(ROOM),lobby)

test: $(INSTALLED)  ## run the tests that need no other process, but for the slow ones, with the coverage gate
	$(BIN)/pytest -m "not real and not long and not slow" --cov -n $(WORKERS) --dist worksteal

test-slow: $(INSTALLED)  ## run those tests that `make test` leaves out, as each takes seconds of the processor
	$(BIN)/pytest -m "slow and not real and not long" -n $(WORKERS) --dist worksteal

check: $(INSTALLED)  ## check format, lint, types and imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

e2e: $(INSTALLED_E2E)  ## run the tests on a real livekit-server, and in a real browser (fetched once; needs go and npm)
	$(BIN)/python -m tests.real.install
	$(BIN)/python -m tests.real.debian redis chromium prometheus haproxy
	$(BIN)/python -m release.tools alertmanager
	$(BIN)/python -m tests.real.node
	$(BIN)/pytest -m "real and not long" -n 2 --dist loadfile

e2e-long: $(INSTALLED_E2E)  ## run the tests that take minutes
	$(BIN)/python -m tests.real.install v1.13.5 v1.11.0 v1.9.11
	$(BIN)/python -m tests.real.debian redis chromium prometheus
	$(BIN)/pytest -m long --ignore=tests/attack
	$(BIN)/python -m pytest -n auto --dist worksteal -p tests.deep -m "hypothesis and not real" --ignore=tests/attack
	$(BIN)/python -m tests.simulation --lives 30000 --jobs $$(nproc)

attack: $(INSTALLED)  ## attack the service in every way that was tried, on loopback (minutes)
	$(BIN)/python -m pytest -p tests.deep tests/attack --ignore=tests/attack/test_audience.py
	$(BIN)/python -m pytest -p tests.deep tests/attack/test_audience.py  # spans of CPU: in a process without the others' heap

fuzz: $(INSTALLED)  ## ask the API whatever its OpenAPI document allows, for SECONDS (600)
	FUZZ_SECONDS=$(or $(SECONDS),600) $(BIN)/pytest tests/integration/test_openapi_fuzz.py

chaos: $(INSTALLED)  ## break Redis, its network and the replicas in every way, and count (half an hour)
	$(BIN)/python -m tests.real.debian
	$(BIN)/python -m tests.chaos

soak: $(INSTALLED)  ## three replicas in trouble for MINUTES (20), and a table at the end
	$(BIN)/python -m tests.chaos.soak --minutes $(or $(MINUTES),20)

bench: $(INSTALLED)  ## measure
	$(BIN)/python -m bench

dist: $(INSTALLED)  ## build the wheel and the sdist into dist/, twice, with the same bytes
	$(BIN)/python -m release.distributions

smoke: $(INSTALLED)  ## try the wheel in an empty venv of each supported Python (PYTHONS=3.12: of that one)
	ls dist/*.whl >/dev/null 2>&1 || $(MAKE) dist
	$(BIN)/python -m release.smoke $(PYTHONS)

image: $(INSTALLED)  ## build the image without Docker and run it (root on Debian with buildah and mmdebstrap; minutes)
	$(BIN)/python -m release.image

check-deps: $(INSTALLED_RELEASE)  ## list what the service needs (SBOM, licences), and look for known vulnerabilities
	$(BIN)/python -m release.inventory
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r deploy/requirements.lock

check-deploy: $(INSTALLED_RELEASE)  ## lint the image, the workflows, the compose file and the chart (needs go, once)
	$(BIN)/python -m release.tools actionlint
	$(BIN)/python -m release.chart
	if type systemd-analyze >/dev/null 2>&1; then $(BIN)/python -m release.unit; fi
	$(BIN)/hadolint Dockerfile examples/agent/Dockerfile
	.tools/actionlint@*/actionlint
	$(BIN)/python -m release.tools compose
	.tools/cmd@*/cmd --no-interpolation deploy/compose/compose.yaml >/dev/null
	$(BIN)/zizmor --offline --quiet .github

docs: $(INSTALLED_DOCS)  ## build the documents as a site into build/site/, without a warning
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lock: $(INSTALLED_RELEASE)  ## write the lock files anew (COMPILE_FLAGS=--upgrade: with the newest versions)
	$(COMPILE) --group dev -o requirements.lock
	$(COMPILE) -c requirements.lock -o deploy/requirements.lock
	$(COMPILE) -c requirements.lock --group dev --group e2e --group browser --group avatar -o tests/e2e/requirements.lock
	$(COMPILE) -c tests/e2e/requirements.lock --group e2e -o examples/requirements.lock
	$(COMPILE_GROUPS) -c requirements.lock --group build -o deploy/build.lock
	$(COMPILE_GROUPS) -c requirements.lock --group release -o release/requirements.lock
	$(COMPILE_GROUPS) -c requirements.lock --group docs -o release/site.lock
	$(BIN)/python -m release.inventory

fmt: $(INSTALLED)  ## format, and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove what make has made
	rm -rf .venv .tools .try build .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make a venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(INSTALLED_RUN): $(BIN)/uv deploy/requirements.lock pyproject.toml
	$(UV) pip install -q --require-hashes -r deploy/requirements.lock
	$(UV) pip install -q --no-deps -e .
	@touch $@

$(INSTALLED_TRY): $(INSTALLED_RUN) examples/requirements.lock
	$(UV) pip install -q --require-hashes -r examples/requirements.lock
	@touch $@

$(INSTALLED): $(BIN)/uv requirements.lock pyproject.toml
	$(UV) pip install -q --require-hashes -r requirements.lock
	$(UV) pip install -q --no-deps -e .
	@touch $@

$(INSTALLED_RELEASE): $(INSTALLED) release/requirements.lock
	$(UV) pip install -q --require-hashes -r release/requirements.lock
	@touch $@

$(INSTALLED_DOCS): $(INSTALLED) release/site.lock
	$(UV) pip install -q --require-hashes -r release/site.lock
	@touch $@

$(INSTALLED_E2E): $(INSTALLED) tests/e2e/requirements.lock
	$(UV) pip install -q --require-hashes -r tests/e2e/requirements.lock
	@touch $@

# Everything a developer or a build server runs. Each target sets itself up first; the second run starts at once.
# Needs: GNU make, git, Python 3.11 or newer with pip. Choose the interpreter with `make test PYTHON=python3.12`.

PYTHON ?=
BIN := .venv/bin
DEV := .venv/.ready
DEMO := .venv-demo/.ready
BENCH := .venv-bench/.ready
OLDER := .venv/older/.ready

# The theme of the docs would print a notice on every build.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help demo redis prometheus test test-fast test-older check format twin bench bench-quick soak conformance docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO) ## watch a client survive a failing origin
	@.venv-demo/bin/resilient demo

test: $(DEV) redis prometheus ## run every test but the soak tests
	$(BIN)/pytest -n 2 -m "not soak"

test-fast: $(DEV) ## run the quick tests: one HTTP library, nothing but memory for a store
	$(BIN)/pytest -n 2 -m "not slow and not soak" -k "not httpx2 and not disk and not redis" --ignore tests/wire

test-older: $(DEV) $(OLDER) redis ## run the tests of the Redis store with the oldest redis-py that it works with
	REDIS_PY=7 PYTHONPATH=.venv/older $(BIN)/pytest -n 2 -m "not slow and not soak" -k "test_redis and not cluster_faults" tests/stores

redis: $(DEV) ## see to it that there is a Redis server, which the tests start by themselves
	@tools/get-redis $(BIN)/python .venv/valkey

prometheus: $(DEV) ## see to it that there is a Prometheus, by which the tests judge the alerts and the dashboard
	@tools/get-prometheus .venv/prometheus

check: $(DEV) ## style, types, imports and docs: everything but the tests
	$(BIN)/python tools/twin.py --check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/mkdocs build --strict --site-dir .site-check

format: $(DEV) ## put the code into its style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

twin: $(DEV) ## write the door to httpx2 from the one to httpx
	$(BIN)/python tools/twin.py

bench: $(BENCH) ## measure us against the newest peers and write the results; nothing else should run meanwhile
	.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --upgrade --upgrade-strategy eager \
		--editable '.[bench]'
	@tools/get-redis .venv-bench/bin/python .venv-bench/valkey
	.venv-bench/bin/python -m benchmarks --update

bench-quick: $(BENCH) ## the same with few rounds and nothing written, to see that it runs
	@tools/get-redis .venv-bench/bin/python .venv-bench/valkey
	.venv-bench/bin/python -m benchmarks --quick

soak: $(DEV) redis ## run the soak tests whole, for half an hour, and write docs/soak.md
	$(BIN)/pytest -m soak -p tests.soaking

conformance: $(BENCH) ## put us and the newest peers to the public suite of HTTP caches, and write docs/conformance.md
	.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --upgrade --upgrade-strategy eager \
		--editable '.[bench]'
	.venv-bench/bin/python -m tests.conformance

docs: $(DEV) ## build the documentation into site/
	$(BIN)/mkdocs build --strict

# The stamps hold the time of the last successful set-up; a change of pyproject.toml makes them old.
$(DEV): pyproject.toml tools/make-venv
	@PYTHON="$(PYTHON)" tools/make-venv .venv '.[dev]'

# It lies beside the newest one, and goes before it where PYTHONPATH names this folder.
$(OLDER): pyproject.toml
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --upgrade --target .venv/older 'redis>=7,<8'
	@touch $@

$(DEMO): pyproject.toml tools/make-venv
	@PYTHON="$(PYTHON)" tools/make-venv .venv-demo '.[cli]'

$(BENCH): pyproject.toml tools/make-venv
	@PYTHON="$(PYTHON)" tools/make-venv .venv-bench '.[bench]'

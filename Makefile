# One command equals CI: `.ci/run` calls these targets. Needs Python 3.11 to 3.14, Java 17 and Maven; everything else is set up here.
PYTHON ?= $(or $(shell .ci/pythons | head -1),python3)
BIN := .venv/bin
READY := .venv/.ready
# Most of a test is waiting, so more processes than cores are quicker.
TEST_WORKERS ?= 3
# uv and pip take the machine's own certificates, so that they work behind a proxy that opens TLS.
export UV_SYSTEM_CERTS = 1
export UV_NO_PROGRESS = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export DAGSTER_DISABLE_TELEMETRY = yes
export NO_MKDOCS_2_WARNING = 1

.DEFAULT_GOAL := help
.PHONY: help setup test unit versions lint format types imports check demo ui wheel wheel-demo bench-landing bench-models bench-processing bench-restore bench-scoring bench-sources bench-warehouse chaos hostile security tutorials docs screenshots site lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(READY)  ## Set up .venv with everything in it; skips what is there

JAVA_PARTS := $(wildcard headrace/stack/kafka/*.xml headrace/stack/kafka/*.sha256 headrace/stack/kafka/*.java)

$(READY): requirements.lock pyproject.toml $(JAVA_PARTS)
	@test -x $(BIN)/python || { echo "setup: virtual environment"; $(PYTHON) -m venv .venv; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@echo "setup: uv"
	@$(BIN)/python -m pip install --quiet --require-hashes -r .venv/uv.lock
	@echo "setup: Python packages"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@mkdir -p .venv/share/headrace
	@$(BIN)/headrace setup
	@touch $@

test: setup imports  ## Run the tests: import rules, unit, integration
	@$(BIN)/pytest -n $(TEST_WORKERS) --dist worksteal

unit: setup  ## Run the unit tests alone (seconds)
	@$(BIN)/pytest tests/unit

versions: setup  ## Run the unit tests on this machine's oldest and newest Python, if .venv has another one
	@.ci/versions

lint: setup  ## Lint
	@$(BIN)/ruff check

format: setup  ## Format the code in place
	@$(BIN)/ruff format

types: setup  ## Check types strictly
	@$(BIN)/pyright

imports: setup
	@$(BIN)/lint-imports

check: lint types imports site  ## Lint, format check, types, import rules, Dagster's definitions, the site of the docs
	@$(BIN)/ruff format --check
	@$(BIN)/dg check defs

demo: setup  ## Run the platform end to end on its simulator, and show the results
	@$(BIN)/headrace demo

ui: setup  ## Run the browser tests of the Dagster UI (needs Chromium)
	@$(BIN)/pytest tests/ui

wheel: setup  ## Build the wheel, install it into an environment of its own, and run commands from there
	@$(BIN)/pytest tests/wheel/test_installed.py

wheel-demo: setup  ## Run the demo from the wheel: as another account, without Maven, in paths with spaces
	@$(BIN)/pytest tests/wheel/test_demo.py --timeout=1200 -o faulthandler_timeout=0

bench-landing: setup  ## Measure the landing rate against untouched consume(), as JSON
	@$(BIN)/python -m benchmarks.landing

bench-scoring: setup  ## Measure the scorers with champions against the bare runtime, as JSON
	@$(BIN)/python -m benchmarks.scoring

bench-processing: setup  ## Measure processing, one out for one in, against Kafka Streams, as JSON (needs a JDK)
	@$(BIN)/python -m benchmarks.processing

bench-restore: setup  ## Measure how long a killed processor with 1,000,000 keys takes to recover, as JSON
	@$(BIN)/python -m benchmarks.restoring

bench-warehouse: setup  ## Measure the freshness of the marts, and the cost of a batch after 1 M and 20 M events, as JSON
	@$(BIN)/python -m benchmarks.freshness
	@$(BIN)/python -m benchmarks.growth

bench-models: setup  ## Measure the models on held-out shared data, as JSON
	@$(BIN)/python -m benchmarks.models

bench-sources: setup  ## Measure the access-log source and the feedback service against their peers, as JSON
	@$(BIN)/python -m benchmarks.sources

hostile: setup  ## Send hostile input to a whole stack for HOSTILE_MINUTES (20), and verify
	@$(BIN)/pytest tests/hostile -s --timeout=14400 -o faulthandler_timeout=0

chaos: setup  ## Kill programs at random for a long time, and verify
	@$(BIN)/pytest tests/chaos --timeout=7200 -o faulthandler_timeout=0

security: setup  ## Attack a running stack as another account and another client would
	@$(BIN)/pytest tests/security

tutorials: setup  ## Follow the tutorials of the docs, each command on a stack of its own
	@$(BIN)/pytest tests/tutorials --timeout=3600 -o faulthandler_timeout=0

tools: setup  ## dbt, marimo and plain DuckDB read the published file; installs them from PyPI
	@$(BIN)/pytest -n 0 tests/tools --timeout=1200

screenshots: setup  ## Take the README's screenshots of the running stack (needs Chromium)
	@$(BIN)/python -m docs.screenshots

docs: setup  ## Write the generated reference pages under docs/, and the snapshot of the assets
	@$(BIN)/headrace docs
	@$(BIN)/python -m tests.unit.orchestration.snapshot

site: setup  ## Build the site of the docs into build/site; broken links fail
	@$(BIN)/mkdocs build --quiet

lock: setup  ## Resolve the dependencies again into requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet --output-file requirements.lock

clean:  ## Remove .venv and caches; the stack's home stays
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist

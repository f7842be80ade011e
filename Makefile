# Every command of this repository, each with its own set-up. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo up screenshots test test-again test-fast soak faults cuts load bench bench-room bench-versus bench-overload bench-history check faces faces-check console fmt recording lock clean

# Without bytecode on disk each process compiles all modules anew: seconds for every command.
unexport PYTHONDONTWRITEBYTECODE

bin := .venv/bin
ARGS ?=

help: ## List the targets
	@echo 'make TARGET [ARGS="…"]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.run ## Sell 1,000 units to 20,000 simulated buyers, and audit the books
	@$(bin)/livesale demo $(ARGS)

up: .venv/.run ## Run the service with everything embedded
	@$(bin)/livesale up $(ARGS)

test: .venv/.dev ## Run all tests, on real servers
	@scripts/set_up_servers.sh
	@TMPDIR=$$(scripts/test_folder.sh) $(bin)/pytest --no-header -q -n 4 --dist loadgroup $(ARGS)

test-again: .venv/.dev ## Run again, each alone, what failed last; more than three failures stay failures
	@scripts/set_up_servers.sh
	@TMPDIR=$$(scripts/test_folder.sh) scripts/test_again.sh $(ARGS)

test-fast: .venv/.dev ## Run the tests that need no server, in less than a minute
	@scripts/set_up_servers.sh
	@TMPDIR=$$(scripts/test_folder.sh) $(bin)/pytest --no-header -q -n 3 --dist loadgroup -m "not soak and not slow" $(ARGS)

soak: .venv/.dev ## Run what `make test` leaves out: long rounds, and both databases
	@scripts/set_up_servers.sh
	@TMPDIR=$$(scripts/test_folder.sh) MACHINE_EXAMPLES=1000 MONEY_EXAMPLES=200 LANES_SEEDS=30 SCHEMA_EXAMPLES=30 SCHEMA_PHASES=examples,coverage,fuzzing $(bin)/pytest --no-header -q -n 3 --dist loadgroup -m "" --timeout 3600 $(ARGS)

faults: .venv/.dev ## Break a whole system under load, and check every promise
	@scripts/set_up_servers.sh
	@$(bin)/python -m tests.faults $(ARGS)

cuts: .venv/.dev ## Kill `livesale migrate` 100 times on MariaDB, and repeat it; ARGS="--seed 7"
	@scripts/set_up_servers.sh
	@$(bin)/python -m tests.faults.migrations $(ARGS)

bench: .venv/.dev ## Measure every limit in one run, about twenty minutes; ARGS="--quick" for two
	@scripts/set_up_servers.sh
	@command -v wrk >/dev/null || scripts/apt_install.sh "for the benchmark" wrk || true
	@$(bin)/python -m benchmarks $(ARGS)

bench-room: .venv/.dev ## Measure a live room with 10,000 viewers; ARGS="--quick" for seconds
	@$(bin)/python -m benchmarks.room $(ARGS)

bench-history: .venv/.dev ## Measure audits beside 10,000 finished drops; ARGS="--drops 300" for seconds
	@scripts/set_up_servers.sh
	@$(bin)/python -m benchmarks.history $(ARGS)

bench-versus: .venv/.dev ## Measure the hot path of a revision beside this tree's; ARGS=REVISION
	@command -v wrk >/dev/null || scripts/apt_install.sh "for the benchmark" wrk || true
	@$(bin)/python -m benchmarks.versus $(ARGS)

bench-overload: .venv/.dev ## Measure ten times the capacity, and strangers; ARGS="--quick" for seconds
	@$(bin)/python -m benchmarks.overload $(ARGS)

load: .venv/.dev ## Play a load scenario: ARGS="flash_spike --up"; without ARGS, list them
	@$(bin)/livesale load $(ARGS)

check: .venv/.dev ## Lint, types, import contracts, headers of the scripts, steps of migrations
	@$(bin)/ruff check .
	@$(bin)/ruff format --check --quiet .
	@$(bin)/mypy
	@$(bin)/lint-imports --no-logo 2>&1
	@$(bin)/pytest --no-header -q -p no:cacheprovider tests/lua/test_headers.py tests/livesale/database/test_migration_files.py \
		tests/livesale/database/test_schema.py::test_an_empty_sqlite_gets_what_the_migrations_make \
		tests/livesale/database/test_schema.py::test_head_is_the_last_migration

faces: .venv/.dev ## Build the buyer's page and mini-program into faces/dist; brings Node
	@$(bin)/python -m scripts.faces build

faces-check: .venv/.dev ## Check the faces: types against the API, then their tests
	@$(bin)/python -m scripts.faces check
	@$(bin)/python -m scripts.faces test

console: .venv/.dev ## Check and build the operator's console into faces/dist/console; brings Node
	@$(bin)/python -m scripts.console check
	@$(bin)/python -m scripts.console build

fmt: .venv/.dev ## Format, and fix what can be fixed
	@$(bin)/ruff check --fix --quiet . || true
	@$(bin)/ruff format .

recording: .venv/.run ## Play the demo and draw it into docs/demo.svg
	@$(bin)/python -m scripts.record_demo $(ARGS)

screenshots: .venv/.dev ## Take every screen of both faces on a seeded shop, into docs/screens
	@$(bin)/python -m scripts.screenshots $(ARGS)

lock: ## Update uv.lock after a change of pyproject.toml
	@scripts/uv.sh lock

clean: ## Remove environments, caches and builds; `var` holds data and stays
	@rm -rf faces/node_modules faces/api faces/types
	@rm -rf .venv .uv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What running needs, and what developing needs too.
.venv/.run: pyproject.toml uv.lock
	@echo "preparing .venv …" >&2
	@scripts/uv.sh sync --locked --quiet --compile-bytecode --no-dev --inexact
	@touch $@

.venv/.dev: pyproject.toml uv.lock
	@echo "preparing .venv …" >&2
	@scripts/uv.sh sync --locked --quiet --compile-bytecode
	@touch .venv/.run $@

.PHONY: quiet
quiet: .venv/.dev ## Buy after a quiet time, behind proxies that close idle connections; ARGS="--minutes 10"
	@scripts/set_up_servers.sh
	@$(bin)/python -m tests.faults.quiet $(ARGS)

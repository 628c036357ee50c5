# Every target prepares what it needs; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
USERS ?= 30
KILLS ?= 200
TESTERS ?= 4

# Tests and bench start hundreds of processes, as a user would: none should have to compile first.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup send-digest demo daemon web test test-postgres kills lint types check bench lock messages wheel clean

help: ## Show what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make the locked virtual environment with the command .venv/bin/digest

$(READY): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "digest needs Python 3.11 or later; name one: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
		echo "cannot make a virtual environment; on Debian first run: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint .ci/constraints.txt --editable '.[dev]'
	@touch $@

send-digest: $(READY) ## Send everybody's digest of the last full week; an empty database gets a demo
	@$(BIN)/digest demo --if-empty --users $(USERS)
	@$(BIN)/digest send

daemon: $(READY) ## Send every digest at its own hour, and serve the pages
	@$(BIN)/digest daemon --web

web: $(READY) ## Serve the pages and the kept mails on http://127.0.0.1:8025/
	@$(BIN)/digest web

test: $(READY) ## Run all tests
	@$(BIN)/pytest --numprocesses $(TESTERS)

test-postgres: $(READY) ## Run all tests that ask a database on a PostgreSQL server of their own
	@DIGEST_TEST_DATABASE=postgres $(BIN)/pytest --numprocesses $(TESTERS)

kills: $(READY) ## Kill senders KILLS times at random instants, and see that nobody is missed
	@KILLS=$(KILLS) $(BIN)/pytest tests/test_kills.py

lint: $(READY) ## Look for mistakes and style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## Check the types, strictly
	@$(BIN)/mypy

check: lint types test ## All that must pass before a commit: lint, types, tests

bench: $(READY) ## Measure speed, memory and sizes as ratios (some minutes)
	@$(BIN)/python -m tests.bench

lock: $(READY) ## Resolve the newest dependencies and pin them
	@$(BIN)/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable '.[dev]'
	@$(BIN)/python -m pip freeze --exclude-editable | grep -viE '^(pip|setuptools)==' > .ci/constraints.txt

messages: $(READY) ## Bring the catalogues of all languages up to templates and code
	@$(BIN)/python -m tests.messages

wheel: $(READY) ## Build the wheel into dist/
	@$(BIN)/python -m build --wheel --outdir dist .

clean: ## Remove the environment and what tools left (never var/, which is yours)
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

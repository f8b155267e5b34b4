# Two commands for a newcomer: `make run` and `make test`. Everything they need is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help run test check bench clean setup lock

help: ## Says what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

setup: $(READY)

# Compiled here, once: where Python may not write bytecode, every process would compile all that it imports.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("auditledger needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; say make PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib ledger projections
	@touch $@

run: $(READY) ## Starts the service with the demonstration year and prints where to look
	@$(BIN)/auditledger up --demo

test: $(READY) ## Runs every test
	$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest -q -n auto --dist loadfile

check: $(READY) ## Lint, types, import rules, schemas, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/auditledger schemas check
	$(BIN)/python -m pytest -q tests/docs

bench: $(READY) ## Measures; prints tables, keeps JSON in bench/results
	$(BIN)/python -m bench

clean: ## Removes the virtual environment and caches (never a data directory)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info

lock: ## Writes requirements.lock anew (needs uv; users and CI need none)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--group pyproject.toml:dev pyproject.toml -o requirements.lock

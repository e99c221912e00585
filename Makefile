# `make run` and `make test` need nothing but Python 3.11+, make and git. The first installs what running needs; only the
# second, and what else developers ask for, installs the rest, into the same environment.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEV    := $(VENV)/.ready-dev
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

.PHONY: setup run test lint seeds kill mutants fuzz bench golden clean

setup: $(DEV)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Hookledger needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	@touch $@

$(DEV): $(READY)
	$(INSTALL) '.[dev]'
	@touch $@

run: $(READY)
	@exec $(BIN)/hookledger serve examples/flows --data data

test: setup
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

seeds: setup
	$(BIN)/python -m tests.simulation seeds --seeds 0-$(or $(SEEDS),10000)

kill: setup
	KILL_ROUNDS=$(or $(ROUNDS),100) $(BIN)/python -m pytest tests/system/test_kill.py

mutants: setup
	$(BIN)/python -m tests.mutants planted
	$(BIN)/python -m tests.mutants random --count $(or $(COUNT),200) --seed $(or $(SEED),20261130)

fuzz: setup
	$(BIN)/python tests/fuzz/fuzz_webhook.py --requests $(or $(REQUESTS),200000) --seed $(or $(SEED),1)

bench: setup
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

golden: setup
	$(BIN)/python -m tests.simulation.golden --write

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache

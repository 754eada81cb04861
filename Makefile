# The commands of the project. `make demo` and `make test` need only Python 3.11+, make and git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test bench fuzz simulate scale mutants screenshots lint format clean

demo: .stamp-run
	$(BIN)/ampubsub-tui demo

test: .stamp-test
	$(BIN)/python -m pytest -n 2 --dist loadgroup

bench: .stamp-test
	$(BIN)/python -m benchmarks

fuzz: .stamp-test
	AMPUBSUB_FUZZ=long $(BIN)/python -m pytest -n 2 tests/hostile -k fuzz

# How many single changes of a room's code its tests notice: make mutants ROOM=wire SAMPLE=150 SEED=1
ROOM ?= wire
mutants: .stamp-mutants
	$(BIN)/python -m tests.mutants $(ROOM)

simulate: .stamp-test
	AMPUBSUB_SIM_SEEDS=$(or $(SEEDS),300) $(BIN)/python -m pytest -n 2 tests/sim/test_seeds.py

scale: .stamp-test
	$(BIN)/python -m benchmarks.scale --draw

screenshots: .stamp-test
	$(BIN)/python -m tests.tui.pictures

lint: .stamp-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .stamp-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .stamp-run .stamp-test .stamp-mutants

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

.stamp-run: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.stamp-test: requirements-test.lock .stamp-run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-test.lock
	touch $@

.stamp-mutants: requirements-mutants.lock .stamp-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-mutants.lock
	touch $@

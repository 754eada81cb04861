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

simulate: .stamp-test
	AMPUBSUB_SIM_SEEDS=$(or $(SEEDS),300) $(BIN)/python -m pytest -n 2 tests/sim/test_seeds.py

scale: .stamp-test
	$(BIN)/python -m benchmarks.scale --draw

mutants: .stamp-test .venv-mutants/bin/cosmic-ray
	$(BIN)/python -m benchmarks.mutants $(ROOMS) --count $(or $(COUNT),100) --seed $(or $(SEED),1)

.venv-mutants/bin/cosmic-ray:
	$(PYTHON) -m venv .venv-mutants
	.venv-mutants/bin/python -m pip install --quiet --disable-pip-version-check cosmic-ray==8.7.0

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
	rm -rf $(VENV) .venv-mutants .stamp-run .stamp-test

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

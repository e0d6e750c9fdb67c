# Two commands set up everything: `make demo` and `make test`. They need Python >= 3.10 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-for-tests

.PHONY: demo test lint bench screenshots clean

$(STAMP): setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

$(TEST_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,s3test,croissant]"
	@touch $@

demo: $(STAMP)  ## the miniature corpus, end to end, in ./demo
	$(BIN)/ave demo --store demo

test: $(TEST_STAMP)  ## lint, types, import contract, all tests with coverage
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term --cov-fail-under=90

lint: $(STAMP)  ## ruff, mypy and the import contract alone
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

screenshots: demo  ## the pictures of the README, of that demo; needs a Chromium
	$(BIN)/python docs/screenshots.py demo

bench: $(STAMP)  ## the quick benchmarks beside peers and limits, under three minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks --quick

clean:  ## the environment and the demo store
	rm -rf $(VENV) demo

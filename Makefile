# Two commands are enough on a machine with only Python and make: `make demo` and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: docs results trust help install demo test lint fuzz clean

help:  ## Say what there is.
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

install: $(STAMP)  ## Make .venv with everything in it; no work when up to date.

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

demo: install  ## Run the main job on the embedded data into demo/ (under four minutes).
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash benchmarks/demo.sh demo

test: install  ## Run all tests.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q

docs: install  ## Write docs/commands.md from the commands.
	$(BIN)/python docs/reference.py

results: install  ## Write docs/results.md from what the benchmarks recorded.
	$(BIN)/python docs/results.py

lint: install  ## Check style, types and the order of the rooms.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: install  ## Look for tables that break the reader, for ten minutes.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt atheris
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz_guided.py -max_total_time=600 -max_len=8192 fuzz-corpus

trust: install  ## Kill commands 200 times, and damage model files for ten minutes.
	OMP_NUM_THREADS=1 $(BIN)/python tests/trust.py 200
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz_models.py 600

clean:  ## Remove what the other targets made.
	rm -rf .venv demo dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache

# Two commands: `make table1` and `make test`. Each makes the environment first if it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: table1 test rehearse venv lint lock clean

table1: venv
	snakemake --cores $(CORES) reports/table1.md
	@echo; cat reports/table1.md

test: venv
	pytest -n auto --maxprocesses 4 --dist worksteal

# What benchmarks/gpu.sh does on a GPU, at tiny sizes on the CPU.
rehearse: venv
	benchmarks/gpu.sh --rehearse

lint: venv
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile pipeline/rules
	snakemake --lint
	lint-imports
	mypy

venv: $(VENV)/.made

$(VENV)/.made: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Pin anew (Linux; elsewhere install with `pip install -e .[dev]`).
lock:
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--no-header --no-annotate --strip-extras --allow-unsafe --extra dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .snakemake

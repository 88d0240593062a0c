# Two commands: `make table1` and `make test`. Each makes the environment first if it is missing; `make help` lists all.
.DEFAULT_GOAL := table1
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help table1 test venv lint docs docs-serve lock clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14

table1: venv ## reports/table1.md: 12 GANs on handwritten digits, on a CPU
	snakemake --cores $(CORES) reports/table1.md
	@echo; cat reports/table1.md

test: venv ## the tests
	pytest -n auto --maxprocesses 4 --dist worksteal

lint: venv ## ruff, snakefmt, import-linter, mypy
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile pipeline/rules
	snakemake --lint
	lint-imports
	mypy

# Nothing is fetched: what the site shows is in the repository.
docs: venv ## the site, into site/; a dead link is an error
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

docs-serve: venv ## the site on port 8000, built anew when a page changes
	NO_MKDOCS_2_WARNING=1 mkdocs serve

venv: $(VENV)/.made ## .venv, pinned and hashed

$(VENV)/.made: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Linux; elsewhere install with `pip install -e .[dev,docs]`.
lock: ## pin anew: requirements.lock from pyproject.toml
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--no-header --no-annotate --strip-extras --allow-unsafe --extra dev --extra docs --output-file requirements.lock pyproject.toml

clean: ## remove the environment and Snakemake's state
	rm -rf $(VENV) .snakemake site

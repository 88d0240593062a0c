# The commands of this project; `make help` lists them. Each makes the environment first if it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
VENV := .venv
MORE := .venv-more
BIN := $(VENV)/bin
INSTALL := python -m pip install --quiet --disable-pip-version-check
CHROMIUM ?= /usr/bin/chromium
KILLS ?= 100
SEED ?= 0
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help table1 test rehearse lint chaos chromium test-browser test-cluster test-cluster-short test-examples \
	test-store docs docs-serve venv more lock clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' Makefile | expand -t 20

table1: venv ## reports/table1.md: 24 GANs on handwritten digits, on a CPU
	snakemake --cores $(CORES) reports/table1.md
	@echo; cat reports/table1.md

test: venv ## the tests
	pytest -n auto --maxprocesses 4 --dist worksteal

rehearse: venv ## what benchmarks/gpu.sh does on a GPU, at tiny sizes on the CPU
	benchmarks/gpu.sh --rehearse

lint: venv ## ruff, snakefmt, import-linter, mypy
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile pipeline/rules
	lint-imports
	mypy

chaos: venv ## kill and damage the pipeline KILLS times (docs/trust.md): 6 take a minute, 100 an hour
	PYTHONPATH=src:tests python -m chaos.campaign --kills $(KILLS) --seed $(SEED)

test-cluster: venv ## trainings on a real Slurm of this machine alone; as root, since apt installs it
	bash tests/cluster/run.sh

test-cluster-short: venv ## as much of it as .ci/run has time for
	bash tests/cluster/run.sh -n 2 -k "orphaned or refuses"

test-store: venv ## push and pull against a real object store, moto's
	$(INSTALL) --no-build-isolation --editable .[s3,test-store]
	pytest tests/store

test-browser: more chromium ## `advcodes explore` in Debian's Chromium; ONLY chooses tests, as pytest's -k
	CHROMIUM=$(CHROMIUM) $(MORE)/bin/python -m pytest tests/browser -k "$(ONLY)"

test-examples: more ## what docs/acl_module.md shows for Lightning and Hugging Face
	$(MORE)/bin/python -m pytest tests/examples -k "$(ONLY)"

chromium:
	@test -x $(CHROMIUM) || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium) > /dev/null 2>&1 \
		|| { echo "no Chromium here, and apt-get cannot install it: tests in the browser cannot run"; exit 1; }

# Nothing is fetched: what the site shows is in the repository.
docs: venv ## the site, into site/; a dead link is an error
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

docs-serve: venv ## the site on port 8000, built anew when a page changes
	NO_MKDOCS_2_WARNING=1 mkdocs serve

venv: $(VENV)/.made ## .venv, pinned and hashed

$(VENV)/.made: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(INSTALL) --require-hashes --requirement requirements.lock
	$(BIN)/$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# An environment over .venv, with what is too heavy or at odds with it: Gradio takes an older Pillow.
more: venv $(MORE)/.made

$(MORE)/.made: pyproject.toml $(VENV)/.made
	$(PYTHON) -m venv --without-pip $(MORE)
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> $$($(MORE)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth
	$(MORE)/bin/$(INSTALL) --no-build-isolation --editable .[dev,watch,explore,browser,examples]
	@touch $@

# Linux; elsewhere install with `pip install -e .[dev,docs,watch,yardstick,tune]`.
lock: ## pin anew: requirements.lock from pyproject.toml
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--no-header --no-annotate --strip-extras --allow-unsafe --extra dev --extra docs --extra watch --extra yardstick --extra tune \
		--output-file requirements.lock pyproject.toml

clean: ## remove the environments, the site and Snakemake's state
	rm -rf $(VENV) $(MORE) .snakemake site

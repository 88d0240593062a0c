# Two commands: `make table1` and `make test`. Each makes the environment first if it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)

KILLS ?= 100
SEED ?= 0

.PHONY: table1 test lint chaos test-browser chromium test-cluster test-cluster-short test-examples test-store \
	venv more lock clean
MORE := .venv-more
CHROMIUM ?= /usr/bin/chromium


table1: venv
	snakemake --cores $(CORES) reports/table1.md
	@echo; cat reports/table1.md

test: venv
	pytest -n auto --maxprocesses 4 --dist worksteal

# On a real Slurm of this machine alone; as root, since apt installs it. The short one is what .ci/run has time for.
test-cluster: venv
	bash tests/cluster/run.sh

test-cluster-short: venv
	bash tests/cluster/run.sh -k "orphaned or refuses"

# Against a real object store, moto's.
test-store: venv
	$(INSTALL) --no-build-isolation --editable .[s3,test-store]
	pytest tests/store
# `advcodes explore` in Debian's Chromium. ONLY chooses tests, as pytest's -k.
test-browser: more chromium
	CHROMIUM=$(CHROMIUM) $(MORE)/bin/python -m pytest tests/browser -k "$(ONLY)"

# What docs/acl_module.md shows for Lightning and Hugging Face.
test-examples: more
	$(MORE)/bin/python -m pytest tests/examples -k "$(ONLY)"

chromium:
	@test -x $(CHROMIUM) || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium) > /dev/null 2>&1 \
		|| { echo "no Chromium here, and apt-get cannot install it: tests in the browser cannot run"; exit 1; }

# An environment over .venv, with what is too heavy or at odds with it: Gradio takes an older Pillow.
more: venv $(MORE)/.made

$(MORE)/.made: pyproject.toml $(VENV)/.made
	$(PYTHON) -m venv --without-pip $(MORE)
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> $$($(MORE)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth
	$(MORE)/bin/python -m pip install --quiet --disable-pip-version-check --editable .[dev,watch,explore,browser,examples] \
		--no-build-isolation
	@touch $@

lint: venv
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile pipeline/rules
	snakemake --lint
	lint-imports
	mypy

# Kill and damage the pipeline again and again (docs/trust.md); a few kills take a minute, 100 an hour.
chaos: venv
	PYTHONPATH=src:tests python -m chaos.campaign --kills $(KILLS) --seed $(SEED)

venv: $(VENV)/.made

$(VENV)/.made: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Pin anew (Linux; elsewhere install with `pip install -e .[dev]`).
lock:
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--no-header --no-annotate --strip-extras --allow-unsafe --extra dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) $(MORE) .snakemake

# `make run` starts the service, `make test` runs every test; `make help` lists the rest.
#
# Wants Python 3.11 or newer with its venv module, and GNU make 3.81 or newer (the one of macOS).
# Each set of packages is installed from a lock file with hashes, once: the second start is instant.

VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTHONS = python3 python3.14 python3.13 python3.12 python3.11
UV = $(VENV)/uv

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.PHONY: help run install dev test browser conformance quick faults lint types imports bench format lock clean

help:
	@echo "make run      install what the service needs, start it (HOST=, PORT=, DATA_DIR=)"
	@echo "make test     every test, on both databases (ARGS='-k ledger' to choose)"
	@echo "make quick    the tests without the slow ones"
	@echo "make faults   break everything under load and check the books (MINUTES=, SEED=, ARGS=)"
	@echo "make conformance  the JSON API against its OpenAPI document, thoroughly"
	@echo "make lint     ruff: rules and formatting"
	@echo "make types    mypy, strict"
	@echo "make imports  the import rule of the layers"
	@echo "make bench    group commit against one transaction for each finish"
	@echo "make format   let ruff correct what it can"
	@echo "make lock     resolve the lock files anew from pyproject.toml"
	@echo "make clean    remove what this file made (never the data directory)"

run: install
	@exec env \
	  $(if $(HOST),SHAREAUTH_SERVICE__HOST='$(HOST)') \
	  $(if $(PORT),SHAREAUTH_SERVICE__PORT='$(PORT)') \
	  $(if $(DATA_DIR),SHAREAUTH_SERVICE__DATA_DIR='$(DATA_DIR)') \
	  $(BIN)/shareauth serve

install: $(VENV)/.installed
dev: $(VENV)/.installed-dev

# Many tests wait for a server most of the time: several run at once, each process with servers
# of its own. ARGS='-n 0' runs them in one, as a debugger wants it.
# They start hundreds of processes: each would compile what it imports where that is not written.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal

test: dev browser
	@$(PYTEST) $(ARGS)

# The console is tested in a real browser: the Chromium that is here, else Debian's where it may be
# installed. Without any, those tests say so and are skipped.
browser:
	@for program in chromium chromium-browser google-chrome; do \
	  command -v $$program >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the tests of the console ..."; \
	  apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium fonts-noto-cjk >/dev/null; \
	else echo "no Chromium here: the tests of the console in a browser are skipped"; fi

quick: dev
	@$(PYTEST) -m "not slow" $(ARGS)

# The JSON API against its own document, with the edges of every schema: a few minutes.
conformance: dev
	@SHAREAUTH_TEST_DEEP=1 $(BIN)/python -m pytest -n 0 tests/admin/test_api_conformance.py

# docs/faults.md: what is broken, what must hold, how a run is replayed.
faults: dev
	@PYTHONPATH=tests $(BIN)/python -m faults.run \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: dev
	$(BIN)/mypy

imports: dev
	$(BIN)/lint-imports

bench: dev
	@$(BIN)/python benchmarks/finish_throughput.py $(ARGS)

format: dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: $(UV)/bin/uv
	$(UV)/bin/uv pip compile $(COMPILE) --extra build -o requirements.lock
	$(UV)/bin/uv pip compile $(COMPILE) --extra build --extra dev \
	  --constraint requirements.lock -o requirements-dev.lock

# One lock for every platform and every Python; index addresses stay on the machine that resolved.
COMPILE = pyproject.toml --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
  --no-header --no-emit-index-url --no-emit-find-links

clean:
	rm -rf $(VENV) shareauth.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache .coverage
	find app tests migrations -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the packages of requirements.lock ..."
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the packages of requirements-dev.lock ..."
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.installed

$(UV)/bin/uv: | $(BIN)/python
	@$(BIN)/python -m venv $(UV)
	@$(UV)/bin/python -m pip --disable-pip-version-check install --quiet uv

# PYTHON=/path/to/python chooses one; else the first of PYTHONS that is new enough.
$(BIN)/python:
	@for python in $(or $(PYTHON),$(PYTHONS)); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$$python lacks its venv module: install it with 'apt install python3-venv'"; \
	    exit 1; }; \
	  "$$python" -m venv $(VENV) && exit 0; \
	  rm -rf $(VENV); exit 1; \
	done; \
	echo "shareauth needs Python 3.11 or newer; say where it is with PYTHON=/path/to/python"; \
	exit 1

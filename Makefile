# `make` alone lists what there is. Everything is installed into .venv and nothing outside it,
# save the Debian packages that `make test` says it needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
# More words for the command of a target: make demo ARGS="--http-port 9000", make test ARGS="-k ticket"
ARGS ?=

# What the tests with real servers and a real browser start; libatomic1 is for the driver inside the Playwright wheel.
TEST_PACKAGES := mosquitto influxdb postgresql chromium libatomic1 fonts-noto-cjk
# Tests run in so many processes beside each other, each with servers of its own; 0 is in this one.
JOBS ?= 2
# One of them with words of its own: make bench BENCHES=ingest ARGS="--qos 0"
BENCHES ?= ingest tickets disposal statistics memory detectors

.PHONY: help demo test check format bench clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(VENV)/.for-use ## everything on simulated equipment, with a web page
	@$(VENV)/bin/liandong demo $(ARGS)

test: $(VENV)/.for-development ## all tests, those with real servers and a real browser included
	@.ci/debian-packages $(TEST_PACKAGES)
	@$(PYTHON) -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

check: $(VENV)/.for-development ## format, lint, types, import rules, tests
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@$(MAKE) test

format: $(VENV)/.for-development ## puts the code into the form that `make check` asks for
	$(VENV)/bin/ruff check --fix-only .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.for-use ## the benchmarks, as a table and as JSON in var/bench
	@mkdir -p var/bench
	@for name in $(BENCHES); do \
	    echo "bench $$name"; \
	    $(VENV)/bin/liandong bench $$name $(ARGS) >var/bench/$$name.json; \
	    $(PYTHON) -c 'import json, sys; [print(f"  {name:<40}{value}") for name, value in json.load(sys.stdin).items()]' <var/bench/$$name.json; \
	done

clean: ## removes what was set up and made, but not the data in var
	rm -rf $(VENV) build dist test-artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian keeps ensurepip in a package of its own, so the environment is made without pip
# and filled by the pip of whichever Python has one.
SUITABLE := import sys; sys.exit(sys.version_info < (3, 11))
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
INSTALL = pip_of=; \
	for python in $(PYTHONS); do \
	    if $$python -m pip --python $(PYTHON) --version >/dev/null 2>&1; then pip_of=$$python; break; fi; \
	done; \
	if [ -z "$$pip_of" ] && $(PYTHON) -m ensurepip >/dev/null 2>&1; then pip_of=$(PYTHON); fi; \
	if [ -z "$$pip_of" ]; then echo "pip is missing; on Debian: apt-get install python3-pip" >&2; exit 1; fi; \
	echo "installing into $(VENV)"; \
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	$$pip_of -m pip --python $(PYTHON) install --quiet

$(PYTHON):
	@for python in $(PYTHONS); do \
	    if $$python -c '$(SUITABLE)' 2>/dev/null; then exec $$python -m venv --without-pip $(VENV); fi; \
	done; \
	echo "Python 3.11 or newer is missing; on Debian: apt-get install python3" >&2; exit 1

$(VENV)/.for-use: pyproject.toml constraints.txt | $(PYTHON)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.for-development: pyproject.toml constraints.txt | $(PYTHON)
	@$(INSTALL) --editable '.[test,check]'
	@touch $@ $(VENV)/.for-use

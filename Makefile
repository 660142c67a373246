# make run    start everything; prints the address to open      make run ARGS="--pumps 1000"
# make test   all tests                                         make test ARGS="tests/broker -x"
# make score  detection rate and false alarms of the scenarios, on seeds that no rule was tuned on, into build/score
# make check  format, lint, types, generated documentation, language
# make docs   generated reference and pictures, then a documentation site to publish, into build/site
# make contracts  the AsyncAPI document by its official parser, the example flow in a real Node-RED; needs node and npm
# make bench  how fast engine, wire, fleet and history are, with comparisons; some minutes, prints tables
# make chaos  a hundred failure injections, a million mutated payloads, a thousand stories of strangers; half an hour
# make endurance  500 navigations, a laptop that slept, a dashboard that hangs, in Chromium; a quarter of an hour
# make screenshots  every page on every screen, light and dark, with 0 to 100,000 pumps, into build/screenshots
# make sbom   every package that runs with Pumpwatch, in CycloneDX format, into build/sbom.json
# make audit  known vulnerabilities of these packages; asks PyPI
# make containers  build the images, run docker-compose.yml with them, kill and break things; some minutes, as root, podman
# make setup  what run, test and check need (they call it themselves)

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# The first Python that is new enough and can make a virtual environment.
PYTHON ?= $(shell for name in python3.12 python3.11 python3.13 python3.14 python3 python; do \
	"$$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { command -v "$$name"; break; }; done)

# Asked for both, the two are done side by side: packages of Python and of Debian install together, and the types are
# checked while whole systems are tested, which wait more than they work.
ifneq (,$(and $(filter check,$(MAKECMDGOALS)),$(filter test,$(MAKECMDGOALS))))
MAKEFLAGS += --jobs=2 --output-sync=none
endif

.PHONY: help run test check setup docs contracts bench chaos endurance screenshots score sbom audit containers clean tools

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: $(VENV)/installed-to-run
	@exec $(BIN)/pumpwatch run $(ARGS)

# More tests at a time than the two cores of the CI machine: many wait for timers, sockets and processes.
test: $(VENV)/installed-to-work tools
ifeq ($(strip $(ARGS)),)
	POLARS_MAX_THREADS=1 $(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder --durations=25
else
	POLARS_MAX_THREADS=1 $(BIN)/python -m pytest $(ARGS)
endif

# The types take longest and one core; all else is checked beside them.
check: $(VENV)/installed-to-work
	@$(BIN)/mypy & types=$$!; set -x; \
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && \
	$(BIN)/python -m pumpwatch.documentation.reference --check && \
	$(BIN)/python -m pumpwatch.documentation.language; rest=$$?; \
	wait $$types && exit $$rest

setup: $(VENV)/installed-to-work tools

docs: $(VENV)/installed-to-write
	$(BIN)/python -m pumpwatch.documentation.pictures
	$(BIN)/python -m pumpwatch.documentation.fault_catalogue
	$(BIN)/python -m pumpwatch.documentation.reference
	$(BIN)/python -m pumpwatch.documentation.site

# What npm brings stays in build/contracts.
contracts: $(VENV)/installed-to-work tools
	POLARS_MAX_THREADS=1 $(BIN)/python -m pytest tests/contracts/full_*.py -s $(ARGS)

bench: $(VENV)/installed-to-measure
	$(BIN)/python -m pytest tests/bench -s $(ARGS)

SCORED := bars every-fault two-faults-at-once fault-during-link-trouble fault-after-refill-or-program lively-month
score: $(VENV)/installed-to-run
	@mkdir -p build/score
	@for name in $(SCORED); do \
		POLARS_MAX_THREADS=1 $(BIN)/pumpwatch score $$name --seed-shift 1000 --turn 5m \
			--json build/score/$$name.json --html build/score/$$name.html $(ARGS) || exit 1; \
	done

chaos: $(VENV)/installed-to-measure tools
	POLARS_MAX_THREADS=1 $(BIN)/python -m pytest tests/chaos/full_*.py -s $(ARGS)
	POLARS_MAX_THREADS=1 CHAOS_STORIES=500 $(BIN)/python -m pytest tests/strangers/test_clocks.py tests/strangers/test_every_topic.py

endurance: $(VENV)/installed-to-measure tools
	POLARS_MAX_THREADS=1 $(BIN)/python -m pytest tests/dashboard/full_endurance.py -s $(ARGS)

screenshots: $(VENV)/installed-to-work tools
	POLARS_MAX_THREADS=1 $(BIN)/python -m tests.screenshots $(ARGS)

# An environment with what runs and nothing else: tools and tests are no part of the product.
PRODUCT := build/product
build/sbom.json: $(PRODUCT)/installed
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file $@ $(PRODUCT)

sbom: build/sbom.json
	@echo "$$(grep -c '"purl"' build/sbom.json) packages in build/sbom.json"

audit: $(PRODUCT)/installed
	@rm -f build/audit.json
	@$(BIN)/pip-audit --path $$(echo $(PRODUCT)/lib/python3*/site-packages) --progress-spinner off --format json \
		--output build/audit.json >/dev/null 2>build/audit.log || true
	@$(BIN)/python deploy/audit.py build/audit.json

containers: $(VENV)/installed-to-work
	$(BIN)/python tests/containers $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Compiling all packages takes longer than installing them, and most of their modules are never imported.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile

# Three stamps: running needs less than working on it, and that less than comparing, so a first `make run` is quicker.
$(VENV)/installed-to-run: pyproject.toml | $(BIN)/python
	@echo "Installing Pumpwatch into $(VENV), once; about half a minute"
	@$(BIN)/python $(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed-to-work: pyproject.toml | $(BIN)/python
	@echo "Installing Pumpwatch and its tools into $(VENV), once; about a minute"
	@$(BIN)/python $(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/installed-to-run

$(VENV)/installed-to-write: pyproject.toml | $(VENV)/installed-to-run
	@$(BIN)/python $(PIP_INSTALL) --editable '.[docs]'
	@touch $@

$(VENV)/installed-to-measure: pyproject.toml | $(VENV)/installed-to-work
	@$(BIN)/python $(PIP_INSTALL) --editable '.[bench,chaos]'
	@touch $@

$(PRODUCT)/installed: pyproject.toml | $(VENV)/installed-to-work
	@$(BIN)/python $(PIP_INSTALL) --editable '.[supply-chain]'
	@rm -rf $(PRODUCT) && $(BIN)/python -m venv --without-pip $(PRODUCT)
	@$(BIN)/python -m pip --python $(PRODUCT)/bin/python install --quiet --disable-pip-version-check .
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv was found. On Debian: apt install python3 python3-venv;" \
		"or say which: make PYTHON=/path/to/python3" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

# Programs that the tests drive and pip cannot install. Where they are missing, tests that need them are skipped with
# that reason; with CI=true that is an error.
tools:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; \
	lacking() { \
		command -v mosquitto >/dev/null || echo mosquitto; \
		command -v mosquitto_pub >/dev/null || echo mosquitto-clients; \
		command -v nginx >/dev/null || echo nginx-light; \
		command -v caddy >/dev/null || echo caddy; \
		command -v openssl >/dev/null || echo openssl; \
		test -x "$${CHROMIUM_PATH:-}" || command -v chromium chromium-browser google-chrome >/dev/null || echo chromium; \
	}; \
	missing=$$(lacking | tr '\n' ' '); \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null; then \
		if [ "$$(id -u)" = 0 ]; then as_root=env; elif sudo -n true 2>/dev/null; then as_root="sudo env"; else as_root=; fi; \
		if [ -n "$$as_root" ]; then \
			echo "installing $$missing"; \
			$$as_root apt-get -qq update && for package in $$missing; do \
				$$as_root DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$package >/dev/null; \
			done; \
		fi; \
		missing=$$(lacking | tr '\n' ' '); \
	fi; \
	if [ -n "$$missing" ]; then \
		echo "Missing: $$missing- tests that need them are skipped. On Debian: apt install $$missing" >&2; \
		test "$${CI:-}" != true; \
	fi

# Two verbs are enough: `make run` starts everything on this machine, `make test` checks everything.
# Needs Python 3.11+, make and a C library; no root, no other tool: the rest comes from locked packages.
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PY := .venv/bin/python
DIST := src/saqtau/web/dist
CONSOLE := $(shell find console -path console/node_modules -prune -o -type f -print 2>/dev/null) $(wildcard src/saqtau/locales/*.json)
FOLDER ?= .saqtau
# the verifier over golang.org/x/mod is built where Go and Debian's golang-golang-x-mod-dev are there; else its tests are skipped
GOCODE := /usr/share/gocode
GOCHECK := $(and $(shell command -v go 2>/dev/null),$(wildcard $(GOCODE)/src/golang.org/x/mod/sumdb/tlog),.foreign/logcheck)
.DEFAULT_GOAL := help
.PHONY: help run test lint unit engine engine-record engine-api console-check foreign e2e test-cluster test-long bench clean

help: ## Show this list
	@awk 'BEGIN{FS=":.*##"} /^[a-z0-9-]+:.*##/{printf "  make %-14s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

run: .venv/.synced $(DIST)/index.html ## Set up if needed, then start the demonstration city
	@$(PY) -m saqtau.cli run --demonstration --folder $(FOLDER)

test: lint unit engine foreign console-check e2e ## Set up if needed, then check everything (not the long benches)
	@echo "make test: everything passed"

lint: .venv/.synced ## Style, import rules, types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy

unit: .venv/.synced ## Pure parts: unit, property, desks, architecture
	.venv/bin/pytest -n 2 tests/unit tests/property tests/desks tests/architecture

engine: .venv/.synced $(DIST)/index.html ## Real PostgreSQL and NATS: engine, faults, API
	@$(MAKE) --no-print-directory -j 2 --output-sync=target engine-record engine-api

# side by side, each with servers of its own: most of their time is waiting
engine-record: .venv/.synced
	.venv/bin/pytest tests/engine tests/faults
engine-api: .venv/.synced
	.venv/bin/pytest tests/api

console-check: .venv/.synced console/node_modules/.synced ## Console: types, tests, build
	PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix console run check
	PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix console test
	@$(MAKE) --no-print-directory $(DIST)/index.html

foreign: .venv/.synced .foreign/.synced .foreign/c2pa/.synced .foreign/ipycam/.synced $(GOCHECK) ## The ledger, checked by programs that nobody here wrote
	.venv/bin/pytest tests/foreign

e2e: .venv/.synced $(DIST)/index.html ## The whole house in a real browser
	.venv/bin/pytest tests/e2e

test-cluster: .venv/.synced ## The engine tests on three NATS nodes and a separate PostgreSQL
	SAQTAU_CLUSTER=1 .venv/bin/pytest tests/engine tests/faults

test-long: .venv/.synced $(DIST)/index.html ## The long run: 200 kills, fuzzing, soak
	$(UV) sync --frozen -q --group long
	SAQTAU_KILLS=200 HYPOTHESIS_PROFILE=long .venv/bin/pytest -m "long or not long" tests

bench: .venv/.synced ## Every figure of the README, beside its peers (long)
	$(UV) sync --frozen -q --group sim --group bench
	@for claim in bench/*.py; do echo "== $$claim"; PYTHONPATH=. $(PY) $$claim || exit 1; done

clean: ## Remove what was built and the demonstration's data
	rm -rf .venv .tools .foreign $(DIST) console/node_modules $(FOLDER) $(FOLDER)-witness

.tools/bin/uv:
	python3 -m venv .tools && .tools/bin/pip install -q uv==0.13.9

.venv/.synced: pyproject.toml uv.lock | $(filter .tools/bin/uv,$(UV))
	$(UV) sync --frozen -q --inexact && touch $@

# they declare Python 3.12 and run on 3.11; their own needs are in the environment of the tests
.foreign/.synced: tests/foreign/requirements.txt .venv/.synced
	@rm -rf .foreign/python && mkdir -p .foreign
	@$(UV) pip install -q --python $(PY) --python-version 3.12 --no-deps --require-hashes --target .foreign/python -r $< \
		&& touch $@ || echo "make foreign: aics-tlog, aics-witness and tlog-scales could not be had; their tests are skipped"

# without what is optional: that is native code for speed, and would run its own scripts
.foreign/c2pa/.synced: tests/foreign/c2pa/package-lock.json tests/foreign/c2pa/check.mjs .venv/.synced
	@rm -rf .foreign/c2pa && mkdir -p .foreign/c2pa && cp tests/foreign/c2pa/* .foreign/c2pa/
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix .foreign/c2pa install --omit=optional --ignore-scripts --no-save --no-audit \
		--no-fund --loglevel=error >/dev/null && touch $@ || echo "make foreign: c2pa-ts could not be had; its tests are skipped"

# brings another OpenCV, and so must not get into the environment of the tests
.foreign/ipycam/.synced: tests/foreign/ipycam.txt .venv/.synced
	@rm -rf .foreign/ipycam && mkdir -p .foreign && $(PY) -m venv .foreign/ipycam && .foreign/ipycam/bin/pip install -q \
		--disable-pip-version-check --require-hashes -r $< && touch $@ || echo "make foreign: ipycam could not be had; its tests are skipped"

.foreign/logcheck: tests/foreign/main.go | .foreign/.synced
	GO111MODULE=off GOPATH=$(GOCODE) go build -trimpath -o $@ $<

console/node_modules/.synced: console/package-lock.json console/package.json .venv/.synced
	PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix console ci --no-audit --no-fund --loglevel=error && touch $@

$(DIST)/index.html: console/node_modules/.synced $(CONSOLE)
	PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix console run --silent build && touch $@

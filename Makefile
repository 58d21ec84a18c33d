# make demo | test | up | bench | chaos | fuzz | audit | ci | test-deps | format
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo up test test-deps lint bench chaos fuzz audit ci format clean
.DEFAULT_GOAL := demo

.venv/.runs: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@$(PYTHON) -m venv .venv || { echo "python3 -m venv does not work here; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing ..."
	@$(PIP) -e .
	@touch $@

.venv/.tests: .venv/.runs
	@echo "installing what the tests need ..."
	@$(PIP) -e '.[test,photos]'
	@touch $@

demo: .venv/.runs  ## everything on embedded defaults, and one run of the shipped pipeline (ARGS=--exit to end with it)
	@$(BIN)/python -m ops.cli.demo $(ARGS)

up: .venv/.runs  ## the same without the sample run and the emulator
	@$(BIN)/orchestrator up $(ARGS)

test: .venv/.tests lint  ## everything, from a clean clone
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.tests  ## speed and memory, measured here
	$(BIN)/python -m ops.bench $(ARGS)

chaos: .venv/.runs  ## 10,000 runs at a hostile provider while processes are killed (ARGS="--broker redis --seed 7" ...)
	@$(BIN)/orchestrator chaos --runs 10000 --minutes 90 $(ARGS)

fuzz: .venv/.tests  ## a million malformed callback bodies, hostile requests; two hours or more (ARGS="--bodies 20000 --seed 7" ...)
	@$(BIN)/python -m ops.fuzz --bodies 1000000 $(ARGS)

.venv-audit/.made:
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9'
	@touch $@

audit: .venv-audit/.made  ## known vulnerabilities of the pinned packages; asks pypi.org (ARGS="-s osv": osv.dev)
	.venv-audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip $(ARGS)

ci: test  ## what CI runs

test-deps:  ## the real servers that the tests use when they are installed
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server rabbitmq-server pgbouncer postgresql-15 chromium

format: .venv/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-audit build dist *.egg-info

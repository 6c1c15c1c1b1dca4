# Every target makes the environment that it needs. PYTHON names the interpreter (3.11 or later).
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
ARGS ?=
# Tests run in three processes, each with servers of its own: one more than cores, as many of them wait. 0 takes one (for --pdb).
WORKERS ?= 3
VENV := .venv
DEMO := .venv-demo
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet
LOCK := -c constraints.txt

.PHONY: help demo up test test-unit test-db test-db15 test-integration test-install test-functions test-bots check format ci ci-rest conformance bench-db bench-bots bench-edge bench-realtime bench-session sabotage chaos pictures clean python
.DEFAULT_GOAL := help

help: ## Show this list
	@while IFS= read -r line; do case "$$line" in [a-z]*:*'##'*) \
	  name="$${line%%:*}"; printf '  make %-18s %s\n' "$$name" "$${line##*\#\# }";; esac; done < Makefile

demo: $(DEMO)/.ready ## Three people and a bot in one room, on a local stack made for it (no Docker)
	@$(DEMO)/bin/spaces demo $(ARGS)

up: $(DEMO)/.ready ## Start the local stack and keep it running (Ctrl-C stops it)
	@$(DEMO)/bin/spaces up $(ARGS)

test: $(VENV)/.ready ## The test suite on the local stack
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-unit: $(VENV)/.ready ## The tests without network and processes
	$(BIN)/pytest tests/unit tests/contract_suite -m "unit or contract" $(ARGS)

test-db: $(VENV)/.ready ## The tests of the SQL, on the Postgres of the wheel
	$(BIN)/pytest -n $(WORKERS) --dist worksteal tests/db $(ARGS)

test-db15: $(VENV)/.ready ## The same on another Postgres: POSTGRES_BIN=/usr/lib/postgresql/15/bin
	$(BIN)/pytest -n $(WORKERS) --dist worksteal tests/db --postgres-bin "$${POSTGRES_BIN:-/usr/lib/postgresql/15/bin}" $(ARGS)

test-integration: $(VENV)/.ready ## The SDK against a running stack
	$(BIN)/pytest -m integration $(ARGS)

test-functions: $(VENV)/.ready ## The edge functions: on Deno in-process, on a running stack, many made-up requests
	SPACES_TEST_PROBES=40 $(BIN)/pytest -n $(WORKERS) --dist worksteal tests/functions $(ARGS)

test-bots: $(VENV)/.ready ## The bots' tests, with 20,000 tokens to 20 listeners and 500 questions to replicas that are killed
	$(BIN)/pytest tests/unit/bots tests/integration/test_bots_live.py tests/integration/test_turns_live.py \
	  tests/integration/test_answers_live.py tests/integration/test_openai_model.py tests/integration/test_example_http.py \
	  tests/integration/test_streams_live.py tests/bots_load --full-load $(ARGS)

check: $(VENV)/.ready ## Lint, format, strict types, direction of imports; the TypeScript too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pytest -q tests/unit/test_layers.py tests/stack/test_typescript.py

format: $(VENV)/.ready ## Apply the formatter and the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

conformance: $(VENV)/.ready ## The recordings of the real Realtime against the local one, frame by frame
	$(BIN)/python -m tests.conformance $(ARGS)

bench-realtime: $(VENV)/.ready ## The load that the local Realtime bears, beside raw websockets; fails beyond its limits (ARGS=--quick)
	$(BIN)/python -m benchmarks.realtime $(ARGS)

bench-db: $(VENV)/.ready ## What the database costs, as ratios; fails where it does not stay flat (ARGS=--full)
	$(BIN)/python -m benchmarks.db $(ARGS)

bench-session: $(VENV)/.ready ## What a message costs who hears it, sends a second, 500 sessions in a process; fails beyond its limits
	$(BIN)/python -m benchmarks.session $(ARGS)

bench-bots: $(VENV)/.ready ## How soon a bot's answer is heard, stopped and claimed, beside raw websockets; fails beyond its limits
	$(BIN)/python -m benchmarks.bots $(ARGS)

bench-edge: $(VENV)/.ready ## What the REST service costs beside PostgREST, as ratios; fails beyond its limits
	$(BIN)/python -m benchmarks.edge $(ARGS)

test-install: $(VENV)/.ready ## The wheel, and the SQL in an app's project by the Supabase CLI (downloads 65 MB once)
	$(BIN)/pytest tests/install $(ARGS)

sabotage: $(VENV)/.ready ## Break each guarantee on purpose and see its test turn red
	$(BIN)/python -m tests.sabotage $(ARGS)

chaos: $(VENV)/.ready ## Break network, stack and processes around sessions, then count (ARGS="--seconds 600 --sessions 12")
	$(BIN)/python -m tests.chaos $(ARGS)

ci: test ci-rest ## All of it

ci-rest: check test-db15 test-install test-functions test-bots conformance sabotage chaos demo ## All of it but the test suite itself

pictures: $(VENV)/.ready ## The pictures of the README, made again from real runs
	$(BIN)/spaces demo --svg docs/images/demo.svg
	$(BIN)/python docs/images/streamed_answer.py

clean: ## Remove the environments and the data of the local stack in this folder
	rm -rf $(VENV) $(DEMO) .spaces

python:
	@$(if $(PYTHON),:,echo "Python 3.11 or later was not found; install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1)

$(DEMO)/.ready: pyproject.toml constraints.txt | python
	@echo "Making the demo's environment in $(DEMO) (about 70 MB from PyPI, once) ..."
	@$(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python -m pip --disable-pip-version-check install $(LOCK) -e '.[local]'
	@touch $@

$(VENV)/.ready: pyproject.toml constraints.txt | python
	@echo "Making the development environment in $(VENV) (about 150 MB from PyPI, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python $(PIP) install $(LOCK) 'pip>=25.1'
	@$(VENV)/bin/python $(PIP) install $(LOCK) -e '.[ai,local]' --group dev
	@touch $@

# Everything a newcomer needs: `make demo` and `make test`. Python ≥ 3.11 is all that has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check format bench chaos soak alerts-live lock clean

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: $(READY)  ## an embedded server with school data; makes, lists, verifies and restores backups
	$(BIN)/sidecar demo

test: $(READY) check  ## all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --quiet

check: $(READY)  ## format, lint, types, floors of the house: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## figures of docs/performance.md
	$(BIN)/python benchmarks/pipeline.py

chaos: $(READY)  ## the long fault campaign, figures of docs/reliability.md
	$(BIN)/python -m pytest --quiet -m chaos tests/system

soak: $(READY)  ## ten minutes of a backup every second while everything breaks, figures of docs/reliability.md
	$(BIN)/python -m pytest --quiet -s -m soak tests/system

alerts-live: $(READY)  ## every alert from its cause to its receiver, on a real Prometheus and Alertmanager: 20 minutes
	$(BIN)/python -m pytest --quiet -m alerts tests/live

lock: $(READY)  ## renew the pinned versions
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --all-extras --group dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Everything a newcomer needs: `make demo` and `make test`. Python ≥ 3.11 is all that has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NATIVE := $(VENV)/.native
NATIVE_SOURCES := $(wildcard native/*.toml native/Cargo.lock native/*.pyi native/src/*.rs native/src/*/*.rs native/tests/*.rs native/examples/*.rs)
export CARGO_TARGET_DIR ?= $(CURDIR)/native/target
unexport PYTHONDONTWRITEBYTECODE  # where it is set, each of the many processes would compile every module anew
NEWEST ?= $(shell for v in 3.15 3.14 3.13 3.12; do python$$v -c "" 2>/dev/null && echo python$$v && break; done)
CARGO := $(shell cargo clippy --version >/dev/null 2>&1 && echo cargo)

.PHONY: versitygw copies alerts-mutants promtool-3 demo test newest native fuzz fuzz-guided instructions wheels check format docs generated dashboards-preview bench page-figures screenshots chaos properties soak alerts-live mutation lock sbom clean

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(NATIVE): $(READY) $(NATIVE_SOURCES)
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall ./native
	touch $@

native: $(NATIVE)  ## the codec in Rust, into the environment; cargo 1.88 or newer has to be there

# The demo's own environment holds what it needs and nothing else; one that is there for the tests will do as well.
DEMO := $(if $(wildcard $(READY)),$(READY),.venv-demo/.ready)

.venv-demo/.ready: requirements-demo.lock
	@echo "Making .venv-demo…"
	@$(PYTHON) -m venv .venv-demo
	@echo "Installing what the demo needs, into .venv-demo only:"
	@.venv-demo/bin/python -m pip install --require-hashes --only-binary :all: --no-compile --progress-bar off --disable-pip-version-check -r $< \
	  > .venv-demo/pip.log 2>&1 & pip=$$!; \
	while kill -0 $$pip 2>/dev/null; do \
	  line=$$(tail -1 .venv-demo/pip.log | cut -c1-76); test "$$line" = "$$seen" || echo "  $$line"; seen=$$line; sleep 1; \
	done; wait $$pip || { tail -5 .venv-demo/pip.log; exit 1; }
	@touch $@

demo: $(DEMO)  ## an embedded server with school data; makes, lists, verifies and restores backups
	@$(dir $(DEMO))bin/python -m sidecar demo

test: $(NATIVE) check  ## all tests
	cargo test --quiet --locked --manifest-path native/Cargo.toml
	$(BIN)/python -m pytest --numprocesses 4 --dist worksteal --quiet  # four on two cores: much of it is waiting

newest:  ## the tests of rules, formats and codecs on the newest Python there is, or NEWEST=path, in an environment of its own
	@test -n "$(NEWEST)" || { echo "newest: no python3.12 or newer is on PATH; name one: make newest NEWEST=/path/to/python3.14"; exit 2; }
	$(MAKE) VENV=.venv-newest PYTHON="$(NEWEST)" .venv-newest/.native
	.venv-newest/bin/python -m pytest --numprocesses 2 --quiet tests/unit tests/contract

$(VENV)/.native-checked: $(READY) $(NATIVE_SOURCES)
	cargo fmt --check --manifest-path native/Cargo.toml
	cargo clippy --quiet --locked --all-targets --manifest-path native/Cargo.toml -- --deny warnings
	touch $@

check: $(READY) $(if $(CARGO),$(VENV)/.native-checked)  ## format, lint, types, floors of the house: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) generated  ## the documents as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

generated: $(READY)  ## every file that a program writes: tables of the documents, docs/cli.md, grafana/*.json, alerts/prometheusrule.yaml
	$(BIN)/python docs/build.py
	$(BIN)/python alerts/build.py
	$(BIN)/python -m grafana.build

MINUTES ?= 24
dashboards-preview: generated  ## pictures of the dashboards in docs/images, from a real run of MINUTES
	$(BIN)/python -m grafana.preview --minutes $(MINUTES)

bench: $(READY)  ## figures of docs/performance.md
	$(BIN)/python benchmarks/pipeline.py

CASES ?= 1000000
fuzz:  ## the native codec on CASES made-up documents and lines of each of four kinds, nearly right ones among them
	CASES=$(CASES) cargo test --quiet --release --locked --test mutations --manifest-path native/Cargo.toml

FUZZ_SECONDS ?= 300
fuzz-guided:  ## the native codec under libFuzzer, FUZZ_SECONDS for documents and as long for lines; with cargo-fuzz and a nightly Rust
	cd native && for target in documents lines; do \
	  mkdir -p fuzz/corpus/$$target && cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 || exit 1; \
	done

instructions: $(READY)  ## instructions per byte of the native codec against native/instructions.json; with valgrind
	$(BIN)/python benchmarks/instructions.py

wheels: $(READY)  ## dist/: wheels of the native codec for x86-64 and aarch64 Linux
	$(BIN)/python -m pip install --quiet maturin==1.16.0 ziglang==0.15.2
	for machine in x86_64 aarch64; do \
	  PATH="$(abspath $(BIN)):$$PATH" maturin build --quiet --release --locked --zig --compatibility manylinux2014 --target $$machine-unknown-linux-gnu \
	    --manifest-path native/Cargo.toml --out dist || exit 1; \
	done

page-figures: $(READY)  ## weight and speed of the admin page, figures of docs/performance.md
	$(BIN)/python benchmarks/page.py

screenshots: $(READY)  ## docs/images: the admin page on a school's data, light, dark and on a phone
	$(BIN)/python benchmarks/screenshots.py

states: $(READY)  ## /tmp/states: the admin page in each state, two schemes, three widths, and what axe says of it; as root
	$(BIN)/python benchmarks/states.py

chaos: $(READY)  ## the long fault campaign, figures of docs/reliability.md
	$(BIN)/python -m pytest --quiet -m chaos tests/system tests/integration tests/api

properties: $(READY)  ## a thousand made-up examples of each property in place of fifty
	HYPOTHESIS_PROFILE=properties $(BIN)/python -m pytest --numprocesses 2 --quiet tests/unit tests/contract

soak: $(READY)  ## ten minutes of a backup every second while everything breaks, figures of docs/reliability.md
	$(BIN)/python -m pytest --quiet -s -m soak tests/system

alerts-live: $(READY) versitygw  ## every alert from its cause to its receiver, on a real Prometheus and Alertmanager, four at a time: mostly waiting
	$(BIN)/python -m pytest --quiet --numprocesses 4 -m alerts tests/live

ROOM ?= rules
TESTS ?= tests/unit/$(ROOM)
SAMPLE ?= 100
mutation: $(READY)  ## changes SAMPLE places of sidecar/ROOM, one at a time, and names those that TESTS do not notice
	$(BIN)/python benchmarks/mutation.py sidecar/$(ROOM) $(TESTS) --sample $(SAMPLE)

alerts-mutants: $(READY)  ## each rule with another threshold, patience or label: its unit tests notice; two minutes
	$(BIN)/python -m pytest --quiet -m alerts tests/unit/alerts

PROMETHEUS_3 ?= v0.316.0
promtool-3:  ## promtool of Prometheus 3 in ~/go/bin, on which `make test` runs the rules' unit tests too; with Go, six CPU minutes once
	mkdir -p $(HOME)/go/bin
	cd $(HOME)/go/bin && GOBIN=$$(mktemp -d) && export GOBIN \
	  && go install -tags remove_all_sd -ldflags '-s -w' github.com/prometheus/prometheus/cmd/promtool@$(PROMETHEUS_3) \
	  && mv $$GOBIN/promtool promtool-3 && rmdir $$GOBIN

VERSITYGW ?= v1.8.0
versitygw: $(HOME)/go/bin/versitygw  ## an S3 server for the tests of copies, in ~/go/bin; with Go, four CPU minutes once

$(HOME)/go/bin/versitygw:
	GOBIN=$(HOME)/go/bin go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)

copies: $(READY) versitygw  ## copies on a real S3 server: the same tests as on a directory, locks, faults and the cost
	$(BIN)/python -m pytest --quiet -m copies tests

lock: $(READY)  ## renew the pinned versions
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --all-extras --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --extra demo --constraints requirements-dev.lock pyproject.toml -o requirements-demo.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' \
	  | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url - -o requirements-build.lock

SBOM ?= dist
sbom: $(READY)  ## SBOM/*.cdx.json: the Python packages that run, and those that build, by the lock files, as CycloneDX
	mkdir -p $(SBOM)
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file $(SBOM)/sidecar.cdx.json requirements.lock
	$(BIN)/cyclonedx-py requirements --output-reproducible --output-file $(SBOM)/build.cdx.json requirements-build.lock

.PHONY: image image-test host-test

IMAGE ?= mongodb-backup-sidecar:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
ENGINE ?= docker

image:  ## the container image; ENGINE=podman makes it without Docker, PYTHON_IMAGE=python@sha256:… pins the base
	$(ENGINE) build --build-arg SOURCE_DATE_EPOCH=$(shell git log -1 --format=%ct) --build-arg REVISION=$(shell git rev-parse HEAD) \
	  --build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) $(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) \
	  $(BUILD_FLAGS) --tag $(IMAGE) .

image-test: $(READY)  ## the image built twice and run under the manifests' restrictions; as root with buildah, podman, runc, mmdebstrap
	$(BIN)/python -m pytest --quiet -s -m image tests/system/test_image.py

host-test: $(READY)  ## the systemd unit on a small Debian that systemd runs, in namespaces of its own; as root with mmdebstrap
	$(BIN)/python -m pytest --quiet -m host tests/system/test_systemd_unit.py

clean:
	rm -rf $(VENV) .venv-demo native/target .demo site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# make demo         set up what is needed, then register a phantom patient and write a report
# make test         set up what the tests need, then run them
# make system-deps  Debian packages that the tests need (GL, Qt's libraries, Chromium)
# make test-slow    the proofs that take minutes, the benchmark with other programs left out
# make ablation     train four small models, with and without G and S, and compare them
# make test-torch   the default model on the oldest and the newest torch, each in its own environment
# make lint         ruff and pyright
# make clean        remove the environment and what the other targets made

SHELL := /bin/sh
TORCH_VERSION := $(shell sed -n 's/^torch==//p' constraints.txt)
# The first Python that starts and is 3.11 or 3.12; `make PYTHON=/path/to/python` takes another.
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do \
	"$$python" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
	2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt
PYTEST_ARGS ?=

TORCH_TESTED := 2.6.0 2.15.0

.PHONY: demo test test-slow test-torch ablation lint system-deps clean

demo: $(VENV)/.ready-to-run
	$(BIN)/jssr demo --output demo --overwrite

test: $(VENV)/.ready-to-test
	@tools/system_deps.sh check
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: $(VENV)/.ready-to-test
	@tools/system_deps.sh check
	$(BIN)/python -m pytest -m "slow and not benchmark" $(PYTEST_ARGS)

test-torch: $(VENV)/.ready-to-test $(TORCH_TESTED:%=.venv-torch-%/.ready)
	$(BIN)/python -m pytest -m slow Testing/unit/test_bundle_torch_versions.py

ablation: $(VENV)/.ready-to-test
	$(BIN)/python tools/ablation.py --output build/ablation

lint: $(VENV)/.ready-to-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

system-deps:
	tools/system_deps.sh install

clean:
	rm -rf $(VENV) .venv-torch-* demo build .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 with venv is needed" \
		"(on Debian: apt-get install python3 python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: constraints.txt tools/install_torch.sh | $(BIN)/python
	tools/install_torch.sh $(BIN)/python $(TORCH_VERSION)
	@touch $@

$(VENV)/.ready-to-run: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready-to-run
	$(PIP_INSTALL) -e '.[train,benchmark,test]'
	@touch $@

.venv-torch-%/.ready: tools/install_torch.sh
	$(PYTHON) -m venv .venv-torch-$*
	tools/install_torch.sh .venv-torch-$*/bin/python $*
	.venv-torch-$*/bin/python -m pip install --quiet -c constraints.txt numpy SimpleITK safetensors
	@touch $@

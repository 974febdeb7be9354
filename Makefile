# The two commands: `make grade` and `make test`. Each sets itself up, and says what it does.
PYTHON ?= python3
# A mirror of the data sets beside the checkout is used where there is one; see docs/data.md.
MIRROR ?= $(wildcard ../shared/data)
FROM := $(if $(MIRROR),--from $(MIRROR))
BIN := .venv/bin
# Files of tests at a time; tests of kernels use all cores besides.
AT_ONCE ?= 2

.PHONY: grade test benchmark data setup clean help

grade: data  ## grade the reference: python -m grader hw3
	$(BIN)/python -m grader hw3 $(FROM)

test: data  ## run all tests, the slow ones too
	$(BIN)/python -m pytest -m "" -n $(AT_ONCE) --dist loadfile

benchmark: setup  ## our kernels beside torch's
	$(BIN)/python -m pytest --benchmark-only

data: setup  ## MNIST and CIFAR-10 in ./data; a stand-in is used for what cannot be had
	@$(BIN)/python -m data_scripts.fetch mnist cifar10 $(FROM) || \
	  echo "==> going on with the synthetic stand-in for what is missing"

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "expected Python 3.11 or newer, found: $$($(PYTHON) --version 2>&1); name another one with: make PYTHON=python3.12"; exit 1; }
	@echo "==> making .venv and installing the dependencies (torch is large: several minutes, about 6 GB)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -q -c constraints.txt -e '.[dev]'
	@touch $@

clean:  ## remove what the commands made, but not ./data
	rm -rf .venv results .pytest_cache .hypothesis .benchmarks *.egg-info

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

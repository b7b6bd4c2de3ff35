# Two commands on a fresh machine: `make demo` and `make test`.
# VENV=dir  use or make the environment there instead of .venv
# PYTHON=p  make it from this Python (3.12 or 3.13)

SHELL := /bin/bash
VENV ?= $(CURDIR)/.venv
export VENV PYTHON
.DEFAULT_GOAL := help
.PHONY: help env demo test clean

help:
	@echo "make demo   the whole job on a small synthesised corpus: one large model to three small ones"
	@echo "make test   the tests"
	@echo "make env    only the environment (.venv): Python, ESPnet, this plugin"
	@echo "make clean  remove what the demo and the tests wrote; the environment stays"

env:
	@.ci/environment.sh

demo: env
	cd egs2/mini_synth/encrl1 && ./demo.sh

# Processes of the tests.
JOBS ?= $(shell n=$$(nproc); echo $$(( n < 4 ? n : 4 )))

# One thread each: the models in the tests are so small that more threads only wait.
test: env
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} "$(VENV)/bin/python" -m pytest -q \
	    -n $(JOBS) --dist loadfile --no-loadscope-reorder

clean:
	rm -rf egs2/{mini_synth,mini_an4}/encrl1/{data,dump,exp,logs} \
	    egs2/mini_an4/dualmode1/{data,dump,exp} .pytest_cache build dist
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

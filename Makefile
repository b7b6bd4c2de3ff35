# Two commands on a fresh machine: `make demo` and `make test`.
# VENV=dir  use or make the environment there instead of .venv
# PYTHON=p  make it from this Python (3.12 or 3.13)

SHELL := /bin/bash
VENV ?= $(CURDIR)/.venv
export VENV PYTHON
.DEFAULT_GOAL := help
.PHONY: help env demo web test docs clean

help:
	@echo "make demo   the whole job on a small synthesised corpus: one large model to three small ones"
	@echo "make web    a page that recognises in the browser, of the demo's models or EXP=FOLDER..."
	@echo "make test   the tests"
	@echo "make docs   the documentation as a site: build/site/index.html"
	@echo "make env    only the environment (.venv): Python, ESPnet, this plugin"
	@echo "make clean  remove what the demo and the tests wrote; the environment stays"

env:
	@.ci/environment.sh

demo: env
	cd egs2/mini_synth/encrl1 && ./demo.sh

# Experiments or exports for the page, and where it goes; small models first.
demo_exp := egs2/mini_synth/encrl1/exp
EXP ?= $(wildcard $(demo_exp)/asr_encrl_s1_*l $(demo_exp)/asr_reference)
WEB ?= web

web:
	@[ -n "$(strip $(EXP))" ] || { echo "make web: there is no model: run make demo first" \
	    "(its models are in $(demo_exp)), or name one: make web EXP=path/to/exp/asr_x" >&2; \
	    exit 2; }
	@.ci/environment.sh
	"$(VENV)/bin/python" -m espnet_plugin.bin.web $(EXP) --output_dir "$(WEB)"

# Processes of the tests.
JOBS ?= $(shell n=$$(nproc); echo $$(( n < 4 ? n : 4 )))

# One thread each: the models in the tests are so small that more threads only wait.
test: env
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} "$(VENV)/bin/python" -m pytest -q \
	    -n $(JOBS) --dist loadfile --no-loadscope-reorder

# The pages of the repository with a reference of all commands; a broken link is an error.
docs: env
	"$(VENV)/bin/python" docs/site/stage.py build/docs build/site
	NO_MKDOCS_2_WARNING=1 "$(VENV)/bin/python" -m mkdocs build --strict \
	    -f build/docs/mkdocs.yml

clean:
	rm -rf egs2/{mini_synth,mini_an4}/encrl1/{data,dump,exp,logs} \
	    egs2/mini_an4/dualmode1/{data,dump,exp} .pytest_cache build dist
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

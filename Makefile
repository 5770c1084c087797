# make run    set up, and serve app_example.py on http://localhost:8080
# make test   set up, and run every check and test
#
# Needs Python 3.11 or later and nothing else. Which Python: make run PYTHON=python3.13
# Everything is installed into .venv, once: again only when pyproject.toml changes.

PYTHON ?=
export PYTHON

INSTALLED := .venv/.installed

.PHONY: run test check bench install
.DEFAULT_GOAL := run

run: $(INSTALLED)
	.venv/bin/python app_example.py

test: $(INSTALLED)
	scripts/test

check: $(INSTALLED)
	scripts/check

bench: $(INSTALLED)
	scripts/bench

install: $(INSTALLED)

$(INSTALLED): pyproject.toml
	scripts/install

# make lab     set up .venv and open the book in JupyterLab
# make test    set up .venv and run every test
# make help    the rest

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/.ready
# uv.lock is the single source of versions, uv's own included.
UV_VERSION := $(shell sed -n '/^name = "uv"$$/{n;s/^version = "\(.*\)"/\1/p;}' uv.lock)
UV := $(BIN)/uv
LOWEST := build/lowest

.DEFAULT_GOAL := help
.PHONY: help install lab test thorough check format notebooks book course gif lock lowest clean

help:
	@sed -n 's/^# make/make/p' Makefile

# make install    set up .venv from uv.lock, and again whenever the lock has changed
install: $(READY)

lab: install
	$(BIN)/comlnviz lab notebooks

# Most of the first part is compilation, which takes a third as long without optimization and without
# the newer way to emit fused loops; the live figures, their studies and what is profiled compute. Notebooks
# run first in a browser, then without one: what they compile is kept in between.
COMPUTING := tests/apps tests/studies tests/measure/test_profile.py
QUICK := --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false
# $(call without_browser,folder of the python,more arguments)
define without_browser
	XLA_FLAGS="$(XLA_FLAGS) $(QUICK)" $(1)/python -m pytest -n 2 --dist loadfile $(2) \
		-m "not browser and not notebook" $(COMPUTING:%=--ignore %)
	$(1)/python -m pytest -n 2 --dist loadfile $(2) $(COMPUTING)
endef
test: install
	$(call without_browser,$(BIN))
	$(BIN)/python -m pytest -n 2 --dist load --maxschedchunk 1 -m "browser or notebook" \
		tests/browser tests/notebooks tests/test_execute.py

# make thorough   the same, with the tests that search or repeat going on for longer
thorough:
	COMLNVIZ_THOROUGH=1 $(MAKE) test

# make check      formatting, lint and types
check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

# make format     format the code and repair what ruff can
format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# make notebooks  execute every notebook in place
notebooks: install
	$(BIN)/comlnviz run notebooks/*.ipynb

# make book       the executed notebooks as a website in _book/
book: install
	$(BIN)/python tools/static_book.py notebooks _book

# make course   the course as students get it in build/course/release, and its tests
course: install
	rm -rf build/course
	$(BIN)/comlnviz course new build/course
	cd build/course && PATH="$(abspath $(BIN)):$$PATH" nbgrader generate_assignment --assignment="*"
	$(BIN)/python -m pytest tests/course

# make gif        the animated picture of README.md
gif: install
	$(BIN)/python tools/readme_gif.py docs/instability.gif

# make lock       resolve the dependencies anew, and export them for conda and Binder
lock: install
	$(UV) lock --upgrade
	$(UV) export --frozen --extra lab --no-emit-project --quiet --output-file requirements-lab.txt
	$(MAKE) install

# make lowest     the tests with the oldest dependencies that pyproject.toml admits, on Python 3.11
lowest: install
	$(UV) venv --quiet --clear --python 3.11 $(LOWEST)
	$(UV) pip compile --quiet --resolution lowest-direct --python $(LOWEST) \
		--extra lab --extra test pyproject.toml --output-file $(LOWEST)/requirements.txt
	$(UV) pip install --quiet --python $(LOWEST) --requirements $(LOWEST)/requirements.txt
	$(UV) pip install --quiet --python $(LOWEST) --no-deps --editable .
	$(call without_browser,$(LOWEST)/bin,-W ignore::DeprecationWarning)

# make clean      remove .venv and everything built
clean:
	rm -rf $(VENV) build dist _book

# A missing or dangling interpreter makes a new environment, of the first suitable Python there is.
$(BIN)/python:
	@for python in "$(PYTHON)" python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
			2>/dev/null; then \
			echo "Making $(VENV) with $$("$$python" --version)"; \
			exec "$$python" -m venv --clear $(VENV); \
		fi; \
	done; \
	echo "comlnviz needs Python 3.11 to 3.14 with venv, and '$(PYTHON)' is" \
		"$$("$(PYTHON)" --version 2>/dev/null || echo 'not there');" \
		"name another one: make PYTHON=/path/to/python3" >&2; \
	exit 1

# --inexact keeps what a contributor has added by hand. Without build isolation the build backend comes
# from the lock too.
$(READY): pyproject.toml uv.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --frozen --inexact --extra lab --extra test \
		--no-build-isolation-package comlnviz
	@touch $@

# make demo          set up, run server, worker and an example study, serve on until Ctrl-C
# make demo EXIT=1   the same, and end when the study is over
# make test          set up, then every check there is
# make test-slow     set up, then what is long by nature: real installs, many kills on both databases,
#                    limits and edits with every number of workers and way to train
#
# PYTHON=python3.12        another Python (3.11 or newer)
# TORCH_INDEX=<address>    an index of CPU-only torch builds, where the usual one brings CUDA

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-slow browser check types style format clean

demo: $(VENV)/ready
	$(BIN)/hpsearch demo $(if $(EXIT),--exit)

test: check browser
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/ready
	$(BIN)/pytest -o 'python_files=slow_*.py' tests
	HPSEARCH_TEST_GRID=whole $(BIN)/pytest tests/outside/requests/test_limits.py \
	    tests/outside/requests/test_edits.py

browser:  # the dashboard's tests drive it
	command -v chromium > /dev/null || { apt-get update && apt-get install --yes --no-install-recommends chromium; }

check: $(VENV)/ready
	$(MAKE) --jobs 2 --output-sync=target types style

types: $(VENV)/ready
	$(BIN)/mypy

style: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(VENV)/ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hpsearch needs Python 3.11 or newer; name one with PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	$(PIP) --editable '.[all,dev]'
	touch $@

clean:
	rm -rf $(VENV)

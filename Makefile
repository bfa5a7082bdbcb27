# Vertherm: every verb does its own set-up in .venv; on a fresh machine `make demo` and `make test` each work alone.
# Needs Python 3.11 or 3.12 with venv, git and make; `make bench` also gcc.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
# One Numba and BLAS thread a process: the variants and the tests run in parallel processes.
export NUMBA_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1
WORKERS ?= 2

.PHONY: setup demo test check docs validate bench lock clean
setup: .venv/.ready

.venv/.ready: requirements/lock.txt requirements/demo.txt requirements/oracles.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' || { echo "Vertherm needs Python 3.11 or 3.12; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/demo.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/oracles.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/vertherm demo -o out/demo

# PostgreSQL and the PDF library's system libraries are installed where we are root; the tests start and stop the server.
test: setup
	bash tests/servers/install.sh
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/site

docs: setup
	$(BIN)/mkdocs serve

validate: setup
	$(BIN)/vertherm validate

bench: setup
	$(BIN)/vertherm bench

# Needs uv (pip install uv). Hashes yes, registry addresses no.
lock:
	uv pip compile pyproject.toml --extra dev --extra docs --extra postgres --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" -o requirements/lock.txt

clean:
	rm -rf .venv build out site

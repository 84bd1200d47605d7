# One front door. `make` lists what one can do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
SOAK ?= breast_cancer

# Sweeps and tests start many processes: without bytecode each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The stamps hold what is installed; a change of the metadata installs anew. Bytecode comes as modules are imported: to
# compile all 16,000 files first, most of them never used, takes as long as the rest of the installation.
$(VENV)/.user: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.user

.PHONY: demo
demo: $(VENV)/.user ## install, sweep dropout over the breast cancer table, answer whether it helps
	@mkdir -p $(DEMO)
	$(BIN)/sweep run breast_cancer --storage sqlite:///$(DEMO)/sweep.db
	$(BIN)/sweep answer breast_cancer --storage sqlite:///$(DEMO)/sweep.db
	$(BIN)/sweep report breast_cancer --storage sqlite:///$(DEMO)/sweep.db -o $(DEMO)/breast_cancer.html --force
	@echo "open $(DEMO)/breast_cancer.html in a browser; for the commands above, first: source $(BIN)/activate"

.PHONY: install
install: $(VENV)/.user ## install sweep into .venv

.PHONY: test
test: $(VENV)/.dev ## install what tests need and run all of them, a real PostgreSQL included
	$(BIN)/python -m pytest -n 4 --dist worksteal --cov --cov-report=term

.PHONY: soak
soak: $(VENV)/.dev ## ten minutes: a sweep on all services of the compose file, killed 30 times; SOAK=DEFINITION
	$(BIN)/python -m tests.faults.soak $(SOAK) --set search.sampler=random --set search.batch=4

.PHONY: lint
lint: $(VENV)/.dev ## formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: $(VENV)/.dev ## mypy, strict, on the package and its tests
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/.dev ## format, and fix what can be fixed by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(VENV)/.dev ## a few minutes: a training step against its floor, the trial rate against other stacks
	$(BIN)/python -m benchmarks.run

.PHONY: bench-full
bench-full: $(VENV)/.dev ## an hour: every benchmark, longer
	$(BIN)/python -m benchmarks.run --full

.PHONY: validity
validity: $(VENV)/.dev ## three quarters of an hour: answers on data whose truth is known; goes on where it was stopped
	$(BIN)/python -m benchmarks.validity

.PHONY: validity-full
validity-full: $(VENV)/.dev ## hours: the same with 1,000 rows, TPE, ten folds, chosen epochs, other networks, nested
	$(BIN)/python -m benchmarks.validity --full

.PHONY: clean
clean: ## remove what make made, the virtual environment included
	rm -rf $(VENV) build dist

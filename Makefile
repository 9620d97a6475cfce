# Two commands do everything: `make demo` and `make test`. Both make .venv first; uv is used where it is installed.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: help demo test lint bench faults wheel clean

help:
	@echo "make demo   set up, then videos -> features -> heads -> scores on rendered video files"
	@echo "make test   set up, then everything CI runs"
	@echo "make lint   ruff, mypy and the import laws only"
	@echo "make bench  time every hot path against its peers (ten minutes; results in benchmarks/results)"
	@echo "make faults try every fault an extraction must survive (ten minutes; result in benchmarks/results/faults.json)"
	@echo "make wheel  build the wheel, install it into an empty environment and use it there"

demo: $(VENV)/.installed
	$(BIN)/tsmfeat demo

test: $(VENV)/.installed-test
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/test.sh

lint: $(VENV)/.installed-test
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lint.sh

bench: $(VENV)/.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/bench.sh

faults: $(VENV)/.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/faults.sh

wheel:
	PYTHON=$(PYTHON) scripts/check_wheel.sh

$(VENV)/.installed: pyproject.toml constraints.txt
	PYTHON=$(PYTHON) scripts/install.sh $(VENV) "."
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt
	PYTHON=$(PYTHON) scripts/install.sh $(VENV) ".[test]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info tsmfeat-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis

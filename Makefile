# Every target works on a fresh clone: it makes .venv with the stock venv module.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 9618
HTTP ?= tcp:9680:interface=127.0.0.1
BIN := $(VENV)/bin

.PHONY: run test trial check format lint types imports wheel interop bench fuzz clean

$(VENV)/.run: pyproject.toml setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e . --config-settings editable_mode=compat
	touch $@

$(VENV)/.test: pyproject.toml setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test,dev]' --config-settings editable_mode=compat
	touch $@ $(VENV)/.run

run: $(VENV)/.run
	exec $(BIN)/twistd -n --pidfile= condor-collector --port $(PORT) --http $(HTTP)

test: $(VENV)/.test
	$(BIN)/python -m pytest -q

trial: $(VENV)/.test
	$(BIN)/python -m twisted.trial tests

format: $(VENV)/.test
	$(BIN)/ruff format --check .

lint: $(VENV)/.test
	$(BIN)/ruff check .

types: $(VENV)/.test
	$(BIN)/mypy

imports: $(VENV)/.test
	$(BIN)/lint-imports

wheel: $(VENV)/.test
	$(BIN)/python .ci/check_wheel.py

check: format lint types imports test trial wheel

interop: $(VENV)/.test
	$(BIN)/python -m interop

bench: $(VENV)/.test
	$(BIN)/python -m bench

fuzz: $(VENV)/.test
	$(BIN)/python -m fuzz

clean:
	rm -rf $(VENV) build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .pytest_cache

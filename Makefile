# make help lists the targets. Every target makes its own environment on a fresh machine.

PYTHON ?= python3
VENV ?= .venv
STUDY ?= config.yaml
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
# An extra package index for torch, for example the one with CPU wheels.
TORCH_INDEX ?=
# Extras to install too: make install EXTRA="slurm activeml".
EXTRA ?=
# Number of faults that test-faults injects.
FAULTS ?= 200
# Attempts of test-fuzz on each reader.
ATTEMPTS ?= 100000
# Further options for snakemake (make study ARGS=--dry-run) and pytest (make test ARGS="-k oracle").
ARGS ?=

BIN := $(abspath $(VENV))/bin
PIP = $(BIN)/python -m pip install --disable-pip-version-check --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# Jobs of the workflow call the python of the environment.
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install dev study test test-faults test-fuzz test-slurm lint format schema gallery reproduction readme-figure lal-figure look-ahead-figure look-ahead-results lock clean-cache clean-pretrained clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Variables: STUDY=$(STUDY) CORES=$(CORES) VENV=$(VENV) PYTHON=$(PYTHON) EXTRA=$(EXTRA) TORCH_INDEX=$(TORCH_INDEX) ARGS=$(ARGS)'

install: $(VENV)/.installed $(EXTRA:%=$(VENV)/.installed-%) ## make the environment that runs studies

dev: $(VENV)/.installed-dev ## make the environment that runs tests and linters

study: install ## run a study: make study STUDY=studies/npal-tabular.yaml CORES=8
	snakemake --config study=$(STUDY) --cores $(CORES) $(ARGS)

test: dev ## run the tests
	pytest -q -n $(CORES) $(ARGS)

test-faults: dev ## hurt running studies in FAULTS=200 ways and compare what becomes of them (an hour)
	python -m tests.faults --faults $(FAULTS)

test-slurm: dev ## run studies on a SLURM that comes up on this machine (root on Debian; 15 minutes)
	envs/debian.sh slurm
	pytest -q -m slurm tests/workflow/test_slurm.py $(ARGS)

test-fuzz: dev ## feed every reader of a file ATTEMPTS=100000 damaged files (an hour; atheris is used if it is installed)
	python -m tests.fuzz --runs $(ATTEMPTS) $(ARGS)

lint: dev ## check format, style, types and the workflow
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

format: dev ## rewrite the sources in the house format
	ruff check --fix-only .
	ruff format .
	snakefmt Snakefile workflow

schema: install ## write workflow/schemas/study.schema.json from the study model
	python -m lalbench schema --output workflow/schemas/study.schema.json

gallery: install ## write docs/gallery.md from the registry and the docstrings of the strategies
	python -m lalbench gallery --output docs/gallery.md

reproduction: install ## run the published studies and compare them with the paper
	snakemake --config study=studies/npal-tabular.yaml --cores $(CORES) $(ARGS)
	python -m lalbench reproduction studies/npal-tabular.yaml --output docs/reproduction.md
	snakemake --config study=studies/npal-mnist.yaml --cores $(CORES) $(ARGS)
	python -m lalbench reproduction studies/npal-mnist.yaml --output docs/reproduction-mnist.md

readme-figure: install ## run the default study and copy its figure into the manual
	snakemake --cores $(CORES) $(ARGS)
	mkdir -p docs/figures
	cp results/default/figures/versus_random-logistic_regression.png docs/figures/readme.png

lal-figure: install ## run the toy study of uncertainty sampling and draw it for the manual
	python docs/figures/lal_uncertainty.py docs/figures/lal-uncertainty.svg

look-ahead-figure: install ## draw which points look-ahead and entropy prefer, for the manual
	python docs/figures/look_ahead.py docs/figures/look-ahead.svg

LOOK_AHEAD = look-ahead look-ahead-limit look-ahead-reward-apart-mnist look-ahead-ablation look-ahead-reward-apart
look-ahead-results: install ## run the studies about look-ahead and write their page (a day on two cores)
	for study in $(LOOK_AHEAD); do snakemake --config study=studies/$$study.yaml --cores $(CORES) $(ARGS) || exit 1; done
	python -m benchmarks.look_ahead_proof $(foreach study,$(filter-out look-ahead-ablation,$(LOOK_AHEAD)),studies/$(study).yaml) --together look-ahead-reward-apart-mnist look-ahead-reward-apart > docs/look-ahead-results.md
	python -m benchmarks.look_ahead_ablation studies/look-ahead-ablation.yaml >> docs/look-ahead-results.md
	for study in $(filter-out look-ahead-ablation look-ahead-limit,$(LOOK_AHEAD)); do python docs/figures/look_ahead_curves.py studies/$$study.yaml docs/figures || exit 1; done

lock: ## resolve the dependencies afresh and write the lock files
	envs/lock.sh $(PYTHON) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

clean-cache: install ## delete the oracle tables that all studies of a results folder share
	python -m lalbench clean-cache $(STUDY)

clean-pretrained: install ## delete the learned regressors that these studies share (minutes to hours to learn again)
	python -m lalbench clean-pretrained $(STUDY)

clean: ## remove the environment and all caches, but no results
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lalbench needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than the lock it was made from; the package itself is linked, so that edits count
# at once.
$(VENV)/.installed: envs/requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) -r envs/requirements.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	python -m lalbench compile
	@touch $@

$(VENV)/.installed-%: envs/requirements-%.txt $(VENV)/.installed
	$(PIP) -r $< -c envs/requirements.txt
	@touch $@

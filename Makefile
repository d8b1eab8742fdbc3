# make help | setup | demo | docs | quick | axe | test | fuzz | soak | faults | offline-test | clean

CANDIDATES := python3 python3.13 python3.12 python3.11 python3.10
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(or $(shell for python in $(CANDIDATES); do \
	$$python -c '$(FITS)' 2>/dev/null && { echo $$python; break; }; done),python3)
VENV_PYTHON := .venv/bin/python
# Processes for the tests, each with one thread.
WORKERS ?= 2
# Of a soak run: how long, and how many processes load the processor beside.
MINUTES ?= 30
BUSY ?= 0
# The order of files is that of test/conftest.py.
IN_PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Real processes over a real network on a machine that may stall: a failed test gets one more try, and the summary names it.
ONCE_MORE = --reruns 1
PYTEST_IN_PARALLEL = OMP_NUM_THREADS=1 $(VENV_PYTHON) -m pytest $(IN_PARALLEL) $(ONCE_MORE) --rerun-show-tracebacks

# Ubuntu 24.04's. pyenv keeps the versions that are not chosen out of the PATH.
NOBLE_CANDIDATES := python3.12 $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin/python3.12)
NOBLE_PYTHON ?= $(or $(firstword $(foreach python,$(NOBLE_CANDIDATES),$(shell \
	$(python) -c 'print("$(python)")' 2>/dev/null))),$(PYTHON))
# The node and what it is made of.
NOBLE_TESTS := $(addprefix test/,ros pipeline pairing registration images masks segmenter settings live_view runs base \
	commands/test_evaluate_bag.py commands/test_play.py commands/test_record.py)

# The environment has its own ROS 2; modules, libraries and middleware of a sourced one must not mix with it.
ifdef AMENT_PREFIX_PATH
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH
endif
unexport RMW_IMPLEMENTATION
# Set in many containers; every process would then compile all that it imports anew, which doubles its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo docs quick axe test test-noble fuzz soak faults offline-test clean

help:
	@echo "make setup   makes .venv with everything needed, ROS 2 included (PYTHON=... names the Python, 3.10 to 3.13)"
	@echo "make demo    plays a recording through the node and writes out/demo/report.html; of your own:"
	@echo "             BAG=folder, or RGB=video THERMAL=video (or folders of images); MODEL=file; OUT=folder"
	@echo "make docs    builds the pages of docs/ as a site, out/site/index.html"
	@echo "make quick   the tests without ROS and without training, in a minute or so"
	@echo "make axe     gets axe-core from npm, with which tests check the pages' accessibility"
	@echo "make test    style, types and all tests (WORKERS=2 processes)"
	@echo "make test-noble   the node's tests with the versions of Ubuntu 24.04, in an environment of their own (Python 3.12)"
	@echo "make fuzz    gives every reader broken inputs (SECONDS=600 in all, SEED=0), and says what it found and reached"
	@echo "make soak    the node for MINUTES=30 at the highest rate that this machine holds (or HZ=...), every image accounted"
	@echo "             for; BUSY=2 processes beside load the processor; the result is in out/soak/"
	@echo "make faults  kills, signals, full disks at random moments, an hour or so (SEED=0 KILLS=200 SIGNALS=60 DISKS=50)"
	@echo "make offline-test   the tests of the node and of all commands in a network that has nothing but loopback"
	@echo "make clean   removes .venv, out/ and everything built"

setup:
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON) could be found: install Python 3.10 to 3.13," \
		"or name one with PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) environment/make_environment.py

demo: setup
	@$(VENV_PYTHON) -m rgbt_seg_ros.demo $(if $(BAG),--bag "$(BAG)") $(if $(RGB),--rgb "$(RGB)") \
		$(if $(THERMAL),--thermal "$(THERMAL)") $(if $(MODEL),--model "$(MODEL)") $(if $(OUT),--output "$(OUT)")

# A dead link ends it. The variable silences a notice about mkdocs-material's successor.
docs: setup
	@NO_MKDOCS_2_WARNING=1 $(VENV_PYTHON) -m mkdocs build --quiet --strict
	@echo "out/site/index.html"

quick: setup
	$(PYTEST_IN_PARALLEL) -m "not ros and not training" --ignore=test/ros --ignore=test/training

# Checks the pages' accessibility in tests, which skip without it; it is not ours to pass on.
AXE_CORE_VERSION := 4.14.1
axe:
	@test -f build/axe/node_modules/axe-core/axe.min.js || \
		npm install --silent --ignore-scripts --fetch-retries 0 --fetch-timeout 30000 --prefix build/axe axe-core@$(AXE_CORE_VERSION) || \
		echo "axe-core could not be installed (is npm here?): its tests are skipped"

SECONDS ?= 600
SEED ?= 0
fuzz: setup
	OMP_NUM_THREADS=1 $(VENV_PYTHON) -m fuzz --seconds $(SECONDS) --seed $(SEED)

test: setup axe
	$(VENV_PYTHON) -m ruff check
	$(VENV_PYTHON) -m ruff format --check
	$(VENV_PYTHON) -m mypy
	$(PYTEST_IN_PARALLEL) -m "not alone"
	$(VENV_PYTHON) -m pytest $(ONCE_MORE) --rerun-show-tracebacks -m alone test/ros

test-noble:
	@$(NOBLE_PYTHON) environment/make_noble_environment.py
	OMP_NUM_THREADS=1 .venv-noble/bin/python -m pytest $(IN_PARALLEL) $(ONCE_MORE) \
		-m "not alone" $(NOBLE_TESTS)

soak: setup
	@PYTHONPATH=. $(VENV_PYTHON) test/support/soak.py --minutes $(MINUTES) --busy $(BUSY) $(if $(HZ),--hz $(HZ))

faults: setup
	$(VENV_PYTHON) -m faults --seed $(or $(SEED),0) --kills $(or $(KILLS),200) --signals $(or $(SIGNALS),60) \
		--full-disks $(or $(DISKS),50)

# It exits with 77 where the system does not let this user make a network.
offline-test: setup
	$(VENV_PYTHON) test/support/in_empty_network.py env $(PYTEST_IN_PARALLEL) -m "not alone" \
		test/ros test/commands test/replay test/bags test/live_view test/segmenter test/pipeline

clean:
	rm -rf .venv .venv-noble build install log out .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

# make demo      the main job on the bundled model, into demo/
# make test      what CI runs: ruff, mypy, the tests
# make figures   all figures again, from the committed results
# make experiments   again the results that need no GPU (half an hour at most), and what made the others
#
# All set everything up first, on a machine with Python >= 3.11 and git; a second time nothing
# is installed again, and the demo makes only what its sources have changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCHEDOPT := $(BIN)/schedopt
CHECKED = $(shell git ls-files --cached --others --exclude-standard --deduplicate)
SOURCES = $(shell find schedopt theory -type f ! -path '*/__pycache__/*')

.DEFAULT_GOAL := test
.DELETE_ON_ERROR:
.PHONY: demo test lint types tests figures experiments clean

# ---- environment: a stamp an install, as old as what it was installed from

define CHECK_PYTHON
import sys
found = sys.executable + " is Python " + sys.version.split()[0]
if sys.version_info < (3, 11):
    sys.exit("error: need Python >= 3.11, but " + found + "\nhint: make PYTHON=python3.12 demo")
try:
    import ensurepip, venv
except ImportError as error:
    sys.exit("error: " + found + " without " + error.name + "\nhint: apt install python3-venv")
endef
export CHECK_PYTHON

INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

$(VENV)/installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: there is no $(PYTHON)"; echo "hint: make PYTHON=/path/to/python3 demo"; exit 1; } >&2
	@$(PYTHON) -c "$$CHECK_PYTHON"
	@echo "Setting up $(VENV): a few minutes, once."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) -e '.[dev]'
	@# Its loops alone, without the GPU packages they never reach: wheels for Linux only.
	$(INSTALL) --no-deps --no-compile sglang==0.5.23 || echo "the tests of sglang's own loops will be skipped"
	touch $@

# ---- tests

# A stamp, so that a second run has nothing to do while no source has changed.
test: $(VENV)/tested
	@echo "ruff, mypy and the tests passed on these sources; make tests runs the tests again"

$(VENV)/tested: $(VENV)/installed-dev $(CHECKED)
	$(MAKE) lint types tests
	touch $@

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy --strict schedopt theory

# One thread a process: the processes already share the cores.
tests: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 8

# ---- demo: measure, solve, sample, verify (on documents that the schedule was not made from)

SIZE = --length 128 --context 128

demo: demo/evaluation.txt
	@echo; cat demo/fit.txt
	@echo; $(SCHEDOPT) show demo/schedule.json
	@echo; cat demo/samples.txt
	@echo; cat demo/evaluation.txt

demo/schedule.json: $(VENV)/installed $(SOURCES)
	@mkdir -p demo
	$(SCHEDOPT) fit --part 1/2 $(SIZE) --steps 8 --passes 1024 -o $@ > demo/fit.txt

demo/samples.txt: demo/schedule.json
	$(SCHEDOPT) sample --schedule demo/schedule.json --prompt 'def main(argv=None):' --count 2 > $@

demo/evaluation.txt: demo/schedule.json demo/samples.txt
	$(SCHEDOPT) evaluate --part 2/2 --schedule demo/schedule.json --excess --windows 48 \
	  --planner dus --planner dus:32 --planner dus:16 --planner random --planner confidence \
	  --nfe 8,16,32 > $@

# ---- figures: from results alone, the same bytes each time

figures: $(VENV)/installed
	$(BIN)/python figures/draw.py

# ---- experiments: some read the package's own extras

experiments: $(VENV)/installed-dev
	$(BIN)/python experiments/run.py

clean:
	rm -rf $(VENV) demo

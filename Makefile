# The commands of the project. `make run` and `make test` need nothing but Python ≥ 3.11 and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MINUTES ?= 5
TIMES ?= 1
ROUNDS ?= 5
INSTALLED := $(VENV)/.installed

.PHONY: run demo test check check-full conformance security chaos fuzz bench figures lock translations clean servers
.DEFAULT_GOAL := check

run: $(INSTALLED)  ## the daemon, on the shipped configuration
	$(BIN)/gateway run --config gateway.toml

demo: $(INSTALLED)  ## a scene: an usager writes, an agent answers by mail, the usager replies
	$(BIN)/python -m tests.demo

# A module's tests stay together, since they share what they start; three modules at once, since most of them wait.
# They start the command a thousand times: it is to be compiled once, whatever the environment wants.
test: export PYTHONDONTWRITEBYTECODE =
test: $(INSTALLED) servers  ## every test; installs the real servers where it can
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone

check: $(INSTALLED)  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

conformance: $(INSTALLED)  ## what is made of real mail, held against what others state of it: a table
	$(BIN)/python -m tests.conformance

security: $(INSTALLED) servers  ## every attack, against the gateway and against one without the defence
	$(BIN)/python -m tests.security

chaos: $(INSTALLED)  ## kills, power cuts and faults, on the gateway and on one without the defence
	@sh tests/servers/install.sh chaos
	$(BIN)/python -m tests.chaos

fuzz: $(INSTALLED)  ## hunt for inputs that break what must always hold: make fuzz MINUTES=n
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check atheris \
		|| echo "atheris can't be installed here: hypothesis hunts alone"
	$(BIN)/python -m tests.fuzz $(MINUTES)

check-full: export HYPOTHESIS_PROFILE = chance
check-full: check test conformance  ## all of it, 10,000 broken mails, and the attacks and faults that take long
	$(BIN)/python -m tests.fuzz.filing bombs all
	$(BIN)/python -m tests.fuzz.filing 0 10000
	$(BIN)/python -m tests.security --full
	@sh tests/servers/install.sh chaos
	$(BIN)/python -m tests.chaos --full
	GATEWAY_SHARING_SEEDS=20 $(BIN)/python -m pytest --timeout 1800 tests/contract/test_store_sharing.py
	GATEWAY_SEVERAL_MAILS=5000 $(BIN)/python -m pytest --timeout 1800 tests/integration/test_several_daemons.py

bench: $(INSTALLED) servers  ## speed, side by side with others in one run: make bench TIMES=0.1 ROUNDS=3 for a short one
	@sh tests/servers/install.sh peers
	$(BIN)/python -m tests.bench --times $(TIMES) --rounds $(ROUNDS)

figures: bench  ## the same, a bad day of a whole country, and all of it into docs/performance.md and docs/scale.md
	$(BIN)/python -m tests.bench --write
	$(BIN)/python -m tests.bench.national --times $(TIMES) --write

lock: $(INSTALLED)  ## write requirements.lock anew, from pyproject.toml
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --extra dev --extra s3 --strip-extras --allow-unsafe --generate-hashes \
		--no-emit-index-url --no-emit-trusted-host --no-header --output-file requirements.lock pyproject.toml

translations: $(INSTALLED)  ## bring the catalogue up to the templates, and compile what is translated; the rest is left to translate
	mkdir -p .cache
	$(BIN)/pybabel --quiet extract --mapping-file pyproject.toml --no-location --no-wrap \
		--output-file .cache/gateway.pot gateway/relay/templates
	$(BIN)/pybabel --quiet update --input-file .cache/gateway.pot --locale fr --no-wrap --ignore-obsolete \
		--ignore-pot-creation-date --output-file gateway/relay/locale/fr/LC_MESSAGES/gateway.po
	$(BIN)/pybabel --quiet compile --directory gateway/relay/locale --domain gateway

servers:
	@sh tests/servers/install.sh

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .cache

$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "The gateway needs Python 3.11 or later; $(PYTHON) is older. Try: make PYTHON=python3.11"; exit 1; }
	@sh tests/servers/venv.sh $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

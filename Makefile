# Every target explains itself: `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail
CARGO ?= cargo

# What the second push service of the tests, and the subscribers in Python, run on.
PYTHON := target/python/.installed
# The clients and proxies that the tests run.
CLIENTS := target/clients/.installed

# What the browser tests run in, and with.
BROWSER := target/browser/.installed

.PHONY: help demo run test python clients browser check fmt release bench micro proofs fuzz schemathesis clean

help: ## Lists the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 14

demo: ## Runs simulator and gateway in one process on loopback: open what it prints
	@$(CARGO) run --quiet --locked -- demo

run: ## Runs the gateway with config/pushgate.toml
	@$(CARGO) run --quiet --locked -- serve --config config/pushgate.toml

# Tests wait more than they compute: few cores are no reason to run few of them at a time.
test: export RUST_TEST_THREADS ?= $(shell cores=$$(nproc 2>/dev/null || echo 4); echo $$((cores > 4 ? cores : 4)))

# The end-to-end tests start real gateways and simulators on free loopback ports and in temporary folders.
test: $(PYTHON) $(CLIENTS) $(BROWSER) ## Runs all tests and ends with their count
	@mkdir -p target
	@$(CARGO) test --workspace --locked --lib --bins --tests 2>&1 | tee target/test.log
	@awk '/^test result:/ { passed += $$4; failed += $$6 } END { printf "\n%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' target/test.log

python: $(PYTHON) ## Installs what the Python parts of the tests run on, into target/python

$(PYTHON): tests/python/requirements.txt
	@tests/python/install.sh

clients: $(CLIENTS) ## Installs the clients and proxies that the tests run, JavaScript into target/clients

$(CLIENTS): tests/clients/package-lock.json tests/clients/install.sh
	@tests/clients/install.sh

browser: $(BROWSER) ## Sees that there is a browser for the tests, and installs the TypeScript compiler into target/browser

$(BROWSER): tests/browser/install.sh tests/browser/package-lock.json
	@tests/browser/install.sh

check: ## Formatting and lints, warnings are errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --locked --all-targets --features pushgate-fanout/testing -- -D warnings

fmt: ## Formats the code
	@$(CARGO) fmt --all

release: ## Builds target/release/pushgate
	@$(CARGO) build --release --locked

# What bench builds and runs. CELL="a b" measures only these, ROUNDS=n so often, QUICK=1 shows that it works.
BINARIES := $(or $(CARGO_TARGET_DIR),target)/release

bench: ## Measures the performance cells and writes docs/performance (twenty minutes; CELL=, ROUNDS=, QUICK=1)
	@$(CARGO) build --release --locked --package pushgate --bin pushgate --example load
	@$(BINARIES)/examples/load --pushgate $(BINARIES)/pushgate bench $(foreach cell,$(CELL),--cell $(cell)) $(addprefix --rounds ,$(ROUNDS)) $(if $(QUICK),--quick)

micro: ## Measures decode, session, frames, tail and commits alone (criterion, minutes)
	@$(CARGO) bench --locked -p pushgate-protocol -p pushgate-session -p pushgate-journal -p pushgate-fanout \
		--features pushgate-fanout/testing --bench '*'

proofs: ## Proves what README states with the release binary (fifteen minutes; see benches/README.md)
	@benches/run.sh

fuzz: ## Feeds frames, decoder and session with millions of random streams (about ten minutes)
	@PROPTEST_CASES=$${CASES:-6000000} $(CARGO) test --release --locked -p pushgate-upstream --lib fuzz
	@PROPTEST_CASES=$${CASES:-2000000} $(CARGO) test --release --locked -p pushgate-protocol --lib fuzz

schemathesis: $(PYTHON) $(CLIENTS) ## Asks both listeners what their descriptions allow and forbid, a thousand times each (long)
	@SCHEMATHESIS_EXAMPLES=$${EXAMPLES:-1000} SCHEMATHESIS_SEED=$${SEED:-1} $(CARGO) test --locked -p pushgate --test e2e schemathesis::

clean: ## Removes everything that was built
	@$(CARGO) clean

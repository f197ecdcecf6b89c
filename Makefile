# Every target explains itself: `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail
CARGO ?= cargo

.PHONY: help demo run test check fmt release bench clean

help: ## Lists the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: ## Runs simulator and gateway in one process on loopback: open what it prints
	@$(CARGO) run --quiet --locked -- demo

run: ## Runs the gateway with config/pushgate.toml
	@$(CARGO) run --quiet --locked -- serve --config config/pushgate.toml

# The end-to-end tests start real gateways and simulators on free loopback ports and in temporary folders.
test: ## Runs all tests and ends with their count
	@mkdir -p target
	@$(CARGO) test --workspace --locked --lib --bins --tests 2>&1 | tee target/test.log
	@awk '/^test result:/ { passed += $$4; failed += $$6 } END { printf "\n%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' target/test.log

check: ## Formatting and lints, warnings are errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --locked --all-targets -- -D warnings

fmt: ## Formats the code
	@$(CARGO) fmt --all

release: ## Builds target/release/pushgate
	@$(CARGO) build --release --locked

bench: ## Measures what README states (minutes; see benches/README.md)
	@benches/run.sh

clean: ## Removes everything that was built
	@$(CARGO) clean

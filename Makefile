# Every target is listed by `make`. ARGS is passed on: make test ARGS="-k retry"
.POSIX:
.PHONY: help bootstrap demo up test test-rabbitmq4 bench chaos check docs format lock clean
PYTHON = python3
IN = .venv/bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

bootstrap: ## make .venv from requirements.lock; returns at once when it is there
	@$(PYTHON) -I wian/bootstrap.py

demo: bootstrap ## a real circular goes round; the filled annex lands in build/demo/
	@exec $(IN)/python -m wian demo $(ARGS)

up: bootstrap ## the demo's system and data, left running until Ctrl-C
	@exec $(IN)/python -m wian up $(ARGS)

test: bootstrap ## all tests, against a real PostgreSQL and RabbitMQ
	@exec $(IN)/python -m pytest $(ARGS)

test-rabbitmq4: bootstrap ## the same tests against RabbitMQ 4, which needs root
	@root=$$($(IN)/python -m wian.embedded rabbitmq4) && WIAN_EMBEDDED_RABBITMQ_ROOT=$$root exec $(IN)/python -m pytest $(ARGS)

bench: bootstrap ## measure beside bare loops; figures in build/bench.json
	@exec $(IN)/python -m wian bench $(ARGS)

chaos: bootstrap ## kill every part while circulars go round: nothing lost, nothing twice
	@exec $(IN)/python -m wian chaos $(ARGS)

# The quick ones first.
check: bootstrap ## style, types, the direction of imports, migrations
	@echo "ruff check"; $(IN)/ruff check
	@echo "ruff format"; $(IN)/ruff format --check
	@echo "squawk"; find services shared -path '*/migrations/*.sql' -exec $(IN)/squawk {} +
	@echo "import-linter"; $(IN)/lint-imports
	@echo "basedpyright"; $(IN)/basedpyright

docs: bootstrap ## write the reference pages under docs/ from the code
	@exec $(IN)/python -m wian docs

format: bootstrap ## write the code as `make check` wants it
	@$(IN)/ruff check --fix
	@$(IN)/ruff format

LOCK = $(IN)/uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --python-version 3.11 --universal --custom-compile-command "make lock" --quiet

lock: bootstrap ## pin pyproject.toml's dependencies with hashes, for the checkout and for the image
	@$(LOCK) --extra embedded --extra dev --output-file requirements.lock
	@$(LOCK) --constraints requirements.lock --output-file deploy/requirements.lock
	@if grep -n '://' requirements.lock deploy/requirements.lock; then echo "an address got into a lock file" >&2; exit 1; fi

clean: ## remove .venv, the private folder .wian and all caches
	@rm -rf .venv .wian build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find services shared wian tests -type d -name __pycache__ -prune -exec rm -rf {} +

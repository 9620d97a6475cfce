#!/usr/bin/env bash
# Style, types and the import laws.
set -euo pipefail
ruff check
ruff format --check
mypy
lint-imports

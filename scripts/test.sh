#!/usr/bin/env bash
# Everything CI runs: lint, types, import laws, the whole suite with jitted kernels, then once more without the jit
# (small inputs) to measure coverage, because jitted lines cannot be traced.
set -euo pipefail
scripts/lint.sh
python -m pytest
rm -f .coverage .coverage.*
NUMBA_DISABLE_JIT=1 python -m coverage run -m pytest
python -m coverage combine --quiet
python -m coverage report --skip-covered --sort=cover

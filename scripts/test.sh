#!/usr/bin/env bash
# Everything CI runs: lint, types, import laws; the whole suite with jitted kernels; and beside it, on the second core,
# the suite without the jit (small inputs) to measure coverage, because jitted lines cannot be traced.
set -euo pipefail
scripts/lint.sh
# One thread each: two runs that both take every core only get in each other's way.
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Covered processes that the tests kill leave half-written data: coverage says so and goes on.
NUMBA_DISABLE_JIT=1 COVERAGE_FILE="$work/coverage" python -m coverage run -m pytest -p no:cacheprovider \
    >"$work/log" 2>&1 &
uncompiled=$!
status=0
TSMFEAT_NUM_KILLS=100 python -m pytest || status=$?
wait "$uncompiled" || { status=$?; cat "$work/log"; }
echo "without the jit: $(tail -n 1 "$work/log")"
COVERAGE_FILE="$work/coverage" python -m coverage combine --quiet "$work" 2>/dev/null || status=$?
COVERAGE_FILE="$work/coverage" python -m coverage report --skip-covered --sort=cover || status=$?
exit "$status"

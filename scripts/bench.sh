#!/usr/bin/env bash
# Every benchmark, one after another, in one thread each: two at a time would disturb each other. Words are handed on,
# such as --quick or --out FOLDER. A missed goal is told and is no failure; a wrong answer or a crash is one.
set -euo pipefail
export OMP_NUM_THREADS=1
status=0
for script in benchmarks/bench_*.py; do
    python "$script" "$@" || { status=$?; echo "failed: $script" >&2; }
done
exit "$status"

#!/usr/bin/env bash
# Every fault an extraction must survive, tried on the whole command. Words are handed on, such as --quick. A rule that
# does not hold is a failure.
set -euo pipefail
export OMP_NUM_THREADS=1 PYTHONPATH="$PWD/benchmarks${PYTHONPATH:+:$PYTHONPATH}"
python -m faults.programme "$@"

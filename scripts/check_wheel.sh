#!/usr/bin/env bash
# Build the wheel, install it into an empty environment outside the checkout, and use it there.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python3}
"$python" -m venv "$work/build"
"$work/build/bin/pip" install --quiet --disable-pip-version-check build
"$work/build/bin/python" -m build --quiet --wheel --outdir "$work/dist" "$root"
if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --python "$python" "$work/venv"
    uv pip install --quiet --python "$work/venv/bin/python" -c "$root/constraints.txt" "$work"/dist/*.whl
else
    "$python" -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check -c "$root/constraints.txt" "$work"/dist/*.whl
fi
cd "$work"
"$work/venv/bin/tsmfeat" --version
"$work/venv/bin/tsmfeat" demo --out demo --num-videos 12
echo "the wheel installs and runs: $(basename "$work"/dist/*.whl)"

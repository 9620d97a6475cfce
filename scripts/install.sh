#!/usr/bin/env bash
# install.sh VENV WHAT: make the environment where it is missing and install the project into it, editable.
# With uv where it is installed; with venv and pip otherwise. Bytecode is compiled now, so the first command is fast.
set -euo pipefail
venv=$1 what=$2 python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $python is older than 3.11" >&2; exit 1; }
echo "installing tsmfeat into $venv (torch is large: a minute or more)" >&2
if command -v uv >/dev/null 2>&1; then
    [ -x "$venv/bin/python" ] || uv venv --quiet --python "$python" "$venv"
    UV_COMPILE_BYTECODE=1 uv pip install --quiet --python "$venv/bin/python" -c constraints.txt -e "$what"
else
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$what"
fi

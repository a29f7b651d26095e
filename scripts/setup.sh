#!/usr/bin/env bash
# Makes .venv with Farbench and the pinned versions of constraints.txt, or finds it as it should be. Sourced by the others.
# Usage: . scripts/setup.sh [EXTRAS]     such as "dev"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extras="${1:-joblib}"
python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: Python 3.11 or newer is needed; set PYTHON to one, such as PYTHON=python3.11" >&2
    exit 1
}
# The stamp holds what was installed: the extras, and the two files that decide what they are.
stamp=".venv/farbench-$extras.stamp"
wanted="$(cat pyproject.toml constraints.txt | cksum) $("$python" --version)"
if [ ! -e "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    echo "setup: installing into .venv (some minutes the first time)" >&2
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extras]"
    echo "$wanted" > "$stamp"
fi

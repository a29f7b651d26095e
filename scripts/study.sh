#!/usr/bin/env bash
# Sets up, then makes again what results/study/ and the README show; rows that are there are found, not run.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh" joblib

.venv/bin/python -m bench +sweep=first_look results=results/study
.venv/bin/python scripts/readme.py

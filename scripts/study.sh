#!/usr/bin/env bash
# Sets up, then makes again what results/study/ and the README show; rows that are there are found, not run.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh" joblib

.venv/bin/python -m bench +sweep=first_look results=results/study
.venv/bin/python -m bench +sweep=far_apart results=results/study
.venv/bin/python -m bench.reference --results results/reference || true # exits with 1 while a measurement is missed
.venv/bin/python scripts/readme.py

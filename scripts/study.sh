#!/usr/bin/env bash
# Sets up, then makes again what results/study/ and the README show; rows that are there are found, not run.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh" joblib

for sweep in first_look far_apart unreliable algorithms replicas lost_payloads outer_bits delayed_nesterov asynchrony bad_actors bad_actors_diloco; do
    .venv/bin/python -m bench +sweep=$sweep results=results/study
done
.venv/bin/python -m bench.report --results results/study
.venv/bin/python -m bench.reference --results results/reference || true # exits with 1 while a measurement is missed
.venv/bin/python scripts/readme.py

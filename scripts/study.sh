#!/usr/bin/env bash
# Sets up, then makes again what results/study/ and the README show; rows that are there are found, not run.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh" joblib

for sweep in first_look far_apart unreliable algorithms replicas lost_payloads outer_bits delayed_nesterov asynchrony bad_actors bad_actors_diloco scenarios bandwidth; do
    .venv/bin/python -m bench +sweep=$sweep results=results/study
done
# Where the loss comes from and, for one algorithm, what would help.
.venv/bin/python -m bench.attribute -m results=results/study algorithm=diloco \
    scenario=h100_cluster,two_datacenters,worldwide,spot_cloud,lab_workstations,volunteer_fibre,volunteer_home
.venv/bin/python -m bench.attribute -m results=results/study algorithm=ddp attribute.helps=false \
    scenario=h100_cluster,h800_cluster,two_datacenters,worldwide,lab_workstations,volunteer_home
.venv/bin/python -m bench.reference --results results/reference || true # exits with 1 while a measurement is missed
.venv/bin/python -m bench.report --results results/study results/validation results/reference results/projections
.venv/bin/python scripts/readme.py

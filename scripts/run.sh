#!/usr/bin/env bash
# Sets up on a fresh machine, then runs the main job: volunteers, cut chips and far sites against a cluster.
# ./scripts/run.sh                                          the main job
# ./scripts/run.sh seed=1                                   the same with another seed; arguments go to Hydra
# ./scripts/run.sh scenario=volunteer_home algorithm=ddp    one run, with a scenario or algorithm of your own
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh" joblib

for argument in "$@"; do
    case "$argument" in
        -*|scenario=*|algorithm=*|+sweep=*) exec .venv/bin/python -m bench "$@" ;;
    esac
done
exec .venv/bin/python -m bench +sweep=first_look "$@"

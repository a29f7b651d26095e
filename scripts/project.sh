#!/usr/bin/env bash
# Sets up, then projects what no machine here could train: what results/projections/ shows. Nothing is trained.
# Projections on record are found, not computed; all of them take some minutes. `scripts/project.sh --anew` forgets those on
# record first: after a change of code, which their keys do not know, or of numbers, whose old records would stay in the tables.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh" joblib
[ "${1:-}" != --anew ] || rm -rf results/projections

# projections SETTING=A,B ...: one projection of each combination
projections() {
    .venv/bin/python -m bench.project -m results=results/projections progress=plain "$@" >/dev/null || failed=1
}
failed=0

# Export-limited chips, as many of them: 1,024, or two super-nodes of 384 Ascends. 3,072 sequences a step, which both divide;
# DeepSeek-V3 with five times as many, as it was trained (arXiv:2412.19437, 4.2).
chips="scenario=h100_cluster,h800_cluster,h20_cluster,a100_cluster,a800_cluster,ascend_910c_cluster,b200_cluster"
projections model=gpt_1b batch=6291456 "$chips"
projections model=llama3_8b,llama3_70b,llama3_405b batch=25165824 "$chips"
projections model=deepseek_v3 batch=62914560 "$chips"

# The same chips with the peak FLOP/s of 1,024 H100s together, within 1.5 %: of H800s as many, of others numbers that layouts can
# divide (3,264 A100s, which are nearer, have no pipeline of sixteen: a fifth less at 405B), in whole servers of eight.
equal() { # SCENARIO ACCELERATORS
    projections model=gpt_1b batch=6291456 scenario=$1 accelerators=$2
    projections model=llama3_8b,llama3_70b,llama3_405b batch=25165824 scenario=$1 accelerators=$2
    projections model=deepseek_v3 batch=62914560 scenario=$1 accelerators=$2
}
equal h20_cluster 6912
equal a100_cluster 3200
equal a800_cluster 3200
equal ascend_910c_cluster 1280
equal b200_cluster 448

# Sites: each a worker of all its devices, synchronous inside. 16.8 M tokens a step for each of four hyperscale sites, as
# Llama 3 405B had on as many devices (arXiv:2407.21783, table 4); V100s train DT-FM's size of model.
sites=(
    "scenario=several_hyperscale model=llama3_405b batch=67108864"
    "scenario=two_datacenters model=llama3_8b batch=4194304"
    "scenario=regional,worldwide model=gpt_1b batch=2097152"
)
for site in "${sites[@]}"; do
    projections $site algorithm=ddp codec=none,int8
    projections $site algorithm=diloco,streaming_diloco algorithm.sync_every=100 codec=none,int8
done

# Volunteers, on more tokens than small models need: what replicas cost in tokens, and time alone. Models that no device holds
# are trained in crews of them (worker=auto).
for scenario in volunteer_home volunteer_fibre volunteer_worldwide mandatory_volunteers; do
    projections scenario=$scenario model=gpt_125m,gpt_350m,gpt_1b tokens="1 T" batch=2097152 \
        algorithm=diloco,streaming_diloco algorithm.sync_every=100 codec=int8 quality=none,diloco_scaling_laws
done

# A model that no home's device holds: crews, ten thousand volunteers each, who synchronise often because they lose members.
projections scenario=volunteer_fibre,volunteer_worldwide accelerators=10000 model=llama3_8b tokens="1 T" batch=2097152 \
    algorithm=diloco algorithm.sync_every=2,10 codec=int8 quality=none

.venv/bin/python -m bench.report --results results/study results/validation results/reference results/projections
exit $failed

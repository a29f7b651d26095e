#!/usr/bin/env bash
# Sets up, then checks predictions against real ranks behind shaped links: what results/validation/ and the README show.
# Cells on record are found, not measured; all of them take about an hour. It needs namespaces (README, "Real ranks behind real links") and a machine with
# nothing else to do.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh" joblib

# cells ALGORITHM ... SETTING=A,B ...: one emulation of each combination, three times, without learning
cells() {
    .venv/bin/python -m bench.emulate -m results=results/validation scenario=shaped_links train=false progress=plain "$@" || failed=1
}
# lines BANDWIDTH MODEL ...: links as fast out as in, and a model whose parameters keep them busy for half a second or so
lines() {
    links=("network.uplink=$1" "network.downlink=$1" "${@:2}")
}
failed=0
in_step=(
    "algorithm=ddp algorithm.buckets=2 steps=3"
    "algorithm=diloco algorithm.sync_every=2 steps=8"
    "algorithm=streaming_diloco algorithm.sync_every=4 algorithm.fragments=2 algorithm.delay=1 steps=12"
    "algorithm=gossip algorithm.sync_every=2 steps=8"
)
algorithms=(
    "${in_step[@]}"
    "algorithm=diloco codec=int8 algorithm.sync_every=2 steps=8"
    "algorithm=async_local_sgd algorithm.sync_every=2 steps=8"
)
delays="network.last_mile=0 ms,5 ms,25 ms" # a quarter of a round trip

# grid WORKERS SPEED ALGORITHM...: each algorithm at each delay
grid() {
    case $2 in
        "10 Mbit/s") lines "$2" model=nano ;;
        "100 Mbit/s") lines "$2" model=small ;;
        *) lines "$2" model=small model.width=256 ;;
    esac
    for algorithm in "${@:3}"; do
        cells $algorithm "${links[@]}" "$delays" workers=$1
    done
}

for speed in "10 Mbit/s" "100 Mbit/s" "1 Gbit/s"; do
    grid 4 "$speed" "${algorithms[@]}"
done
for algorithm in "${algorithms[@]}"; do # unequal lines; a slow device
    cells $algorithm model=small workers=4 "network.uplink=[20 Mbit/s,100 Mbit/s,50 Mbit/s,100 Mbit/s]"
    cells $algorithm model=small workers=4 "~devices.mix" "+devices.list=[rtx_3090,rtx_3090,t4,rtx_3090]"
done
for algorithm in "algorithm=ddp algorithm.buckets=2 steps=16" "algorithm=diloco algorithm.sync_every=4 steps=40" \
    "algorithm=gossip algorithm.sync_every=4 steps=40" "algorithm=async_local_sgd algorithm.sync_every=4 steps=32"; do
    # A worker is killed and comes back.
    cells $algorithm model=small workers=4 churn=trace "churn.period=1000 s" \
        "churn.intervals=[[0,0,1000],[1,0,1000],[2,0,1.75],[2,5,1000],[3,0,1000]]"
done
for algorithm in "algorithm=ddp" "algorithm=diloco algorithm.sync_every=5" "algorithm=gossip algorithm.sync_every=2" \
    "algorithm=streaming_diloco algorithm.sync_every=10 algorithm.fragments=2 algorithm.delay=2" \
    "algorithm=diloco codec=int8 algorithm.sync_every=5" "algorithm=async_local_sgd algorithm.sync_every=5"; do
    cells $algorithm train=true steps=20 model=nano workers=4 # what the ranks learn
done
for speed in "10 Mbit/s" "100 Mbit/s"; do
    grid 8 "$speed" "${in_step[@]}" # two processors carry no more
done
for speed in "10 Mbit/s" "100 Mbit/s" "1 Gbit/s"; do
    grid 2 "$speed" "${in_step[@]}"
done
.venv/bin/python -m bench.report --results results/study results/validation results/reference results/projections
.venv/bin/python scripts/readme.py
exit $failed

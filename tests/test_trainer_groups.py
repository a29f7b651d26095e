"""What the Trainer makes of reductions within groups and of exchanges, whatever algorithm asks for them."""

import numpy as np
import pytest
import torch
from fleet import schedule, trained
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.adversary import FreeRiderStale, Gaussian, InnerProductManipulation, NoAdversary, SignFlip
from bench.aggregator import Median
from bench.algorithm import Algorithm, AllReduce, Exchange, Train
from bench.codec import Codec, PowerSGD
from bench.errors import SkipError
from bench.graphs import metropolis
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Replicas
from bench.schedule import Schedule
from bench.split import Effort

W, N = 6, 4
ROWS = torch.randn(W, N, generator=torch.Generator().manual_seed(0))  # (W, N)
GROUPS = np.array([2, 0, 2, 1, 0, 2])  # 1 and 4; 3 alone; 0, 2 and 5
RING = (np.eye(W) + np.roll(np.eye(W), 1, axis=1) + np.roll(np.eye(W), -1, axis=1)) / 3


class Probe(Algorithm):
    """A step, then one operation on the same rows, again and again; keeps the answers."""

    lockstep = "groups"

    def __init__(self, make):
        self.make, self.answers = make, []

    def run(self, replicas):
        while True:
            yield Train(1)
            self.answers.append((yield self.make()).clone())


def answers(make, made=None, **changes):
    probe = Probe(make)
    trained(probe, made or schedule(W, [1], 1), **changes)
    return probe.answers


def in_groups(rows=ROWS, groups=GROUPS):
    return lambda: AllReduce(rows, groups=groups)


class Doubling(Codec):
    """A codec that shows where it has been, and counts the rows."""

    def __init__(self):
        self.rows = 0

    def encode(self, payload, draw, layout):
        self.rows += len(payload)
        return (payload,)

    def decode(self, encoded, draw, layout):
        return 2 * encoded[0]


def away(*ranks):
    return schedule(W, [1], 1, away={(0, rank) for rank in ranks})


def test_each_group_gets_the_mean_of_its_own():
    (found,) = answers(in_groups())
    expected = torch.stack([ROWS[list(group)].mean(0) for group in ((0, 2, 5), (1, 4), (0, 2, 5), (3,), (1, 4), (0, 2, 5))])
    torch.testing.assert_close(found, expected)


def test_who_does_not_count_gets_what_its_group_has_and_a_group_that_is_away_keeps_its_own():
    (found,) = answers(in_groups(), away(2, 1, 4))
    mean = ROWS[[0, 5]].mean(0)
    torch.testing.assert_close(found, torch.stack([mean, ROWS[1], mean, ROWS[3], ROWS[4], mean]))


def test_with_nobody_there_everybody_keeps_its_own():
    nobody = away(*range(W))
    assert torch.equal(answers(in_groups(), nobody)[0], ROWS)
    assert torch.equal(answers(lambda: Exchange(ROWS, RING), nobody)[0], ROWS)


def test_only_what_travels_goes_through_the_codec():
    (found,) = answers(in_groups(), codec=Doubling())
    torch.testing.assert_close(found[[0, 2, 5]], 2 * ROWS[[0, 2, 5]].mean(0).expand(3, -1))
    assert torch.equal(found[3], ROWS[3])  # alone
    (found,) = answers(lambda: Exchange(ROWS, RING), codec=Doubling())
    torch.testing.assert_close(found[1], ROWS[1] / 3 + 2 * (ROWS[0] + ROWS[2]) / 3)
    codec = Doubling()
    one_way = np.eye(W)
    one_way[0, :2] = 1 / 2  # 0 hears 1, and nobody else hears anybody
    (found,) = answers(lambda: Exchange(ROWS, one_way), codec=codec)
    torch.testing.assert_close(found[0], ROWS[0] / 2 + 2 * ROWS[1] / 2)
    assert torch.equal(found[1:], ROWS[1:])
    assert codec.rows == 1


def test_payloads_of_a_group_weigh_as_much_as_the_sequences_behind_them():
    # Batches of 2 on average, in parts of 1/2 and 3/2: sequences of 1 and 3 a step.
    made = Schedule(W, Effort(batch=np.array([0.5, 1.5, 1.5, 0.5, 0.5, 1.5])))
    made.append(1, np.ones(W, bool), np.zeros(W, bool))
    (found,) = answers(in_groups(), made)
    torch.testing.assert_close(found[0], (ROWS[0] + 3 * ROWS[2] + 3 * ROWS[5]) / 7)
    torch.testing.assert_close(found[4], (3 * ROWS[1] + ROWS[4]) / 4)


def test_each_group_aggregates_by_the_rule():
    (found,) = answers(in_groups(), aggregator=Median(traffic="sharded", bucketing=1))
    torch.testing.assert_close(found[5], ROWS[[0, 2, 5]].median(0).values)


def test_gossip_with_another_aggregator_than_the_mean_is_skipped():
    with pytest.raises(SkipError, match="gossip weighs each payload by its edge"):
        answers(lambda: Exchange(ROWS, RING), aggregator=Median(traffic="sharded", bucketing=1))


def test_gossip_with_a_codec_that_needs_a_mean_of_all_is_skipped():
    with pytest.raises(SkipError, match="this codec needs a mean of all first"):
        answers(lambda: Exchange(ROWS, RING), codec=PowerSGD(rank=1))


def bad(adversary):
    return [int(rank) for rank in adversary.members(0, W).nonzero()[0]]


def test_an_attacker_sees_and_spoils_its_own_group_only():
    adversary = InnerProductManipulation(fraction=0.2, start=0, epsilon=2.0)
    (liar,) = bad(adversary)
    groups = np.array([0, 0, 0, 1, 1, 1])
    (found,) = answers(in_groups(groups=groups), adversary=adversary)
    own = [rank for rank in range(W) if groups[rank] == groups[liar]]
    honest = ROWS[[rank for rank in own if rank != liar]].mean(0)
    torch.testing.assert_close(found[own[0]], (2 * honest - 2.0 * honest) / 3, rtol=0, atol=1e-6)
    fine = [rank for rank in range(W) if groups[rank] != groups[liar]]
    torch.testing.assert_close(found[fine[0]], ROWS[fine].mean(0))


def test_an_attacker_lies_to_its_neighbours_and_not_to_itself():
    adversary = SignFlip(fraction=0.2, start=0, scale=10.0)
    (liar,) = bad(adversary)
    (found,) = answers(lambda: Exchange(ROWS, RING), adversary=adversary)
    before, after = (liar - 1) % W, (liar + 1) % W
    torch.testing.assert_close(found[liar], (ROWS[before] + ROWS[liar] + ROWS[after]) / 3)
    torch.testing.assert_close(found[after], (-10 * ROWS[liar] + ROWS[after] + ROWS[(liar + 2) % W]) / 3)


def test_an_attacker_that_is_a_group_by_itself_fools_nobody():
    (found,) = answers(in_groups(groups=np.arange(W)), adversary=SignFlip(fraction=0.5, start=0, scale=10.0))
    assert torch.equal(found, ROWS)


def test_attackers_of_two_groups_draw_different_noise():
    adversary = Gaussian(fraction=0.7, start=0, deviation=1.0)  # four of six
    liars = bad(adversary)
    groups = np.zeros(W, np.int64)
    groups[liars[:2]] = 1  # two lie in each group
    (found,) = answers(in_groups(torch.zeros(W, N), groups), adversary=adversary)
    assert (found[liars[0]] - found[liars[2]] * 2).abs().max() > 1e-3  # sums of two, over two and over four


def test_a_stale_free_rider_sends_what_it_got_itself():
    adversary = FreeRiderStale(fraction=0.4, start=0)
    first, second = bad(adversary)
    groups = np.zeros(W, np.int64)
    groups[[first, (first + 1) % W if (first + 1) % W != second else (first + 2) % W]] = 1
    before, after = answers(in_groups(groups=groups), schedule(W, [1], 2), adversary=adversary)
    for liar in (first, second):
        own = [rank for rank in range(W) if groups[rank] == groups[liar]]
        sent = torch.stack([before[rank] if rank == liar else ROWS[rank] for rank in own])
        torch.testing.assert_close(after[liar], sent.mean(0))


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_mixing_with_symmetric_weights_conserves_the_mean_of_those_that_are_there(data):
    # What i does not take from an absent j stays with i, and j would have taken the same from i: columns still sum to 1.
    workers = data.draw(st.integers(1, 7))
    edges = np.triu(
        np.array(data.draw(st.lists(st.booleans(), min_size=workers**2, max_size=workers**2))).reshape(workers, -1), 1
    )
    here = np.array(data.draw(st.lists(st.booleans(), min_size=workers, max_size=workers)))
    rows = torch.randn(workers, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(workers))
    made = schedule(workers, [1], 1, away={(0, rank) for rank in range(workers) if not here[rank]})
    (found,) = answers(lambda: Exchange(rows, metropolis(edges | edges.T)), made)
    assert torch.equal(found[~here], rows[~here])
    torch.testing.assert_close(found[here].sum(0), rows[here].sum(0), rtol=0, atol=1e-12)
    # An average of some is never further out than they are.
    assert (found.max(0).values <= rows.max(0).values + 1e-12).all()


class Marking(Algorithm):
    """Writes to each replica numbers of its own; nobody learns anything."""

    lockstep = "groups"

    def run(self, replicas):
        marks = torch.randn(replicas.params.shape, generator=torch.Generator().manual_seed(0))
        while True:
            yield Train(1)
            replicas.params[:] = yield AllReduce(marks, groups=np.arange(len(marks)))


def test_the_model_that_is_evaluated_is_the_mean_of_those_that_counted_last():
    losses = {}
    for name, made in (("all", schedule(W, [1], 1)), ("some", away(0, 1))):
        ours = trained(Marking(), made, evaluation=1)
        losses[name] = ours.curve.losses[-1]
        there = ours.replicas.params if name == "all" else ours.replicas.params[2:]
        assert losses[name] == ours.evaluate(there.mean(0, keepdim=True))
    assert losses["all"] != losses["some"]


def test_what_an_algorithm_keeps_is_state_that_returners_download():
    replicas = Replicas(torch.zeros(3, 2), SGD(lr=1.0, momentum=0.5), LearningRateSchedule(warmup=0, final=1.0, steps=1))
    before = replicas.state_bytes
    kept = replicas.keep("slow", torch.arange(6.0).view(3, 2))
    replicas.copy_state(2, [0])
    assert kept.tolist() == [[4, 5], [2, 3], [4, 5]]
    assert replicas.state_bytes == before + 8
    with pytest.raises(ValueError, match="name must not be one of velocity, slow, got 'slow'"):
        replicas.keep("slow", kept)


def test_one_group_of_everybody_is_as_no_groups():
    (by_groups,) = answers(in_groups(groups=np.zeros(W, np.int64)), away(3))
    (without,) = answers(lambda: AllReduce(ROWS), away(3))
    assert torch.equal(by_groups, without.expand(W, -1))


@pytest.mark.gpu
@pytest.mark.parametrize("adversary", [NoAdversary(), SignFlip(fraction=0.2, start=0, scale=1.0)])
def test_a_gpu_mixes_alike(adversary):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for make, made in ((in_groups, away(2)), (lambda rows: lambda: Exchange(rows, RING), away(1))):
        (here,) = answers(make(ROWS), made, adversary=adversary)
        (there,) = answers(make(ROWS.cuda()), made, adversary=adversary, device="cuda")
        torch.testing.assert_close(there.cpu(), here, rtol=1e-5, atol=1e-6)

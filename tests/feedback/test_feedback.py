"""Error feedback: nothing is lost but what decays, and a biased codec then converges."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from bench.adversary import NoAdversary, SignFlip
from bench.aggregator import Mean, Median
from bench.algorithm import AllReduce, ReduceScatter
from bench.build import build
from bench.codec import BF16, E3M0, Codec, Int4, Int8, NoCodec, PowerSGD, RandomK, Sign, TopK, TopK2Bit
from bench.delivery import Delivery
from bench.feedback import ErrorFeedback, Memory, NoFeedback
from bench.replicas import Layout, Part

W, P = 4, 60
LAYOUT = Layout({"a": (5, 8), "b": (20,)})
LEFT, RIGHT = Part(((0, 10), (50, 60))), Part(((10, 50),))
EQUAL = torch.ones(W)


def payloads(seed: int = 0, columns: int = P) -> torch.Tensor:
    return torch.randn(W, columns, generator=torch.Generator().manual_seed(seed))


def delivery(codec: Codec, feedback=None, aggregator=None, adversary=None) -> Delivery:
    return Delivery(codec, feedback or ErrorFeedback(decay=1.0), aggregator or Mean(), adversary or NoAdversary(), 0, W, LAYOUT)


def passed(codec: Codec, rows: torch.Tensor, layout: Layout = LAYOUT, draw: int = 0) -> torch.Tensor:
    return codec.decode(codec.encode(rows, draw, layout), draw, layout)


ADDED = [BF16(), RandomK(share=0.3, unbiased=False), PowerSGD(rank=1)]
GATHERED = [TopK(share=0.1, chunk=None), TopK2Bit(k=3, chunk=20), Int4(block=8, traffic="all_gather")]
SHARDED = [Sign(block=None), Int8(block=16), E3M0(block=16), TopK(share=0.2, chunk=None, traffic="sharded")]
every_codec = pytest.mark.parametrize("codec", [*ADDED, *GATHERED, *SHARDED], ids=lambda codec: type(codec).__name__)


@pytest.mark.parametrize("decay", [1.0, 0.95])
@pytest.mark.parametrize("codec", [*ADDED, *GATHERED], ids=lambda codec: type(codec).__name__)
def test_what_is_received_and_owed_is_what_was_sent_and_owed_before(codec, decay, monkeypatch):
    ours, received = delivery(codec, ErrorFeedback(decay=decay)), []
    monkeypatch.setattr(ours._aggregator, "aggregate", lambda rows, weights, draw: received.append(rows) or rows[:1])
    owed = torch.zeros(W, P)
    for step in range(4):
        ours.deliver(AllReduce(payloads(step)), list(range(W)), EQUAL, step, step + 1)
        before, owed = owed, ours._memory._owed[P].clone()
        torch.testing.assert_close(received[-1] + owed, payloads(step) + decay * before, atol=1e-6, rtol=1e-6)
        assert owed.abs().max() > 0


def test_error_feedback_written_out():
    ours = delivery(TopK(share=0.1, chunk=None), ErrorFeedback(decay=0.95))
    owed = torch.zeros(W, P)
    for step in range(5):
        got = ours.deliver(AllReduce(payloads(step)), list(range(W)), EQUAL, step, step + 1)
        owed = 0.95 * owed + payloads(step)
        sent = torch.zeros_like(owed)
        for row in range(W):
            for place in owed[row].abs().argsort()[-6:]:
                sent[row, place] = owed[row, place]
        owed = owed - sent
        torch.testing.assert_close(got, sent.mean(0, keepdim=True))


def test_a_sharded_aggregate_is_encoded_again_with_a_memory_of_its_own():
    codec = Sign(block=None)
    ours = delivery(codec, ErrorFeedback(decay=0.9))
    owed, servers = torch.zeros(W, P), torch.zeros(1, P)

    def signs(rows: torch.Tensor) -> torch.Tensor:
        return rows.abs().mean(1, keepdim=True) * torch.where(rows >= 0, 1.0, -1.0)

    for step in range(4):
        got = ours.deliver(AllReduce(payloads(step)), list(range(W)), EQUAL, step, step + 1)
        x = payloads(step) + 0.9 * owed
        owed = x - signs(x)
        y = signs(x).mean(0, keepdim=True) + 0.9 * servers
        servers = y - signs(y)
        torch.testing.assert_close(got, signs(y))


@pytest.mark.parametrize(
    ("codec", "aggregator", "again"),
    [
        (Sign(block=None), Mean(), True),
        (Sign(block=None, traffic="all_gather"), Mean(), False),
        (BF16(), Mean(), False),
        (Sign(block=None), Median(), True),
        (Sign(block=None, traffic="all_gather"), Median(), True),  # the rule says how payloads travel
        (Sign(block=None), Median(traffic="all_gather"), False),
        (BF16(), Median(), False),
    ],
)
def test_an_aggregate_is_encoded_again_where_somebody_sends_it_to_all(codec, aggregator, again):
    ours = delivery(codec, NoFeedback(), aggregator)
    got = ours.deliver(AllReduce(payloads()), list(range(W)), EQUAL, 0, 1)
    once = aggregator.aggregate(passed(codec, payloads()), EQUAL, 0)
    torch.testing.assert_close(got, passed(codec, once) if again else once)
    assert not again or not torch.allclose(got, once)


def test_a_share_of_an_aggregate_stays_where_it_is_and_is_not_encoded_again():
    codec = Sign(block=None)
    got = delivery(codec, NoFeedback()).deliver(ReduceScatter(payloads()), list(range(W)), EQUAL, 0, 1)
    torch.testing.assert_close(got, passed(codec, payloads()).mean(0, keepdim=True))


@every_codec
def test_what_travels_as_it_is_is_neither_encoded_nor_remembered(codec):
    ours = delivery(codec)
    got = ours.deliver(AllReduce(payloads(), encoded=False), list(range(W)), EQUAL, 0, 1)
    assert torch.equal(got, payloads().mean(0, keepdim=True))
    assert ours._memory._owed == {}


def test_there_is_no_memory_where_there_is_nothing_to_remember():
    assert delivery(NoCodec())._memory is None
    assert delivery(Sign(block=None), NoFeedback())._memory is None


def test_who_does_not_count_keeps_what_it_owes_and_who_comes_back_owes_nothing():
    ours = delivery(Sign(block=None))
    ours.deliver(AllReduce(payloads(0)), list(range(W)), EQUAL, 0, 1)
    owed = ours._memory._owed[P].clone()
    ours.deliver(AllReduce(payloads(1)), [0, 2], EQUAL[:2], 1, 2)
    after = ours._memory._owed[P]
    assert torch.equal(after[[1, 3]], owed[[1, 3]])
    assert not torch.equal(after[[0, 2]], owed[[0, 2]])
    ours.forget([1, 2])
    assert torch.equal(ours._memory._owed[P][[1, 2]], torch.zeros(2, P))
    assert torch.equal(ours._memory._owed[P][3], owed[3])


def test_a_part_owes_what_it_would_if_nothing_else_travelled():
    ours = delivery(Int4(block=None))
    alone = {part: delivery(Int4(block=None)) for part in (LEFT, RIGHT)}
    for step in range(3):
        for part in (LEFT, RIGHT):
            for each in (ours, alone[part]):
                each.deliver(AllReduce(part.of(payloads(step)), part=part), list(range(W)), EQUAL, step, step + 1)
    for part in (LEFT, RIGHT):
        owed = part.of(alone[part]._memory._owed[P])
        assert torch.equal(part.of(ours._memory._owed[P]), owed)
        assert owed.abs().max() > 0
    assert ours._memory._owed.keys() == {P}


def test_payloads_of_another_size_have_a_memory_of_their_own():
    ours = delivery(Sign(block=None))
    ours.deliver(AllReduce(payloads(0)), list(range(W)), EQUAL, 0, 1)
    before = ours._memory._owed[P].clone()
    ours.deliver(AllReduce(payloads(1, 7)), list(range(W)), EQUAL, 1, 1)
    assert torch.equal(ours._memory._owed[P], before)
    torch.testing.assert_close(
        ours._memory._owed[7], payloads(1, 7) - passed(Sign(block=None), payloads(1, 7), Layout.plain(7))
    )


def test_bad_workers_use_the_codec_and_remember_like_others():
    adversary = SignFlip(fraction=0.25, start=0, scale=10.0)
    bad = int(adversary.members(0, W).argmax())
    ours = delivery(Sign(block=None, traffic="all_gather"), adversary=adversary)
    ours.deliver(AllReduce(payloads()), list(range(W)), EQUAL, 0, 1)
    sent = payloads()[bad] * -10.0
    scale = sent.abs().mean()
    torch.testing.assert_close(ours._memory._owed[P][bad], sent - scale * sent.sign())


def descend(codec: Codec, feedback, steps: int = 800) -> float:
    """Distance from the optimum, after steps on f(x) = Σ_i |x - c_i|² / 2 W, whose rows c_i differ much from their mean."""
    centre = payloads(7) * torch.linspace(0.1, 3, P)
    ours, x = delivery(codec, feedback), torch.zeros(1, P)
    for step in range(steps):
        x = x - 0.5 / (10 + step / 4) * ours.deliver(AllReduce(x - centre), list(range(W)), EQUAL, step, step + 1)
    return float((x - centre.mean(0)).norm())


@pytest.mark.parametrize("codec", [TopK(share=0.05, chunk=None), Sign(block=None, traffic="all_gather")], ids=["top_k", "sign"])
def test_a_biased_codec_stalls_alone_and_converges_with_error_feedback(codec):
    alone, helped = descend(codec, NoFeedback()), descend(codec, ErrorFeedback(decay=1.0))
    assert helped < 0.15
    assert alone > 5 * helped


def test_a_memory_that_decays_forgets():
    memory = Memory(0.5, 1, 2)
    assert torch.equal(memory.add(torch.tensor([[4.0, 8.0]]), [0], None), torch.tensor([[4.0, 8.0]]))
    memory.keep(torch.tensor([[4.0, 8.0]]), [0], None)
    assert torch.equal(memory.add(torch.zeros(1, 2), [0], None), torch.tensor([[2.0, 4.0]]))


@pytest.mark.parametrize("decay", [0.0, -1.0, 1.01, float("nan")])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(ValueError, match=r"decay must be in \(0, 1\]"):
        ErrorFeedback(decay=decay)


def test_presets_build():
    folder = Path(__file__).resolve().parents[2] / "conf" / "feedback"
    built = {path.stem: build(yaml.safe_load(path.read_text()), "feedback") for path in folder.glob("*.yaml")}
    assert {name for name, feedback in built.items() if not feedback.on} == {"none"}
    decays = {name: feedback.decay for name, feedback in built.items() if feedback.on}
    assert decays == {"error_feedback": 1.0, "sparse_loco": 0.95, "demo": 0.999}
    assert np.isfinite(descend(Int8(block=None), built["error_feedback"], 5))

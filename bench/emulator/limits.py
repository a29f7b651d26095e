"""What emulated ranks do not do."""

from bench.adversary import FreeRiderStale
from bench.errors import SkipError
from bench.failures import NoFailures
from bench.network.collectives import Auto, Butterfly, GlooRing
from bench.participation import WaitForAll
from bench.setup import Setup


def check(setup: Setup) -> None:
    """Raises SkipError for what emulated ranks do not do: of scenarios, codecs, rules, attacks and algorithms."""
    scenario = setup.scenario
    if not isinstance(scenario.participation, WaitForAll):
        raise SkipError("emulated ranks wait for all: participation must be wait_for_all")
    if scenario.verification.share:
        raise SkipError("emulated ranks do not compute others' work again: verification must be none")
    if not isinstance(scenario.failures, NoFailures):
        raise SkipError("emulated ranks do not fail all at once: failures must be none")
    codec, linear = setup.codec, setup.aggregator.linear
    if setup.adversary.fraction and setup.adversary.sees_others:
        raise SkipError("this adversary looks at what others send before it sends, which emulated ranks cannot")
    if setup.algorithm.lockstep == "none":
        _check_apart(setup)
        return
    if codec.rounds > 1:
        raise SkipError(
            "this codec needs a mean of all before its last payload, which emulated ranks do not compute in between"
        )
    if not linear and setup.aggregator.traffic != "all_gather":
        raise SkipError("emulated ranks apply this rule to whole payloads: it needs aggregator.traffic=all_gather")
    if codec.traffic == "sharded" and setup.feedback.on:
        raise SkipError(
            "emulated ranks remember what they owe of whole payloads: with feedback, codec.traffic must be all_gather"
        )
    collective = scenario.collective
    gloo = isinstance(collective, GlooRing) or (isinstance(collective, Auto) and collective.backend == "gloo")
    if not gloo and not isinstance(collective, Butterfly):
        raise SkipError("emulated ranks reduce by gloo's ring or a butterfly: collective=gloo or collective=butterfly")
    if setup.algorithm.needs_everybody and setup.corpus is not None:
        raise SkipError("an emulated rank computes with all parameters, and here holds a share: emulated with train=false only")
    if setup.algorithm.lockstep == "stages":
        raise SkipError("emulated ranks hold whole models; an algorithm in stages is not emulated")


def _check_apart(setup: Setup) -> None:
    """The same where payloads travel one by one."""
    if not setup.aggregator.linear:
        raise SkipError("a server takes payloads in one by one, and this aggregator compares several")
    if isinstance(setup.adversary, FreeRiderStale):
        raise SkipError("this free rider sends again what any server took in last, which no emulated worker sees")

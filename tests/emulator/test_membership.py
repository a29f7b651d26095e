"""Who takes part: settled before each round, and anew when a reduction has broken."""

import pytest
import torch

from bench.emulator.membership import Break, LostWhileJoining, Membership


def answer(number):
    """Of a reduction that ranks 0 and 1 counted in."""
    return [0, 1], torch.full((1, 2), float(number))


def test_a_round_is_settled_when_the_first_member_asks():
    membership = Membership({0, 1}, ready={2})
    assert membership.round(3) == [2]
    assert membership.members == {0, 1, 2} and membership.joining == {2} and membership.ready == set()
    assert membership.generation == 2
    membership.ready.add(3)  # too late for round 3, of which the others have heard
    assert membership.round(3) == [2] and membership.generation == 2
    assert membership.round(4) == [3] and membership.generation == 3
    assert membership.members == {0, 1, 2, 3}


def test_a_round_that_nobody_joins_is_of_the_same_generation():
    membership = Membership({0, 1})
    assert membership.round(1) == [] and membership.generation == 1


def test_the_smallest_rank_that_stayed_hands_over():
    membership = Membership({1, 2}, ready={0})
    membership.round(1)
    assert membership.giver(0) == 1  # 0 is a member, but has nothing to give
    membership.joined(0)
    assert membership.giver(3) == 0


def test_where_replicas_differ_the_nearest_that_stayed_hands_over():
    membership = Membership({0, 2, 5}, near=True, ready={3, 4})
    membership.round(1)
    assert (membership.giver(3), membership.giver(4)) == (2, 5)
    with pytest.raises(LostWhileJoining, match="rank 5"):
        membership.lost(5)
    membership.lost(0)  # gives nobody anything
    assert Membership({0, 2}, near=True).giver(1) == 0  # of two as near, the first


@pytest.mark.parametrize("rank", [3, 0])
def test_who_joins_and_who_gives_must_not_be_lost_meanwhile(rank):
    membership = Membership({0, 1, 2}, ready={3})
    membership.round(1)
    with pytest.raises(LostWhileJoining, match=f"rank {rank} dropped out while rank 3 came back: that is not emulated"):
        membership.lost(rank)


def test_others_may_be_lost_while_one_joins():
    membership = Membership({0, 1, 2}, ready={3})
    membership.round(1)
    membership.lost(1)
    assert membership.members == {0, 2, 3}


def test_who_is_lost_before_its_round_does_not_join():
    membership = Membership({0, 1}, ready={2})
    membership.lost(2)
    assert membership.round(1) == [] and membership.members == {0, 1}


def test_members_meet_once_all_that_are_left_wait():
    membership = Membership({0, 1, 2})
    membership.broken(0, Break(5, {}))
    assert membership.meet() is None  # 1 and 2 may be in it still
    membership.lost(2)
    assert membership.meet() is None
    membership.broken(1, Break(5, {}))
    assert membership.meet() == (5, {0: {}, 1: {}})  # nobody has an answer: they begin it again
    assert membership.generation == 2
    assert membership.meet() is None  # nobody waits any more


def test_who_waited_and_is_lost_is_waited_for_no_more():
    membership = Membership({0, 1, 2})
    membership.broken(2, Break(5, {}))
    membership.lost(2)
    assert membership.meet() is None  # the others have found nothing broken
    membership.broken(0, Break(5, {}))
    membership.broken(1, Break(5, {}))
    assert membership.meet() == (5, {0: {}, 1: {}})


def test_an_answer_that_one_member_has_goes_to_those_that_lack_it():
    # Reduction 5 was over for 1, which found the next one broken, when 2 dropped out; 0 was in it still.
    four, five = answer(4), answer(5)
    membership = Membership({0, 1})
    membership.broken(0, Break(5, {4: four}))
    membership.broken(1, Break(6, {4: four, 5: five}))
    assert membership.meet() == (5, {0: {5: five}, 1: {}})


def test_members_that_are_through_are_not_waited_for_and_give_their_answers():
    five, six = answer(5), answer(6)
    membership = Membership({0, 1, 2}, done={2: {5: five, 6: six}})
    membership.broken(0, Break(5, {}))
    membership.broken(1, Break(6, {5: five}))
    assert membership.meet() == (5, {0: {5: five, 6: six}, 1: {6: six}})


def test_nobody_meets_where_nobody_waits():
    assert Membership({0}, done={0: {}}).meet() is None

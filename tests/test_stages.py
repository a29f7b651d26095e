"""Who gets the next microbatch, who should move, and the downloads of those who do."""

import numpy as np
import pytest
from worlds import scenario

from bench.pipelines.moves import Moves
from bench.pipelines.stages import RENEWED, Stages, message_seconds
from bench.recovery import FromPeers


def stages(count, seconds, *, message=0.0, microbatch=1.0):
    built = Stages(count, np.array(seconds, float), microbatch)
    built.begin(np.full(len(seconds), message))
    return built


def everybody(count):
    return np.ones(count, bool)


def test_workers_begin_in_equal_blocks():
    assert stages(2, [1] * 5).of.tolist() == [0, 0, 0, 1, 1]


def test_microbatches_go_to_peers_in_proportion_to_their_speed():
    built = stages(1, [1, 2, 4])
    given = [built.route(0, [0, 1, 2]) for _ in range(70)]
    assert [given.count(rank) for rank in range(3)] == [40, 20, 10]


def test_each_goes_to_who_would_be_done_first():
    built = stages(1, [1, 2.4])
    # 0 is done after 1, 2, 3, 4 and 5 s; 1 after 2.4 and 4.8.
    assert [built.route(0, [0, 1]) for _ in range(6)] == [0, 0, 1, 0, 0, 1]


def test_a_step_begins_anew():
    built = stages(1, [1, 1.5])
    assert built.route(0, [0, 1]) == 0
    built.begin(np.zeros(2))
    assert built.route(0, [0, 1]) == 0


def test_who_is_slow_now_is_expected_to_be_so_the_next_time_in_part():
    built = stages(1, [1, 1])
    built.observe(np.array([0]), np.array([3.0]))
    built.begin(np.zeros(2))
    np.testing.assert_allclose(built.throughput(everybody(2)), 1 + 1 / (1 + 2 * RENEWED))


def test_a_stage_is_as_fast_as_its_peers_together_at_what_each_is_slowest_at():
    # A message takes 3 s: one of each microbatch at both ends, two in the middle.
    built = stages(3, [1, 4, 1, 4, 8, 1], message=3.0)
    np.testing.assert_allclose(built.throughput(everybody(6)), [1 / 3 + 1 / 4, 1 / 6 + 1 / 6, 1 / 8 + 1 / 3])
    # A model in one piece sends none.
    np.testing.assert_allclose(stages(1, [1, 1], message=3.0).throughput(everybody(2)), [2.0])


def test_who_joins_serves_the_slowest_stage_but_for_itself():
    built = stages(2, [1, 1, 1, 1])
    present = np.array([True, True, True, False])
    built.join(3, present)
    assert built.of[3] == 1
    built.join(2, everybody(4))  # without 2, stage 1 has 3 alone
    assert built.of[2] == 1
    built.of[:] = 0
    built.join(1, everybody(4))
    assert built.of[1] == 1


def test_a_peer_moves_from_the_fastest_stage_to_the_slowest():
    built = stages(2, [1, 1, 1, 1])
    present = np.array([True, True, True, True])
    built.of[:] = [0, 0, 0, 1]
    assert built.move(present, present) == 0
    assert built.of.tolist() == [1, 0, 0, 1]
    assert built.move(present, present) is None  # as fast as it gets


def test_it_is_the_one_that_leaves_the_slower_of_both_fastest():
    # Speeds 4, 2, 1 against 1: with the one of 2 moved, 5 and 3; with the fastest, 3 and 5, as good; with the slowest 6 and 2.
    built = stages(2, [1 / 4, 1 / 2, 1, 1])
    built.of[:] = [0, 0, 0, 1]
    assert built.move(everybody(4), everybody(4)) in (0, 1)
    built = stages(2, [1 / 4, 1 / 2, 1, 1])
    built.of[:] = [0, 0, 0, 1]
    assert built.move(everybody(4), np.array([False, True, True, True])) == 1


def test_nobody_moves_where_that_only_turns_it_round():
    built = stages(2, [1, 1, 1])
    built.of[:] = [0, 0, 1]
    assert built.move(everybody(3), everybody(3)) is None


def test_nobody_moves_who_is_not_free():
    built = stages(2, [1, 1, 1, 1])
    built.of[:] = [0, 0, 0, 1]
    assert built.move(everybody(4), np.zeros(4, bool)) is None


def test_the_slower_direction_of_a_line_says_how_long_a_message_takes():
    world = scenario(3, uplink=100.0, downlink=1000.0)
    np.testing.assert_allclose(message_seconds(world.network, world.network.capacity, 200.0), 2.0)


def test_a_move_takes_its_download():
    world = scenario(3)
    moves = Moves(world, 4000.0)
    moves.begin(1, everybody(3), world.network.capacity, 10.0)
    assert moves.next_landing() == pytest.approx(14.0)
    assert moves.away.tolist() == [False, True, False]
    assert moves.land(13.9) == []
    assert moves.land(14.0) == [1]
    assert not moves.away.any()
    assert moves.next_landing() == np.inf
    np.testing.assert_allclose(moves.carried[3:6], [0, 4000, 0])


def test_the_others_give_it_its_state():
    world = scenario(3, recovery=FromPeers(5))
    moves = Moves(world, 4000.0)
    moves.begin(1, everybody(3), world.network.capacity, 0.0)
    moves.land(100.0)
    np.testing.assert_allclose(moves.carried, [2000, 0, 2000, 0, 4000, 0])


def test_a_move_that_is_given_up_has_moved_what_it_has():
    world = scenario(3, last_mile=0.5)  # 1 s of latency: a request and its answer
    moves = Moves(world, 4000.0)
    moves.begin(1, everybody(3), world.network.capacity, 0.0)
    moves.give_up([0, 1], 2.0)
    np.testing.assert_allclose(moves.carried[3:6], [0, 1000, 0])
    assert moves.land(100.0) == []

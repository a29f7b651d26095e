"""Noise of few seeds: spreads, chances and what cells have in common, worked by hand."""

import math

import numpy as np
import pytest
from scipy import special, stats

from bench.compare.noise import Common, Groups, Spread, _inverse_trigamma, judge, overall
from bench.compare.verdict import ALPHA


def groups(base, new, paired=True):
    return Groups(np.array(base, float), np.array(new, float), paired)


def test_the_spread_of_seeds_is_that_within_each_folder():
    # 1, 2, 3: squares 1 + 0 + 1; 5, 7: 1 + 1. Four squares over 3 + 2 - 2 degrees of freedom.
    spread = groups([1, 2, 3], [5, 7], paired=False).seeds()
    assert (spread.variance, spread.freedom, spread.factor) == (pytest.approx(4 / 3), 3, pytest.approx(1 / 3 + 1 / 2))


def test_the_effect_of_a_seed_cancels_between_equal_seeds():
    # Seeds differ by 10, the differences are 1, 2, 3: variance 1.
    pairs = groups([10, 20, 30], [11, 22, 33]).pairs()
    assert (pairs.variance, pairs.freedom, pairs.factor) == (pytest.approx(1), 2, pytest.approx(1 / 3))
    assert groups([1, 2], [1, 3]).pairs() is None
    assert groups([1, 2, 3], [1, 2, 4], paired=False).pairs() is None


def test_one_cell_has_the_chances_of_students_tests():
    base, new = [0.0, 0.01, 0.03], [0.02, 0.05, 0.04]
    (judged,) = judge([groups(base, new)])
    paired = stats.ttest_rel(new, base, alternative="greater").pvalue
    apart = stats.ttest_ind(new, base, alternative="greater").pvalue
    assert judged.chances == pytest.approx((paired, apart), rel=1e-9)


def test_a_cell_of_one_seed_has_the_pooled_noise_of_the_others():
    # Variances 4e-4 (2 degrees of freedom) and 1e-4 (2): pooled 2.5e-4 with 4; of a difference of two rows, twice that.
    others = [groups([0, 0.02], [0.1, 0.1 + math.sqrt(12e-4)], False), groups([0, 0.01], [0, math.sqrt(3e-4)], False)]
    assert [each.seeds().variance for each in others] == pytest.approx([4e-4, 1e-4])
    *_, lonely = judge([*others, groups([0], [0.1])])
    assert lonely.error.size == pytest.approx(math.sqrt(2 * 2.5e-4))
    assert lonely.chances == pytest.approx((stats.t.sf(0.1 / math.sqrt(5e-4), 4),))


def test_without_two_seeds_anywhere_nothing_is_known_of_noise():
    assert [judged.chances for judged in judge([groups([0], [0.1]), groups([1], [1.2])])] == [(), ()]


def test_what_variances_have_in_common_is_found_again():
    # 4000 cells with 4 degrees of freedom whose own variances are 1e-4 · 6 / chi²(6), as the method takes them to be.
    draws = np.random.default_rng(0)
    own = 1e-4 * 6 / draws.chisquare(6, 4000)
    common = Common.of([Spread(variance, 4, 1.0) for variance in own * draws.chisquare(4, 4000) / 4])
    assert common.variance == pytest.approx(1e-4, rel=0.05)
    assert common.freedom == pytest.approx(6, rel=0.15)


def test_cells_of_equal_noise_are_taken_to_have_one():
    common = Common.of([Spread(1e-4, 4, 1.0)] * 5)
    assert math.isinf(common.freedom)
    error = common.error(Spread(1e-4, 4, 0.5))
    assert error.freedom == 20  # what all five know, not more


@pytest.mark.parametrize("place", [1e-4, 0.3, 1.0, 7.0, 1e4])
def test_the_trigamma_function_is_inverted(place):
    assert _inverse_trigamma(float(special.polygamma(1, place))) == pytest.approx(place, rel=1e-4)


def test_many_cells_say_together_what_none_does_alone():
    # Thirty cells of two seeds, each 3 % slower with a spread of 3 %: alone within 1.4 standard errors, together in 5.
    draws = np.random.default_rng(0).normal(0, 0.03, (2, 30, 2))
    cells = [groups(base, new + 0.03, False) for base, new in zip(*draws, strict=True)]
    judged = judge(cells)
    assert min(min(each.chances) for each in judged) > ALPHA / 30
    assert overall(cells, judged) < ALPHA / 30
    assert overall(cells[:2], judged[:2]) is None

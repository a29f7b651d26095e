"""Each algorithm and each bucket has a look of its own, for all eyes."""

from itertools import combinations

import numpy as np
import pytest

from bench.explain import CONF
from bench.report.figures.palette import BUCKET_COLOURS, BUCKET_HATCHES, LOOKS, colour, look, places
from bench.timeline import BUCKETS

PRESETS = sorted(path.stem for path in (CONF / "algorithm").glob("*.yaml"))
MAIN = ("ddp", "local_sgd", "diloco", "streaming_diloco", "sparse_loco", "async_local_sgd", "noloco", "gossip", "fsdp")

# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def cielab(hexadecimal, eye="normal"):
    """L*, a*, b* of an sRGB colour as an eye sees it, under D65."""
    srgb = np.array([int(hexadecimal[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    x, y, z = XYZ @ np.clip(EYES[eye] @ linear, 0, 1) / [0.95047, 1.0, 1.08883]
    fx, fy, fz = (np.cbrt(t) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def test_the_simulated_eye_sees_what_is_known():
    assert cielab("#FFFFFF") == pytest.approx([100, 0, 0], abs=0.05)
    assert cielab("#FF0000") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)  # sRGB red in every table
    red, green = (cielab(own, "deuteranopia") for own in ("#C00000", "#607000"))
    assert np.linalg.norm(red - green) < 0.5 * np.linalg.norm(cielab("#C00000") - cielab("#607000"))


def test_every_preset_has_a_look_and_no_other_has_one():
    assert sorted(LOOKS) == PRESETS


@pytest.mark.parametrize("told_by", [lambda own: own.colour, lambda own: (own.dash, own.marker), lambda own: own.hatch])
def test_no_two_presets_have_one_colour_or_one_dash_and_marker_or_one_hatch(told_by):
    assert len({told_by(own) for own in LOOKS.values()}) == len(LOOKS)


@pytest.mark.parametrize("eye", EYES)
def test_the_main_algorithms_colours_are_told_apart_by_all_eyes(eye):
    seen = {name: cielab(LOOKS[name].colour, eye) for name in MAIN}
    nearest = min(combinations(MAIN, 2), key=lambda pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]))
    # Okabe & Ito's own eight come as near as 18: orange and vermilion, to a deuteranope.
    assert np.linalg.norm(seen[nearest[0]] - seen[nearest[1]]) > 20, nearest


def test_in_grey_the_main_algorithms_differ_in_lightness_and_all_are_seen_on_white():
    lightness = sorted(cielab(LOOKS[name].colour)[0] for name in MAIN)
    assert min(np.diff(lightness)) > 4.5
    assert max(cielab(own.colour)[0] for own in LOOKS.values()) < 75


def test_a_look_does_not_depend_on_which_others_there_are():
    assert places(["diloco"])["diloco"] == places(["a", "ddp", "diloco", "zz"])["diloco"]
    assert places(["mine"])["mine"] == places(["a", "mine", "zz"])["mine"]
    assert colour(places(["diloco"])["diloco"]) == look("diloco").colour == LOOKS["diloco"].colour
    assert colour(places(["mine"])["mine"]) == look("mine").colour


def test_an_algorithm_of_ones_own_never_looks_like_a_preset():
    others = {look(f"mine_{number}") for number in range(1000)}
    assert len(others) == 56  # 7 colours of 8 markers
    assert not {own.colour for own in others} & {own.colour for own in LOOKS.values()}
    assert {own.dash for own in others} == {":"}
    assert ":" not in {own.dash for own in LOOKS.values()}


def test_every_bucket_has_a_colour_and_those_without_a_hatch_differ_in_lightness():
    assert tuple(BUCKET_COLOURS) == tuple(BUCKET_HATCHES) == BUCKETS
    hatched = [hatch for hatch in BUCKET_HATCHES.values() if hatch]
    assert len(set(hatched)) == len(hatched)
    compute, down = (cielab(BUCKET_COLOURS[name])[0] for name, hatch in BUCKET_HATCHES.items() if not hatch)
    assert compute - down > 20

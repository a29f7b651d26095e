"""What commands of rows set."""

import pytest
from seeded_rows import seeded

from bench.record.command import but_for_seed, overrides, repeating, setting_of, without_seed
from bench.report.figures.seeds import variants
from bench.report.frame import compared
from bench.report.groups import groups


def test_the_words_behind_the_program_are_overrides():
    assert overrides("python -m bench +sweep=a 'network.uplink=1 Mbit/s'") == ["+sweep=a", "network.uplink=1 Mbit/s"]
    assert setting_of("+devices.mix.t4=0.5") == "devices.mix.t4"
    with pytest.raises(ValueError, match="quotation"):
        overrides("python -m bench 'a")


def test_rows_that_are_equal_but_for_their_seed_say_so_in_the_same_words():
    # The second of two sweeps found the first one's seed, and made another: by its own name, and by hand a third.
    conf = {"conf": {"workers": 8, "seed": 0}}
    rows = [
        seeded("home", "ddp", 0, sets="+sweep=first") | conf,
        seeded("home", "ddp", 1, sets="+sweep=the_second") | {"conf": {"workers": 8, "seed": 1}},
        seeded("home", "ddp", 2, sets="workers=8 codec=none") | {"conf": {"workers": 8, "seed": 2}},
        seeded("home", "ddp", 0, sets="workers=9") | {"conf": {"workers": 9, "seed": 0}},
        seeded("far", "ddp", 0, sets="+sweep=the_second") | conf,
    ]
    assert len({but_for_seed(row) for row in rows[:3]}) == 1 and but_for_seed(rows[3]) != but_for_seed(rows[0])
    words = [" ".join(text) for text in without_seed(rows)]
    assert words == [*["scenario=home algorithm=ddp +sweep=first"] * 3, *words[3:]]
    assert "workers=9" in words[3] and "+sweep=the_second" in words[4]
    frame = compared(rows[:4])
    assert sorted(len(group.rows) for group in groups(frame)) == [1, 3]
    assert sorted(len(variant.rows) for variant in variants(frame)) == [1, 3]


def test_a_command_repeats_what_is_no_path_and_no_place():
    texts = ["scenario=home", "network.uplink=1\\ Mbit/s", "data@of=x", "+sweep=a", "results=/tmp/x", "~json", "threads=2"]
    assert repeating(texts, ("sweep", "results", "json", "threads", "data")) == ["scenario=home", "network.uplink=1 Mbit/s"]

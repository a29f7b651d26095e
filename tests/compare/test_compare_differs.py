"""What was changed: rows paired with their nearest, leaf by leaf; versions; what only one folder has."""

from folders import folder, row

from bench.compare.differs import changed, differences, said


def test_a_changed_setting_is_told_leaf_by_leaf():
    apart = differences(folder([row()]), folder([row(uplink="10 Mbit/s")]))
    (pair,) = apart.pairs
    assert [said(*item) for item in pair.changed.items()] == ["network.uplink: 30 Mbit/s → 10 Mbit/s"]
    assert (apart.only_base, apart.only_new, apart.shared) == ((), (), 0)


def test_the_nearest_row_is_chosen_and_the_other_is_only_in_its_folder():
    near = row(uplink="10 Mbit/s")
    far = row(uplink="9 Mbit/s")
    far["conf"]["network"]["tiers"][0]["size"] = 4
    apart = differences(folder([row()]), folder([far, near]))
    assert [(pair.base["key"], pair.new["key"]) for pair in apart.pairs] == [("a30s0", "a10s0")]
    assert [each["key"] for each in apart.only_new] == ["a9s0"]


def test_of_two_that_are_as_near_none_is_chosen():
    apart = differences(folder([row()]), folder([row(uplink="10 Mbit/s"), row(uplink="9 Mbit/s")]))
    assert apart.pairs == ()
    assert [len(apart.only_base), len(apart.only_new)] == [1, 2]


def test_other_presets_workers_and_seeds_are_other_rows():
    for change in ({"scenario": "h100_cluster"}, {"workers": 9}, {"aggregator": "krum"}, {"codec": "int8"}):
        other = row(uplink="10 Mbit/s", **change)
        assert differences(folder([row()]), folder([other])).pairs == ()
    assert differences(folder([row()]), folder([row(seed=1)])).pairs == ()


def test_a_row_that_both_have_is_nobodys_pair():
    apart = differences(folder([row()]), folder([row(), row(uplink="10 Mbit/s")]))
    assert (apart.pairs, apart.shared, [each["key"] for each in apart.only_new]) == ((), 1, ["a10s0"])


def test_other_text_and_leaves_that_one_lacks_are_told():
    other = row(data_digest="e")
    other["conf"]["network"]["loss"] = 0.1
    assert changed(row(), other) == {"data_digest": ("d", "e"), "network.loss": (None, 0.1)}
    assert said("network.loss", (None, 0.1)) == "network.loss: - → 0.1"


def test_versions_that_differ_are_told():
    new = row(versions={"farbench": "0.2.0", "torch": "2.13.0"})
    assert differences(folder([row()]), folder([new])).versions == {"farbench": ("0.1.0", "0.2.0")}
    both = differences(folder([row(), row(seed=1, versions=new["versions"])]), folder([row()])).versions
    assert both == {"farbench": ("0.1.0, 0.2.0", "0.1.0")}


def test_rows_are_identical_whatever_took_them_how_long_and_with_what():
    base = [row(seed=seed) for seed in range(3)]
    new = [row(wall_seconds=9.0, versions={}), row(seed=1, rate=1000.0000001), row(seed=2)]
    apart = differences(folder(base), folder(new))
    assert (apart.identical, apart.shared) == (2, 3)

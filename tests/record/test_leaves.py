"""Nested settings as dotted leaves."""

from bench.record.leaves import leaves


def test_leaves_have_dotted_names():
    conf = {"steps": 4, "network": {"uplink": "30 Mbit/s", "tiers": [{"size": 8}, {"size": 2}]}}
    assert leaves(conf) == {"steps": 4, "network.uplink": "30 Mbit/s", "network.tiers.0.size": 8, "network.tiers.1.size": 2}
    assert leaves(conf, "conf")["conf.network.tiers.1.size"] == 2


def test_lists_of_values_and_what_is_empty_are_one_leaf():
    conf = {"counts": [[0, 1], [2, 3]], "none": None, "tiers": [], "more": {}, "mixed": [{"a": 1}, 2]}
    assert leaves(conf) == {"counts": "[[0, 1], [2, 3]]", "none": None, "tiers": "[]", "more": "{}", "mixed": '[{"a": 1}, 2]'}

"""Objects from conf: quantities parsed, types checked, and every error named by its field."""

from dataclasses import dataclass

import pytest

from bench.build import build
from bench.errors import ConfError
from bench.units import Bytes, Rate, Seconds


@dataclass(kw_only=True)
class Link:
    """A made-up component with an argument of every kind."""

    rate: Rate
    delay: Seconds | None = None
    buffers: Bytes | list[Bytes] = 0.0
    hops: int = 1
    loss: float = 0.0
    duplex: bool = True
    name: str = "link"

    def __post_init__(self) -> None:
        if self.hops < 1:
            raise ValueError(f"hops must be >= 1, got {self.hops}")


def link(**conf) -> Link:
    return build({"rate": "8 Mbit/s"} | conf, "network", Link)


def test_an_argument_with_a_dimension_is_parsed():
    made = link(delay="25 ms", buffers=["1 kB", "2 kB"])
    assert (made.rate, made.delay, made.buffers) == (1e6, 0.025, [1000.0, 2000.0])


def test_an_argument_of_a_plain_type_is_handed_on():
    made = link(hops=3, loss=1, duplex=False, name="x")
    assert (made.hops, made.loss, made.duplex, made.name) == (3, 1, False, "x")


def test_null_is_for_optional_arguments_only():
    assert link(delay=None).delay is None
    with pytest.raises(ConfError, match=r"^network\.hops must be given, got null$"):
        link(hops=None)
    with pytest.raises(ConfError, match=r"^network\.rate must be given, got null$"):
        link(rate=None)


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("hops", "3", "a whole number, got '3'"),
        ("hops", 3.0, "a whole number, got 3.0"),
        ("hops", True, "a whole number, got True"),
        ("loss", "0.1", "a number, got '0.1'"),
        ("loss", False, "a number, got False"),
        ("duplex", 1, "true or false, got 1"),
        ("name", 5, "a text, got 5"),
    ],
)
def test_a_wrong_type_is_refused_with_field_rule_and_value(setting, value, rule):
    with pytest.raises(ConfError) as caught:
        link(**{setting: value})
    assert str(caught.value) == f"network.{setting} must be {rule}"


def test_a_bad_quantity_is_refused_with_its_field():
    with pytest.raises(ConfError, match=r"^network\.rate must be a data rate with its unit, such as '100 Mbit/s', got 100$"):
        link(rate=100)


def test_an_unknown_setting_names_the_near_one():
    with pytest.raises(ConfError, match=r"^network\.hop is not a setting of network; did you mean 'hops'\?$"):
        link(hop=2)


def test_a_missing_setting_is_named():
    with pytest.raises(ConfError, match=r"^network\.rate is missing$"):
        build({}, "network", Link)


def test_a_rule_of_the_constructor_gets_the_fields_whole_name():
    with pytest.raises(ConfError, match=r"^network\.hops must be >= 1, got 0$") as caught:
        link(hops=0)
    assert isinstance(caught.value.__cause__, ValueError)


def test_given_arguments_are_not_settings():
    assert build({"rate": "8 bit/s"}, "network", Link, hops=4).hops == 4
    with pytest.raises(ConfError, match=r"^network\.hops is not a setting of network"):
        build({"rate": "8 bit/s", "hops": 2}, "network", Link, hops=4)


def test_a_function_is_built_like_a_class():
    def twice(length: Seconds) -> float:
        return 2 * length

    assert build({"length": "3 ms"}, "churn", twice) == 0.006


def test_the_target_names_what_is_built():
    device = build({"_target_": "bench.participation.Deadline", "after": "2 min"}, "participation")
    assert (type(device).__name__, device.after) == ("Deadline", 120.0)


def test_a_missing_target_is_named():
    with pytest.raises(ConfError, match=r"^algorithm\._target_ is missing"):
        build({"sync_every": 5}, "algorithm")


@pytest.mark.parametrize("target", ["DiLoCo", "bench.algorithm.nowhere.X", "bench.algorithm.diloco.Dilco", "", 5])
def test_a_target_that_cannot_be_imported_is_named(target):
    with pytest.raises(ConfError, match=r"^algorithm\._target_ must name a class that can be imported, got "):
        build({"_target_": target}, "algorithm")


@pytest.mark.parametrize("conf", [None, "diloco", 5, ["a"]])
def test_a_node_that_holds_no_settings_is_refused(conf):
    with pytest.raises(ConfError, match="^algorithm must hold settings, got "):
        build(conf, "algorithm")


@pytest.mark.parametrize("target", [".diloco.X", "bench.algorithm", "bench.record.SCHEMA"])
def test_a_target_that_is_no_class_is_named(target):
    with pytest.raises(ConfError, match=r"^algorithm\._target_ must name a class that can be imported, got "):
        build({"_target_": target}, "algorithm")

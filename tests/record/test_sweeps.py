"""The file of a sweep: which rows it has, in their order."""

import json

import pytest

from bench.errors import RecordError
from bench.record.sweeps import Swept, sweeps_of

KEYS = ("0" * 32, "a" * 32)


def test_a_sweep_comes_back_as_it_was(tmp_path):
    plain = Swept(name="plain", keys=KEYS)
    other = Swept(name="other", keys=KEYS[::-1], matrix={"rows": "adversary", "columns": "aggregator"}, target_loss=2.5)
    assert [swept.write(tmp_path).name for swept in (plain, other)] == ["plain.json", "other.json"]
    assert sweeps_of(tmp_path) == ([other, plain], [])


def test_a_sweep_takes_the_place_of_the_last_one_of_its_name(tmp_path):
    Swept(name="last_sweep", keys=KEYS).write(tmp_path)
    Swept(name="last_sweep", keys=KEYS[:1]).write(tmp_path)
    [found], _ = sweeps_of(tmp_path)
    assert found.keys == KEYS[:1]


@pytest.mark.parametrize(
    "change",
    [
        {"keys": ["../../etc/passwd"]},
        {"keys": "0" * 32},
        {"name": "another"},
        {"matrix": 3},
        {"target_loss": "2"},
        {"more": 1},
    ],
)
def test_a_file_that_is_no_sweep_of_ours_is_named_and_left_out(tmp_path, change):
    path = Swept(name="one", keys=KEYS).write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError):
        Swept.read(path)
    found, [line] = sweeps_of(tmp_path)
    assert not found
    assert line.startswith(f"{path} is not a sweep of ours")


def test_half_a_file_is_named_and_left_out(tmp_path):
    path = Swept(name="one", keys=KEYS).write(tmp_path)
    path.write_text(path.read_text()[:30])
    assert sweeps_of(tmp_path)[1][0].startswith(f"{path} is not a readable sweep")

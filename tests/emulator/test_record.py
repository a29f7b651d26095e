"""Emulations on record."""

import json

import pytest

from bench.emulator.record import FIELDS, SCHEMA, in_order, read_record, read_records, record_key, record_path, write_record
from bench.errors import RecordError


def record(key="a", **others):
    return dict.fromkeys(FIELDS) | {"schema": SCHEMA, "key": key, "measurements": [{"seconds": 0.1}]} | others


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = write_record(tmp_path, record(names={"algorithm": "ddp"}))
    assert path == record_path(tmp_path, "a") == tmp_path / "emulations" / "a.json"
    assert read_record(path) == record(names={"algorithm": "ddp"})


def test_an_unknown_number_is_null(tmp_path):
    path = write_record(tmp_path, record(measurements=[{"sent": [float("nan"), 1.0]}]))
    assert read_record(path)["measurements"] == [{"sent": [None, 1.0]}]


def test_a_record_is_replaced_and_nothing_else_is_left(tmp_path):
    write_record(tmp_path, record(seed=0))
    path = write_record(tmp_path, record(seed=1))
    assert read_record(path)["seed"] == 1
    assert list(path.parent.iterdir()) == [path]


def test_what_lacks_a_field_is_not_written(tmp_path):
    incomplete = record()
    del incomplete["links"]
    with pytest.raises(AssertionError, match="links"):
        write_record(tmp_path, incomplete)
    assert not record_path(tmp_path, "a").exists()


def test_a_half_written_record_is_none(tmp_path):
    path = write_record(tmp_path, record())
    path.write_text(path.read_text()[:-20])
    with pytest.raises(RecordError, match=rf"^{path} is not a readable emulation: "):
        read_record(path)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(record(schema=SCHEMA + 1)),
        json.dumps({name: value for name, value in record().items() if name != "status"}),
        json.dumps(record(more=1)),
        "[]",
        "null",
    ],
    ids=["other schema", "a field less", "a field more", "a list", "nothing"],
)
def test_what_is_no_whole_record_of_this_schema_is_none(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=rf"^{path} is not a whole emulation of schema {SCHEMA}$"):
        read_record(path)


def test_bytes_that_are_no_text_are_no_record(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(RecordError, match="is not a readable emulation"):
        read_record(path)


def test_all_records_are_read_but_those_that_are_broken(tmp_path):
    assert read_records(tmp_path) == ([], [])
    write_record(tmp_path, record("b"))
    write_record(tmp_path, record("a"))
    broken = record_path(tmp_path, "c")
    broken.write_text("{")
    (broken.parent / "d.broken").write_text("{")  # was set aside: no record any more
    found, lines = read_records(tmp_path)
    assert [one["key"] for one in found] == ["a", "b"]
    [line] = lines
    assert line.startswith(f"{broken} is not a readable emulation")


def key(links="shaped", emulate=None, **settings):
    asked = {"step": "50 ms", "repeats": 3, "links": "auto"} | (emulate or {})
    return record_key({"workers": 4} | settings, {"algorithm": "ddp"}, asked, links)


def test_how_often_and_by_what_word_it_is_asked_for_makes_no_other_record():
    assert key() == key(emulate={"repeats": 9}) == key(emulate={"links": "shaped"})


def test_what_changes_the_figures_makes_another_record():
    assert len({key(), key(links="throttled"), key(emulate={"step": "measured"}), key(workers=5)}) == 4


def test_records_are_ordered_by_algorithm_workers_and_command():
    rows = [("b", 2, "x"), ("a", 16, "x"), ("a", 4, "y"), ("a", 4, "x")]
    records = [{"names": {"algorithm": name}, "workers": workers, "command": text} for name, workers, text in rows]
    assert in_order(records) == [records[3], records[2], records[1], records[0]]

"""The store: rows and curves are whole or not there, and one launcher at a time is at work on a name."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.errors import RecordError
from bench.record import SCHEMA, Store, blank_row
from bench.record.store import read_row, write_whole

ROOT = Path(__file__).resolve().parents[2]
KEY = "0123456789abcdef"


def row(**changes) -> dict:
    """A row with every column; numbers that are not given are unknown."""
    return (
        blank_row()
        | {"key": KEY, "status": "done", "reason": "", "command": "python -m bench"}
        | {"ledger": {"compute": 0.75, "down": 0.25}, "curve": {"steps": [0], "virtual_seconds": [0.0], "loss": [5.5]}}
        | changes
    )


def test_a_row_comes_back_as_it_was_with_its_unknown_numbers(tmp_path):
    store, written = Store(tmp_path), row(final_loss=0.1 + 0.2, tokens=10**15)
    path = store.write(written)
    assert path == tmp_path / "runs" / f"{KEY}.json"
    found = store.read(KEY)
    unknown = {name for name, value in written.items() if isinstance(value, float) and math.isnan(value)}
    assert len(unknown) > 5
    assert all(math.isnan(found[name]) for name in unknown)
    assert {name: found[name] for name in found.keys() - unknown} == {name: written[name] for name in written.keys() - unknown}


def test_a_file_of_a_row_is_strict_json_also_where_numbers_are_unknown_deep_down(tmp_path):
    path = Store(tmp_path).write(row(curve={"steps": [0, 20], "virtual_seconds": [0.0, 1.0], "loss": [5.5, math.nan]}))

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    assert json.loads(path.read_text(), parse_constant=refuse)["curve"]["loss"] == [5.5, None]


def test_a_row_that_is_not_there_is_none(tmp_path):
    assert Store(tmp_path).read(KEY) is None


def test_a_newer_row_replaces_the_older(tmp_path):
    store = Store(tmp_path)
    store.write(row(seed=1))
    store.write(row(seed=2))
    assert store.read(KEY)["seed"] == 2
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [f"{KEY}.json"]


WHOLE = json.dumps(row(), allow_nan=True).replace("NaN", "null")


@pytest.mark.parametrize(
    "text",
    [
        "",
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:-1],
        "not json",
        "[]",
        "null",
        WHOLE.replace(f'"schema": {SCHEMA}', '"schema": 999'),
        WHOLE.replace(f'"schema": {SCHEMA},', ""),
        WHOLE.replace('"seed": null, ', ""),
        WHOLE.replace('"seed"', '"sed"'),
        WHOLE.replace('"done"', '"doen"'),
        b"\xff\xfe\x00",
    ],
    ids=[
        *("empty", "half", "truncated", "no_json", "list", "null", "other_schema", "no_schema", "no_column", "other_column"),
        *("status", "bytes"),
    ],
)
def test_a_broken_row_is_an_error_that_names_the_file(text, tmp_path):
    store = Store(tmp_path)
    assert read_row(store.write(row()))["key"] == KEY  # the same row, unbroken, is read
    store.row_path(KEY).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecordError) as caught:
        store.read(KEY)
    assert str(store.row_path(KEY)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_in_a_file_of_another_name_is_named_and_not_read(tmp_path):
    """A copy would count twice, and the printed key would lead nowhere."""
    path = Store(tmp_path).write(row())
    copy = path.with_name("copy.json")
    copy.write_text(path.read_text())
    with pytest.raises(RecordError, match=rf"copy\.json is not named after its row, whose key is '{KEY}'"):
        read_row(copy)


def test_a_row_that_vanished_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(RecordError, match=r"gone\.json"):
        read_row(tmp_path / "gone.json")


def test_setting_a_row_aside_keeps_its_text(tmp_path):
    store = Store(tmp_path)
    store.row_path(KEY).write_text("half a ro")
    kept = store.set_aside(KEY)
    assert kept.read_text() == "half a ro"
    assert kept.suffix != ".json"  # no report takes it for a row
    assert store.read(KEY) is None


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(call, tmp_path, monkeypatch):
    path = tmp_path / "table.md"
    write_whole(path, "old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(RecordError, match=r"cannot write .*table\.md: No space left on device"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_written_whole_as_text_and_as_bytes(tmp_path):
    for content in ("µs and €", b"\x89PNG"):
        write_whole(tmp_path / "deep" / "down", content)
        assert (tmp_path / "deep" / "down").read_bytes() == (content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("folder", ["file/below", "/proc/farbench"])
def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="results must be a folder that can be written, got '.*(file/below|/proc/farbench)'"):
        Store(tmp_path / folder)


def test_every_bit_of_a_loss_survives(tmp_path):
    store = Store(tmp_path)
    rng = np.random.default_rng(0)
    losses = [
        0.1 + 0.2,
        5e-324,
        1.7976931348623157e308,
        1 / 3,
        math.nextafter(1, 2),
        -0.0,
        math.inf,
        *map(float, rng.normal(size=200)),
    ]
    steps = list(range(len(losses)))
    store.write_curve("c", steps, losses)
    found = store.read_curve("c")
    assert found[0] == steps
    assert np.array(found[1]).tobytes() == np.array(losses).tobytes()


def test_a_loss_that_is_no_number_survives(tmp_path):
    Store(tmp_path).write_curve("c", [0, 20], [5.5, math.nan])
    steps, losses = Store(tmp_path).read_curve("c")
    assert (steps, losses[0], math.isnan(losses[1])) == ([0, 20], 5.5, True)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"steps,loss\n", b"loss,steps\n0,5.5\n", b"steps,loss\n0,abc\n", b"steps,loss\n0,5.5\n20\n"),
        *(b"steps,loss\n0,5.5,1\n", b"steps,loss\n0.5,5.5\n", b"\xff\xfe"),
    ],
)
def test_a_broken_curve_is_told_from_none(text, tmp_path):
    store = Store(tmp_path)
    store.write_curve("c", [0], [5.5])
    assert store.read_curve("c") == ([0], [5.5])
    (tmp_path / "curves" / "c.csv").write_bytes(text)
    with pytest.raises(RecordError, match="c.csv is damaged"):
        store.read_curve("c")
    assert store.read_curve("never_trained") is None


@pytest.mark.parametrize("lost", [1, 2, 5, 12])
def test_half_a_curve_does_not_pass_for_a_short_training(lost, tmp_path):
    store = Store(tmp_path)
    store.write_curve("c", [0, 20], [5.5, 3.25])
    path = tmp_path / "curves" / "c.csv"
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(RecordError, match="c.csv is damaged"):
        store.read_curve("c")


@pytest.mark.parametrize(
    "changes",
    [{"curve": None}, {"curve": {}}, {"ledger": []}, {"tokens_per_second": "fast"}, {"conf": None}, {"seed": True}],
)
def test_a_row_with_something_else_in_a_column_is_no_row_of_ours(changes, tmp_path):
    path = Store(tmp_path).row_path(KEY)
    path.write_text(json.dumps(json.loads(WHOLE) | changes))
    with pytest.raises(RecordError, match="is not a row of ours"):
        read_row(path)


def launcher(folder, then="") -> subprocess.Popen:
    """Another process that says 'waiting', claims the name, says 'claimed', and then does something."""
    code = f"from bench.record import Store\ns = Store({str(folder)!r})\nprint('waiting', flush=True)\n"
    code += f"with s.claim('x'):\n    print('claimed', flush=True)\n    {then}"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_launcher_waits_for_the_first(tmp_path):
    with Store(tmp_path).claim("x"):
        other = launcher(tmp_path)
        assert other.stdout.readline() == "waiting\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)  # it has nothing left to do but to claim, and yet it does not end
    with other:
        assert other.stdout.readline() == "claimed\n"
        assert other.wait(20) == 0


def test_a_claim_that_was_held_by_a_killed_launcher_is_free(tmp_path):
    with launcher(tmp_path, "input()") as killed:
        assert killed.stdout.readline() + killed.stdout.readline() == "waiting\nclaimed\n"
        with launcher(tmp_path) as other:
            assert other.stdout.readline() == "waiting\n"
            with pytest.raises(subprocess.TimeoutExpired):
                other.wait(0.3)
            killed.kill()
            assert other.stdout.readline() == "claimed\n"
            assert other.wait(20) == 0


def test_names_are_claimed_apart(tmp_path):
    store = Store(tmp_path)
    with store.claim("one"), store.claim("two"):
        pass


def test_a_claim_is_free_again_after_an_error_inside(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.claim("x"):
        raise ZeroDivisionError
    with launcher(tmp_path) as other:
        assert other.wait(20) == 0


def test_a_claim_that_cannot_be_made_is_an_error(tmp_path):
    store = Store(tmp_path)
    (tmp_path / ".locks").rmdir()
    (tmp_path / ".locks").write_text("in the way")
    with pytest.raises(RecordError, match="cannot lock x in "), store.claim("x"):
        pass


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_row_that_contains_a_number_that_json_does_not_have_is_named(tmp_path, constant):
    path = Store(tmp_path).write(row(tokens=10))
    path.write_text(path.read_text().replace('"tokens": 10', f'"tokens": {constant}'))
    with pytest.raises(RecordError, match=rf"{path} is not a readable row: it contains {constant}"):
        read_row(path)

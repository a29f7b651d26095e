"""The words on the probe's command line, and what is said of those that are wrong."""

from pathlib import Path

import pytest

from bench.errors import ConfError
from bench.probe.__main__ import main
from bench.probe.settings import HELP, Settings, read


def test_a_name_is_all_that_must_be_given():
    assert read(["name=my_lab"]) == Settings(name="my_lab", out=Path("my_conf"), model="nano", seconds=20.0)


def test_every_setting_is_read():
    words = ["name=b", "out=there", "model=small", "threads=3", "seconds=1.5", "overwrite=true", "json=true"]
    made = Settings(name="b", out=Path("there"), model="small", threads=3, seconds=1.5, overwrite=True, json=True)
    assert read(words) == made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name must be given, such as name=my_lab"),
        (["my_lab"], "'my_lab' cannot be read; write SETTING=VALUE, or --help"),
        (["name=a", "secons=3"], "secons is not a setting of the probe; did you mean 'seconds'?"),
        (["name=a", "name=b"], "name must be given once, got 'a' and 'b'"),
        (["name=My Lab"], "name must be a small letter, then small letters, digits and _, got 'My Lab'"),
        (["name=../up"], "name must be a small letter, then small letters, digits and _, got '../up'"),
        (["name=home"], "name must not be that of a preset which Farbench has in network, got 'home'"),
        (["name=h100_sxm"], "name must not be that of a device of the catalogue, got 'h100_sxm'"),
        (["name=a", "model=nanno"], "model must be one of its presets, got 'nanno'; did you mean 'nano'?"),
        (["name=a", "seconds=0"], "seconds must be > 0 and finite, got 0"),
        (["name=a", "seconds=nan"], "seconds must be > 0 and finite, got nan"),
        (["name=a", "seconds=long"], "seconds must be a number, got 'long'"),
        (["name=a", "threads=0"], "threads must be auto or >= 1, got 0"),
        (["name=a", "threads=1.5"], "threads must be auto or a whole number, got '1.5'"),
        (["name=a", "json=yes"], "json must be true or false, got 'yes'"),
        (["name=a", "out="], "out must be the name of a folder, got nothing"),
    ],
)
def test_a_slip_is_told_in_one_line_and_ends_with_1(words, message, capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfError) as caught:
        read(words)
    assert str(caught.value) == message
    assert main(words) == 1
    assert capsys.readouterr().err == f"farbench: {message}\n"


def test_only_the_first_rank_tells_of_a_slip(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert main(["nothing"]) == 1
    assert capsys.readouterr().err == ""


def test_the_help_names_every_setting(capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert main(["name=a", "--help"]) == 0
    assert capsys.readouterr().out == f"{HELP}\n"
    assert all(f"  {field}=" in HELP for field in Settings.__dataclass_fields__)

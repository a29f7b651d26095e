"""CSV files that conf names: what they say is read as if it stood in conf, and every slip is told."""

import pytest

from bench.build import build
from bench.errors import ConfError
from bench.network import Topology
from bench.network.tables import with_tables, with_trace


@pytest.fixture
def file(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_a_matrix_is_read_with_its_regions(file):
    path = file("rate, here , there\nhere, unlimited, 1 Gbit/s\nthere, 2 Gbit/s, unlimited\n\n , , \n")
    conf = with_tables({"region_rate": path, "uplink": "1 Mbit/s"})
    assert conf == {
        "regions": ["here", "there"],
        "region_rate": [["unlimited", "1 Gbit/s"], ["2 Gbit/s", "unlimited"]],
        "uplink": "1 Mbit/s",
    }


def test_a_matrix_is_the_same_in_a_file_and_in_conf(file):
    path = file(",a,b\na,0 ms,11 ms\nb,12 ms,0 ms\n")
    home = {"uplink": "1 Mbit/s", "downlink": "1 Mbit/s", "last_mile": "1 ms"}
    written = home | {"regions": ["a", "b"], "region_latency": [["0 ms", "11 ms"], ["12 ms", "0 ms"]]}
    assert build(with_tables(home | {"region_latency": path}), "network", Topology) == build(written, "network", Topology)


def test_empty_cells_are_those_across_the_diagonal(file):
    below = with_tables({"region_latency": file(",a,b,c\na,0 ms,1 ms,2 ms\nb,,0 ms,3 ms\nc,,,0 ms\n")})
    above = with_tables({"region_latency": file(",a,b,c\na,0 ms,,\nb,1 ms,0 ms,\nc,2 ms,3 ms,0 ms\n")})
    full = [["0 ms", "1 ms", "2 ms"], ["1 ms", "0 ms", "3 ms"], ["2 ms", "3 ms", "0 ms"]]
    assert below["region_latency"] == above["region_latency"] == full


def test_two_files_and_the_conf_must_agree_on_their_regions(file):
    first, second = file(",a,b\na,0 ms,1 ms\nb,,0 ms\n", "first.csv"), file(",b,a\nb,1 B/s,2 B/s\na,,1 B/s\n", "second.csv")
    with pytest.raises(
        ConfError, match=r"^network.connection_rate: .*second.csv must have the regions \['a', 'b'\], got \['b', 'a'\]$"
    ):
        with_tables({"region_latency": first, "connection_rate": second})
    with pytest.raises(
        ConfError, match=r"^network.region_latency: .*first.csv must have the regions \['x'\], got \['a', 'b'\]$"
    ):
        with_tables({"region_latency": first, "regions": ["x"]})
    with pytest.raises(ConfError, match="must have the regions 5, got"):
        with_tables({"region_latency": first, "regions": 5})
    assert with_tables({"region_latency": first, "regions": ["a", "b"]})["regions"] == ["a", "b"]


def test_what_names_no_file_is_left_alone():
    conf = {"region_latency": [["0 ms"]], "connection_rate": "5 Gbit/s", "region_rate": None}
    assert with_tables(conf) == conf
    assert with_trace({"trace": [[0, 1.0]], "period": "1 h"}) == {"trace": [[0, 1.0]], "period": "1 h"}
    assert with_trace({"sigma": 0.1}) == {"sigma": 0.1}


def test_a_trace_is_read_as_numbers(file):
    path = file("seconds, factor\n0,1\n3600,0.5\n")
    assert with_trace({"trace": path, "period": "24 h"}) == {"trace": [[0.0, 1.0], [3600.0, 0.5]], "period": "24 h"}


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_name(file):
    assert with_trace({"trace": file(b"\xef\xbb\xbfseconds,factor\r\n0,1\r\n")})["trace"] == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have a header and rows"),
        (",a,b\n", "must have a header and rows"),
        (",a,b\na,0 ms,1 ms\n", "must have the same names in its first row and its first column"),
        (",a,b\nb,0 ms,1 ms\na,1 ms,0 ms\n", "must have the same names in its first row and its first column"),
        (",a,b\na,0 ms\nb,1 ms,0 ms\n", "row 2 must have 3 cells as the first, got 2"),
        (",a,b\na,0 ms,1 ms\nb,1 ms,0 ms,9\n", "row 3 must have 3 cells as the first, got 4"),
        (",a,b\na,0 ms,\nb,,0 ms\n", "must say something for a and b"),
        (",a,b\na,,1 ms\nb,1 ms,0 ms\n", "must say something for a and a"),
        (b"\xff\xfe,a\n", "cannot be read: 'utf-8' codec can't decode"),
    ],
)
def test_a_bad_matrix_is_told_with_its_field_and_file(file, text, message):
    path = file(text)
    with pytest.raises(ConfError) as caught:
        with_tables({"region_latency": path})
    assert str(caught.value).startswith(f"network.region_latency: {path} {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seconds,factor\n", "must have a header and rows"),
        ("time,factor\n0,1\n", "must have the columns seconds,factor, got time,factor"),
        ("factor,seconds\n1,0\n", "must have the columns seconds,factor, got factor,seconds"),
        ("seconds,factor\n0,1\n5\n", "row 3 must have 2 cells as the first, got 1"),
        ("seconds,factor\n0,fast\n", "must hold numbers: could not convert string to float: 'fast'"),
        ("seconds,factor\n0,\n", "must hold numbers: could not convert string to float: ''"),
    ],
)
def test_a_bad_trace_is_told_with_its_field_and_file(file, text, message):
    path = file(text)
    with pytest.raises(ConfError) as caught:
        with_trace({"trace": path})
    assert str(caught.value) == f"variation.trace: {path} {message}"


def test_a_file_that_is_not_there_is_told(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        named = str(path) if path.suffix else str(path / "folder.csv")
        if not path.suffix:
            (path / "folder.csv").mkdir()
        with pytest.raises(ConfError, match=r"^network.region_rate: .* cannot be read: (No such file|Is a directory)"):
            with_tables({"region_rate": named})

"""The page as a file: what is in it, what is left out by name, and that nothing in it is fetched or of this machine."""

import json
import re
from html.parser import HTMLParser

import pytest
from pages import embedded, page_row, write_rows

from bench.errors import RecordError
from bench.record.sweeps import Swept
from bench.report.page import write_page
from bench.report.page.drawings import inline

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt" viewBox="0 0 9 9">{}</svg>'
)
VOID = {"meta", "input", "br"}


class Balanced(HTMLParser):
    """Every element that begins ends, in order; keeps the attributes of all."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(path) -> Balanced:
    parser = Balanced()
    parser.feed(path.read_text())
    parser.close()
    assert parser.open == []
    return parser


def test_a_page_is_html_in_which_every_element_ends(tmp_path):
    folder = write_rows(tmp_path / "some", [page_row("a" * 32)])
    (folder / "tables").mkdir()
    (folder / "tables" / "t.md").write_text("| a | b |\n| --- | ---: |\n| x | 1 |\n\n- note\n<details><summary>s</summary>\n")
    (folder / "figures").mkdir()
    (folder / "figures" / "t_loss.svg").write_text(SVG.format('<g id="g"><title>tip</title></g>'))
    [page] = write_page(folder / "index.html", [folder])
    tags = [tag for tag, _ in parsed(page).seen]
    assert tags.count("table") == 2  # the rows, and t.md
    assert tags.count("figure") == 1


def test_equal_folders_give_equal_pages_and_the_page_names_no_place_of_this_machine(tmp_path):
    rows = [page_row(f"{number:032x}", seed=number) for number in range(3)]
    pages = []
    for place in ("one", "two"):
        folder = write_rows(tmp_path / place / "mine", rows if place == "one" else rows[::-1])
        (folder / "runs" / "bad.json").write_text("{")
        pages += write_page(folder / "index.html", [folder])
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert str(tmp_path) not in pages[0].read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not a readable row"),
        (json.dumps({"schema": 1}), "is a row of schema 1"),
        (json.dumps(page_row("b" * 32) | {"wall_seconds": None}).replace("12400.0", "NaN"), "it contains NaN"),
    ],
)
def test_a_broken_row_is_named_in_the_header(tmp_path, text, why):
    folder = write_rows(tmp_path / "mine", [page_row("a" * 32)])
    (folder / "runs" / "bad.json").write_text(text)
    [page] = write_page(folder / "index.html", [folder])
    assert "1 file is left out" in page.read_text()
    assert re.search(f"<li>mine: runs/bad.json .*{why}", page.read_text())
    assert len(embedded(page)["rows"]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"command": "python -m bench 'half"},
        {"ledger": {"compute": "much"}},
        {"curve": {"steps": [0], "virtual_seconds": [0.0], "loss": ["low"]}},
    ],
)
def test_a_row_that_cannot_be_compared_or_drawn_is_left_out_by_name(tmp_path, changes):
    folder = write_rows(tmp_path / "mine", [page_row("a" * 32), page_row("b" * 32, **changes)])
    [page] = write_page(folder / "index.html", [folder])
    assert f"<li>mine: runs/{'b' * 32}.json has a " in page.read_text()
    assert [row["key"] for row in embedded(page)["rows"]] == ["a" * 32]


def test_an_svg_and_a_table_that_cannot_be_read_are_named(tmp_path):
    for name, content in (("figures/half.svg", b"<svg"), ("figures/other.svg", b"<html/>"), ("tables/odd.md", b"\xff\xfe")):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    text = write_page(tmp_path / "index.html", [tmp_path / "mine"])[0].read_text()
    assert "3 files are left out" in text
    assert all(
        f"<li>mine: {name} is not a readable" in text for name in ("figures/half.svg", "figures/other.svg", "tables/odd.md")
    )


def test_a_folder_that_is_none_is_an_error_and_an_empty_one_is_not(tmp_path):
    with pytest.raises(RecordError, match="a page is of results folders, got '.*none'"):
        write_page(tmp_path / "index.html", [tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    [page] = write_page(tmp_path / "index.html", [tmp_path / "empty"])
    assert "<strong>empty</strong>: nothing" in page.read_text()
    assert embedded(page)["rows"] == []


def test_links_lead_to_files_from_where_the_page_lies(tmp_path):
    one = write_rows(tmp_path / "results" / "study", [page_row("a" * 32)])
    two = write_rows(tmp_path / "elsewhere" / "more", [page_row("b" * 32)])
    [page] = write_page(tmp_path / "results" / "index.html", [one, two])
    links = [row["link"] for row in embedded(page)["rows"]]
    assert links == [f"study/runs/{'a' * 32}.json", f"../elsewhere/more/runs/{'b' * 32}.json"]
    assert all((page.parent / link).exists() for link in links)


def test_folders_of_one_name_are_told_apart(tmp_path):
    folders = [write_rows(tmp_path / name / "local", [page_row("a" * 32)]) for name in ("one", "two")]
    [page] = write_page(tmp_path / "index.html", folders)
    assert embedded(page)["columns"][0]["words"] == ["one/local", "two/local"]


def test_rows_are_compared_with_those_of_their_own_folder_only(tmp_path):
    """In the first folder all reach 4; in the second a row comes to 5 only, which is the target there, reached after 60 s."""
    short = {"steps": [0, 20], "virtual_seconds": [0.0, 60.0], "loss": [6.0, 5.0]}
    one = write_rows(tmp_path / "one", [page_row("a" * 32)])
    two = write_rows(tmp_path / "two", [page_row("b" * 32), page_row("c" * 32, curve=short)])
    columns = {column["name"]: column for column in embedded(write_page(tmp_path / "index.html", [one, two])[0])["columns"]}
    assert columns["target_loss"]["numbers"] == [4, 5, 5]
    assert columns["target_seconds"]["numbers"] == [120, 60, 60]
    assert columns["target_seconds"]["texts"] == ["2.00 min", "60.0 s", "60.0 s"]


def test_each_rows_cluster_is_that_of_its_folder(tmp_path):
    cluster = {"scenario": "h100_cluster", "algorithm": "ddp"}
    one = write_rows(tmp_path / "one", [page_row("a" * 32)])
    two = write_rows(tmp_path / "two", [page_row("b" * 32), page_row("c" * 32, **cluster), page_row("d" * 32, seed=1)])
    listed = embedded(write_page(tmp_path / "index.html", [one, two])[0])["rows"]
    rows = {row["key"][0]: row for row in listed}
    places = {row["key"][0]: place for place, row in enumerate(listed)}
    assert rows["a"]["cluster"] is None
    assert rows["b"]["cluster"] == rows["c"]["cluster"] == places["c"]
    assert rows["d"]["cluster"] is None  # another seed


def test_a_workload_whose_target_says_little_has_a_note(tmp_path):
    """From 6 to 4 is a way of 2; 5.9 is a twentieth of it."""
    hardly = {"steps": [0, 40], "virtual_seconds": [0.0, 120.0], "loss": [6.0, 5.9]}
    folder = write_rows(tmp_path / "mine", [page_row("a" * 32), page_row("b" * 32, curve=hardly)])
    assert (
        "2 rows of workload wwwwwwww in mine have a target loss of 5.900" in write_page(tmp_path / "p", [folder])[0].read_text()
    )
    (folder / "runs" / f"{'b' * 32}.json").unlink()
    assert 'class="note"' not in write_page(tmp_path / "p", [folder])[0].read_text()


def test_a_row_is_in_all_sweeps_that_list_it_or_in_that_of_its_command(tmp_path):
    rows = [page_row(letter * 32) for letter in "ab"]
    folder = write_rows(tmp_path / "mine", rows)
    for name in ("two", "one"):
        Swept(name=name, keys=("a" * 32, "c" * 32)).write(folder)
    (folder / "sweeps" / "half.json").write_text("{")
    [page] = write_page(tmp_path / "p", [folder])
    [column] = [column for column in embedded(page)["columns"] if column["name"] == "sweep"]
    assert [column["words"][place] for place in column["places"]] == ["one, two", "made_up"]
    assert "<li>mine: sweeps/half.json is not a readable sweep" in page.read_text()


def test_words_sort_as_people_count(tmp_path):
    commands = [f"python -m bench algorithm.sync_every={every}" for every in (100, 9, 20)]
    folder = write_rows(tmp_path / "mine", [page_row(str(n) * 32, command=command) for n, command in enumerate(commands)])
    columns = {column["name"]: column for column in embedded(write_page(tmp_path / "p", [folder])[0])["columns"]}
    assert columns["settings"]["words"] == [f"algorithm.sync_every={every}" for every in (9, 20, 100)]
    assert columns["sweep"]["words"] == ["-"]


def test_nothing_of_a_row_is_markup(tmp_path):
    evil = "</script><script>alert(1)</script>"
    folder = write_rows(
        tmp_path / "<b>x", [page_row("a" * 32, scenario=evil, reason=evil, command=f"python -m bench '{evil}'")]
    )
    (folder / "runs" / "<i>.json").write_text("<u>")
    (folder / "tables").mkdir()
    (folder / "tables" / "<s>.md").write_text(f"| {evil} |\n| --- |\n| {evil} |\n\n- {evil}\n{evil}\n")
    [page] = write_page(tmp_path / "index.html", [folder])
    tags = [tag for tag, _ in parsed(page).seen]
    assert tags.count("script") == 2  # the data, and the page's own
    assert not {"b", "i", "u", "s"} & set(tags)
    assert evil in embedded(page)["columns"][2]["words"]


def test_nothing_is_fetched(tmp_path):
    folder = write_rows(tmp_path / "mine", [page_row("a" * 32)])
    (folder / "tables").mkdir()
    (folder / "tables" / "t.md").write_text("see [a paper](https://arxiv.org/abs/2311.08105) ![x](http://x/y.png)\n")
    [page] = write_page(tmp_path / "index.html", [folder])
    for tag, attributes in parsed(page).seen:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert not any(re.match(r"\s*(https?:|//)", value or "") for value in attributes.values())
        assert "src" not in attributes
    assert "default-src 'none'" in page.read_text()


def test_an_svg_keeps_its_tips_and_its_ids_get_a_prefix(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text(
        SVG.format(
            '<metadata><x/></metadata><defs><style>*{}</style><clipPath id="c"/><path id="m" d="M 1.23456 \n2"/></defs>'
            '<g clip-path="url(#c)"><title>ddp &amp; 4.0</title><use xlink:href="#m" style="fill: url(#c)"/></g>'
        )
    )
    text = inline(path, "f1-")
    assert '<clipPath id="f1-c"' in text
    assert 'clip-path="url(#f1-c)"' in text
    assert 'href="#f1-m"' in text
    assert "fill: url(#f1-c)" in text
    assert "<title>ddp &amp; 4.0</title>" in text
    assert 'd="M 1.23 2"' in text
    assert "metadata" not in text
    assert "*{" not in text


def test_what_runs_or_fetches_in_an_svg_is_dropped(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text(
        SVG.format(
            '<script>alert(1)</script><SCRIPT>alert(2)</SCRIPT><foreignObject><p xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>'
            '<g onclick="alert(3)" style="fill: url(http://x/y)"><a href="javascript:alert(4)"/><image href="http://x/z.png"/></g>'
        )
    )
    text = inline(path, "").lower()
    assert not [word for word in ("script", "alert", "foreign", "<p", "http") if word in text]


def test_keys_in_tables_lead_to_their_rows_where_they_are_those_of_one_row(tmp_path):
    keys = ["0123abcd" + "0" * 24, "feedface" + "0" * 24, "feedface" + "1" * 24]
    folder = write_rows(tmp_path / "mine", [page_row(key, seed=seed) for seed, key in enumerate(keys)])
    (folder / "tables").mkdir()
    (folder / "tables" / "t.md").write_text("- cell: 0123abcd, feedface, feedface1\n")
    [page] = write_page(tmp_path / "index.html", [folder])
    links = [attributes["href"] for tag, attributes in parsed(page).seen if tag == "a" and "runs" in attributes["href"]]
    assert links == [f"mine/runs/{keys[0]}.json", f"mine/runs/{keys[2]}.json"]  # feedface is of two
    assert all((tmp_path / link).exists() for link in links)


def test_keys_of_attributions_lead_to_their_records(tmp_path):
    folder, key = write_rows(tmp_path / "mine", [page_row("a" * 32)]), "0123abcd" + "0" * 24
    for name, text in (("attributions", "{}"), ("tables", "")):
        (folder / name).mkdir()
        (folder / name / (f"{key}.json" if text else "attributions.md")).write_text(text or "| key |\n| --- |\n| 0123abcd |\n")
    [page] = write_page(tmp_path / "index.html", [folder])
    assert f"mine/attributions/{key}.json" in [attributes["href"] for tag, attributes in parsed(page).seen if tag == "a"]
    assert "1 attribution" in page.read_text()


def test_small_shares_keep_two_digits(tmp_path):
    shares = (0.973, 0.02184, 0.00118, 0.00092)
    folder = write_rows(tmp_path, [page_row(f"{n:032x}", system_efficiency=share) for n, share in enumerate(shares)])
    [page] = write_page(tmp_path / "index.html", [folder])
    column = next(each for each in embedded(page)["columns"] if each["name"] == "system_efficiency")
    assert set(column["texts"]) == {"97.3 %", "2.2 %", "0.12 %", "0.092 %"}

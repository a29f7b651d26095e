"""The page in a browser, from a file, without network: sorts, filters, copies, keeps its state, runs nothing of the rows'."""

import os
import shutil
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pages import embedded, many_rows, page_row, write_rows

from bench.record.sweeps import Swept
from bench.report.page import write_page
from bench.units import seconds_text, three_digits

pytestmark = pytest.mark.browser

MISSING = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,900"),
)
TRIES = 3
"""On a machine that is busy with other tests, the best of some counts."""

EVIL = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"
LONG = "x" * 500
ODD_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt" viewBox="0 0 9 9"><defs><clipPath id="c"/></defs>'
    '<g clip-path="url(#c)"><title>tip of {}</title><path id="p" d="M 0 0 L 9 9"/></g></svg>'
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    if MISSING:
        pytest.skip(f"needs {' and '.join(MISSING)}")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Its cookies of scripts and caches stay in the temporary folder.
    service = webdriver.ChromeService(
        shutil.which("chromedriver"), env=os.environ | {"HOME": str(tmp_path_factory.mktemp("home"))}
    )
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A page of 40 rows, every tenth of which is unknown, one of which is evil, with a table and two figures."""
    folder = write_rows(tmp_path_factory.mktemp("results") / "mine", many_rows(40))
    write_rows(
        folder,
        [page_row("e" * 32, scenario=EVIL, algorithm="odd", reason=EVIL + LONG, command=f'python -m bench "{EVIL}" {LONG}')],
    )
    (folder / "tables").mkdir()
    (folder / "tables" / "all.md").write_text("| who | time |\n| --- | ---: |\n| a | 2.00 min |\n| b | - |\n| c | 90.0 s |\n")
    (folder / "figures").mkdir()
    for kind in ("loss", "ledger"):
        (folder / "figures" / f"all_{kind}.svg").write_text(ODD_SVG.format(kind))
    return write_page(folder / "index.html", [folder])[0]


@pytest.fixture
def opened(browser, page):
    """The page as it opens, with an empty address and an empty log."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(page.as_uri())
    return browser


@cache
def columns(page: Path) -> dict:
    return {column["name"]: column for column in embedded(page)["columns"]}


def click_header(browser, name: str) -> None:
    browser.find_element("css selector", f"th[data-column='{name}'] button").click()


def cells(browser, name: str) -> list[str]:
    """The texts of a column, from top to bottom."""
    return browser.execute_script(
        "const place = [...document.getElementById('head').cells].findIndex(cell => cell.dataset.column === arguments[0]);"
        "return [...document.querySelectorAll('#body tr.row')].map(tr => tr.cells[place].textContent)",
        name,
    )


def type_into(browser, box: str, text: str) -> None:
    field = browser.find_element("id", box)
    field.clear()
    field.send_keys(text)


def count(browser) -> str:
    return browser.find_element("id", "shown").text


def choose(browser, facet: str, word: str) -> None:
    browser.find_element("css selector", f"#facet-{facet} summary").click()
    browser.find_element("css selector", f"#facet-{facet} input[value='{word}']").click()
    browser.find_element("id", "shown").click()


def until(browser, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 10).until(lambda driver: driver.execute_script(f"return {condition}"))


def test_it_opens_from_a_file_without_a_word_in_the_console_or_a_request(opened, page):
    for part in opened.find_elements("css selector", "#figures details, #tables details"):
        part.find_element("tag name", "summary").click()
    until(opened, "document.querySelectorAll('.paper svg').length === 2")
    assert count(opened) == "41 of 41 rows"
    assert opened.get_log("browser") == []
    assert opened.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


def test_numbers_sort_both_ways_with_the_unknown_last(opened, page):
    numbers = sorted(number for number in columns(page)["tokens_per_second"]["numbers"] if number is not None)
    texts = columns(page)["tokens_per_second"]
    said = dict(zip(texts["numbers"], texts["texts"], strict=True))
    for descending, way in ((False, "ascending"), (True, "descending")):
        click_header(opened, "tokens_per_second")
        ordered = [said[number] for number in (numbers[::-1] if descending else numbers)]
        assert cells(opened, "tokens_per_second") == ordered + ["-"] * 4  # every tenth of 40
        head = opened.find_element("css selector", "th[data-column='tokens_per_second']")
        assert head.get_attribute("aria-sort") == way
    click_header(opened, "seed")
    assert [int(text) for text in cells(opened, "seed")] == [0] * 21 + [1] * 20  # 20 of each, and the evil one's


def test_words_sort_both_ways(opened):
    click_header(opened, "algorithm")
    ascending = cells(opened, "algorithm")
    click_header(opened, "algorithm")
    assert ascending == sorted(ascending)
    assert cells(opened, "algorithm") == ascending[::-1]


def test_text_filters_by_all_of_its_words(opened):
    type_into(opened, "search", "GOSSIP volunteer")
    # Of 20 rows in turn one is gossip on volunteer_home; there are 40.
    assert count(opened) == "2 of 41 rows"
    assert set(cells(opened, "algorithm")) == {"gossip"}
    type_into(opened, "search", "no such words")
    assert count(opened) == "0 of 41 rows"


def test_choices_filter_and_are_taken_back(opened):
    choose(opened, "algorithm", "ddp")
    assert count(opened) == "8 of 41 rows"  # 4 of 20
    choose(opened, "algorithm", "local_sgd")
    assert count(opened) == "16 of 41 rows"
    choose(opened, "status", "does_not_fit")
    assert count(opened) == "2 of 41 rows"  # the 10th and the 30th, both local_sgd
    assert cells(opened, "status") == ["does_not_fit"] * 2
    chips = opened.find_elements("css selector", "#chips button")
    assert [chip.text for chip in chips] == ["algorithm: ddp ×", "algorithm: local_sgd ×", "status: does_not_fit ×"]
    chips[2].click()
    assert count(opened) == "16 of 41 rows"
    opened.find_element("id", "clear").click()
    assert count(opened) == "41 of 41 rows"


def test_a_row_of_several_sweeps_is_found_by_each(browser, tmp_path):
    folder = write_rows(tmp_path / "mine", [page_row(letter * 32) for letter in "abc"])
    Swept(name="one", keys=("a" * 32, "b" * 32)).write(folder)
    Swept(name="two", keys=("b" * 32,)).write(folder)
    browser.get(write_page(folder / "index.html", [folder])[0].as_uri())
    assert cells(browser, "sweep") == ["one", "one, two", "made_up"]
    choose(browser, "sweep", "two")
    assert cells(browser, "sweep") == ["one, two"]
    choose(browser, "sweep", "one")
    assert cells(browser, "sweep") == ["one", "one, two"]


def test_every_link_leads_to_a_file(opened):
    for part in opened.find_elements("css selector", "#figures details"):
        part.find_element("tag name", "summary").click()
    links = opened.execute_script("return [...document.querySelectorAll('main a[href]')].map(link => link.href)")
    assert len(links) == 41 + 2
    for link in links:
        assert urlsplit(link).scheme == "file"
        assert Path(unquote(urlsplit(link).path)).is_file()


def test_the_button_copies_the_rows_command(opened, page):
    opened.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    click_header(opened, "tokens_per_second")
    link = opened.find_element("css selector", "#body tr.row .key a").get_attribute("href")
    [command] = [row["command"] for row in embedded(page)["rows"] if link.endswith(row["link"])]
    opened.find_element("css selector", "#body tr.row .copy").click()
    until(opened, "document.querySelector('#body .copy').textContent === 'copied'")
    assert opened.execute_async_script("navigator.clipboard.readText().then(arguments[0], arguments[0])") == command


def test_a_row_opens_to_its_command_its_ledger_and_its_curve(opened):
    click_header(opened, "tokens_per_second")
    button = opened.find_element("css selector", "#body .expand")
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    about = opened.find_element("css selector", "#body .about")
    title = opened.find_element("css selector", "#body .copy").get_attribute("title")
    assert about.find_element("css selector", ".command code").text == title
    pieces = [piece.get_attribute("title") for piece in about.find_elements("css selector", ".bar i")]
    assert pieces == ["compute 60.0 %", "bandwidth 30.0 %", "down 10.0 %"]
    points = about.find_element("css selector", "polyline").get_attribute("points").split()
    assert len(points) == 17
    button.click()
    assert opened.find_elements("css selector", "#body .about") == []


def test_the_address_keeps_what_is_chosen(opened, page):
    choose(opened, "scenario", "volunteer_home")
    type_into(opened, "search", "diloco")
    click_header(opened, "slowdown")
    click_header(opened, "slowdown")
    type_into(opened, "target", "4.5")
    until(opened, "location.hash.includes('target=4.5')")
    address, shown, keys = opened.current_url, count(opened), cells(opened, "tokens_per_second")
    opened.get("about:blank")
    opened.get(address)
    assert count(opened) == shown
    assert cells(opened, "tokens_per_second") == keys
    assert opened.find_element("id", "search").get_attribute("value") == "diloco"
    assert opened.find_element("css selector", "th[data-column='slowdown']").get_attribute("aria-sort") == "descending"
    assert set(cells(opened, "target_loss")) <= {"4.500", "-"}


@pytest.mark.parametrize("address", ["#sort=-nothing&page=99&scenario=gone", "#page=-3&target=x", "#%%%", "#rows"])
def test_an_address_of_nonsense_shows_all_rows(opened, page, address):
    opened.get("about:blank")
    opened.get(page.as_uri() + address)
    assert count(opened) == "41 of 41 rows"
    assert len(cells(opened, "seed")) == 41  # there is no page 99
    assert opened.get_log("browser") == []


def test_a_target_of_ones_own_times_all_rows_anew(browser, tmp_path):
    """From 6 to 4 in 120 s, 4.5 is reached at 90 s; the cluster, which falls to 2 in 120 s, reaches it at 45 s."""
    fast = {"steps": [0, 40], "virtual_seconds": [0.0, 120.0], "loss": [6.0, 2.0]}
    cluster = page_row("b" * 32, scenario="h100_cluster", algorithm="ddp", curve=fast, peak_flops=2e15)
    never = page_row("c" * 32, scenario="z", curve={"steps": [0, 40], "virtual_seconds": [0.0, 9.0], "loss": [6.0, 4.9]})
    folder = write_rows(tmp_path / "mine", [page_row("a" * 32), cluster, never])
    browser.get(write_page(folder / "index.html", [folder])[0].as_uri())
    assert cells(browser, "target_loss") == ["4.900"] * 3
    type_into(browser, "target", "4.5")
    assert cells(browser, "target_seconds") == ["45.0 s", "90.0 s", "never"]
    # At the same peak the cluster takes 45 s x 2 = 90 s: the row is as fast.
    assert cells(browser, "versus_cluster") == ["1.00x", "1.00x", "-"]
    click_header(browser, "target_seconds")
    click_header(browser, "target_seconds")
    assert cells(browser, "target_seconds") == ["90.0 s", "45.0 s", "never"]
    browser.find_element("id", "clear").click()
    assert cells(browser, "target_loss") == ["4.900"] * 3


def test_the_script_writes_numbers_as_the_tables_do(opened):
    numbers = [1e-7, 3.2e-5, 0.00104, 0.999, 0.9996, 1, 59.96, 119.9, 120, 999.6, 1234.6, 7199, 7200, 172_799, 172_800, 3.3e8]
    said = opened.execute_script("return arguments[0].map(number => [threeDigits(number), secondsText(number)])", numbers)
    assert said == [[three_digits(number), seconds_text(number)] for number in numbers]


def test_nothing_of_a_row_runs(opened):
    type_into(opened, "search", "odd")
    assert cells(opened, "scenario") == [EVIL]
    opened.find_element("css selector", "#body .expand").click()
    assert EVIL in opened.find_element("css selector", ".about .command code").text
    assert opened.execute_script("return window.ran ?? null") is None
    assert opened.find_elements("css selector", "#rows img, #rows script") == []


def test_other_tables_sort_by_their_units(opened):
    opened.find_element("css selector", "#tables details summary").click()
    until(opened, "document.querySelector('#tables th button') !== null")

    def names() -> list[str]:
        return [cell.text for cell in opened.find_elements("css selector", "#tables tbody td:first-child")]

    button = opened.find_elements("css selector", "#tables th button")[1]
    button.click()
    assert names() == ["c", "a", "b"]  # 90 s, 2 min, unknown
    button.click()
    assert names() == ["a", "c", "b"]


def test_figures_come_when_their_part_opens_and_do_not_share_ids(opened):
    assert opened.find_elements("css selector", ".paper svg") == []
    opened.find_element("css selector", "#figures details summary").click()
    until(opened, "document.querySelectorAll('.paper svg').length === 2")
    ids = opened.execute_script("return [...document.querySelectorAll('.paper [id]')].map(element => element.id)")
    assert len(ids) == len(set(ids)) == 4
    groups = opened.find_elements("css selector", ".paper g")
    assert [group.get_attribute("clip-path") for group in groups] == ["url(#f0-0-c)", "url(#f0-1-c)"]
    tips = opened.execute_script("return [...document.querySelectorAll('.paper title')].map(tip => tip.textContent)")
    assert tips == ["tip of ledger", "tip of loss"]


def test_the_keyboard_sorts_and_opens(opened):
    opened.execute_script("document.querySelector(\"th[data-column='seed'] button\").focus()")
    from selenium.webdriver import Keys

    opened.switch_to.active_element.send_keys(Keys.ENTER)
    assert opened.find_element("css selector", "th[data-column='seed']").get_attribute("aria-sort") == "ascending"
    opened.execute_script("document.querySelector('#body .expand').focus()")
    opened.switch_to.active_element.send_keys(Keys.SPACE)
    assert len(opened.find_elements("css selector", "#body .about")) == 1


@pytest.mark.parametrize("width", [400, 1600])
def test_the_page_itself_does_not_scroll_sideways(opened, width):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        click_header(opened, "status")
        opened.execute_script("document.querySelectorAll('#body .expand').forEach(button => button.click())")
        wider = "[...document.querySelectorAll('.about')].filter(about => about.scrollWidth > about.clientWidth).length"
        assert opened.execute_script(f"return {wider}") == 0
        opened.execute_script(
            "document.querySelectorAll('main details').forEach(part => { part.open = !part.closest('#facets') })"
        )
        until(opened, "document.querySelectorAll('.paper svg').length === 2")
        assert opened.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_thousands_of_rows_are_quick(browser, tmp_path):
    """Usable within 2 s of opening at 5,000 rows; pages turn, and all of them sort."""
    folder = write_rows(tmp_path / "mine", many_rows(5000))
    page = write_page(folder / "index.html", [folder])[0].as_uri()
    seconds = []
    for _ in range(TRIES):
        browser.get("about:blank")
        browser.get(page + "#sort=-tokens_per_second")
        seconds.append(browser.execute_script("return performance.getEntriesByName('farbench usable')[0].startTime") / 1000)
        if seconds[-1] <= 2:
            break
    assert min(seconds) <= 2
    assert count(browser) == "5,000 of 5,000 rows; these are 1 to 100"
    first = cells(browser, "tokens_per_second")
    browser.find_element("id", "next").click()
    assert count(browser) == "5,000 of 5,000 rows; these are 101 to 200"
    assert cells(browser, "tokens_per_second") != first
    type_into(browser, "search", "gossip two_datacenters")
    assert count(browser) == "250 of 5,000 rows; these are 1 to 100"  # one of 20

"""Our Markdown as HTML: tables with the numbers by which they sort, lists, details, and text as text."""

import pytest

from bench.report.page.markdown import as_html, size


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.4 k", 12_400),
        ("1,200", 1200),
        ("2.00 min", 120),
        ("87.0 ms", 0.087),
        ("2.86 GB", 2.86e9),
        ("100 Mbit/s", 12.5e6),  # 8 bits a byte
        ("-2.8 % [-3.1 to +0.2] (3)", -2.8),
        ("+9.8 %", 9.8),
        ("1.00x (tie)", 1),
        ("**2.810 [2.796–2.835] (3)**", 2.81),
        ("> 3 Gbit/s", 3.75e8),
        ("1.5e-05", 1.5e-5),
        ("15 T tokens", 15e12),
        ("-", None),
        ("never", None),
        ("", None),
        ("1e999", None),
    ],
)
def test_a_cell_sorts_by_the_number_with_which_it_begins(text, number):
    assert size(text) == (None if number is None else pytest.approx(number))


def test_a_pipe_table_is_a_table_whose_right_columns_are_numbers():
    html = as_html("| who | time |\n| --- | ---: |\n| a \\| b | 2.00 min |\n| **c** | - |")
    assert '<th scope="col">who</th><th scope="col" class=number>time</th>' in html
    assert '<td>a | b</td><td class="number" data-size="120">2.00 min</td>' in html
    assert '<td><strong>c</strong></td><td class="number">-</td>' in html  # unknown: no number to sort by


def test_headings_lists_and_details_are_these():
    html = as_html(
        "## Two words\n- one\n- `two`\n\n<details><summary>rows behind</summary>\n\nhere\n</details>\n\n**bold** text"
    )
    assert html.split("\n") == [
        "<h4>Two words</h4>",
        "<ul><li>one</li><li><code>two</code></li></ul>",
        "<details><summary>rows behind</summary>",
        "<p>here</p>",
        "</details>",
        "<p><strong>bold</strong> text</p>",
    ]


def test_details_that_do_not_end_are_ended_and_ends_without_beginning_are_text():
    assert as_html("<details>\nx") == "<details>\n<p>x</p>\n</details>"
    assert as_html("</details>") == "<p>&lt;/details&gt;</p>"


def test_all_else_is_text():
    assert as_html('<b onclick="x">&') == "<p>&lt;b onclick=&quot;x&quot;&gt;&amp;</p>"
    assert as_html("[words](javascript:alert(1)) `<i>`").startswith("<p>words")
    assert "<i>" not in as_html("`<i>`")


def test_keys_of_rows_become_links_and_other_words_do_not():
    links = {"0123abcd": "study/runs/0123abcd&.json"}
    html = as_html("| row |\n| --- |\n| `0123abcd` |\n| deadbeef |", links.get)
    assert '<code><a href="study/runs/0123abcd&amp;.json">0123abcd</a></code>' in html
    assert "<td>deadbeef</td>" in html


def test_a_line_of_bars_without_a_rule_is_text():
    assert as_html("| a | b |") == "<p>| a | b |</p>"

"""One table in three formats: Markdown, LaTeX, CSV; and keys short enough to print."""

import re
import shutil
import subprocess

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.formats import Table, unfolded, write_formats
from bench.report.keys import keys_in, printed, short_keys
from bench.report.latex import PAGE, escaped, latex

TABLE = Table(
    title="Two & two",
    head=["a_b", "1 %"],
    lines=[["x|y", "4.00 [3.90–4.10] (3)"], ["[z]", "-"]],
    left=["a_b"],
    bold=[(0, 1)],
    notes=["≤: at most"],
    behind=[("x, 1 %", "0123abcd")],
)

MARKDOWN = """\
### Two & two

| a_b | 1 % |
| --- | ---: |
| x\\|y | **4.00 [3.90–4.10] (3)** |
| [z] | - |

- ≤: at most

<details><summary>rows behind each cell</summary>

- x, 1 %: 0123abcd

</details>
"""

LATEX = r"""% \usepackage{booktabs}
\begin{table}
\centering
\caption{Two \& two}
\begin{tabular}{lr}
\toprule
a\_b & 1 \% \\
\midrule
x\textbar{}y & \textbf{4.00 {[}3.90--4.10{]} (3)} \\
{[}z{]} & - \\
\bottomrule
\end{tabular}
{\raggedright
\par\footnotesize $\leq$: at most
\par}
\end{table}
"""


def test_a_table_is_written_as_markdown_csv_and_latex(tmp_path):
    paths = write_formats(tmp_path, "x", [TABLE], pd.DataFrame({"a": ["x"], "b": [4.0], "rows": ["0123abcd"]}))
    assert [path.name for path in paths] == ["x.md", "x.csv", "x.tex"]
    assert [path.read_text() for path in paths] == [MARKDOWN, "a,b,rows\nx,4.0,0123abcd\n", LATEX]


def test_a_terminal_gets_the_table_without_what_is_folded_away():
    assert unfolded(MARKDOWN) == MARKDOWN[: MARKDOWN.index("\n<details>")]
    twice = unfolded(MARKDOWN + "\n" + MARKDOWN)
    assert "0123abcd" not in twice
    assert twice.count("- ≤: at most") == 2


def test_a_line_with_too_few_cells_is_an_error():
    with pytest.raises(ValueError, match=r"lines must have a cell for each of 2 columns, got \['x'\]"):
        Table(head=["a", "b"], lines=[["x"]])


def test_what_latex_reads_otherwise_is_escaped():
    assert escaped(r"\ { } $ & # % _ ^ ~") == (r"\textbackslash{} \{ \} \$ \& \# \% \_ \textasciicircum{} \textasciitilde{}")
    assert escaped("3 × 4 ≤ 12 – 13") == r"3 $\times$ 4 $\leq$ 12 -- 13"


def test_a_cell_cannot_be_taken_for_an_option_of_the_line_before():
    # After \\ LaTeX looks for a star and for brackets, over the end of the line.
    text = latex(["a"], [["*"], ["[2 cm]"]])
    assert not re.search(r"\\\\\s*[*\[]", text)


@given(st.text(alphabet=r"\{}$&#%_^~<>|[]*ab1 ", max_size=30))
def test_no_letter_of_a_text_is_left_that_latex_reads_otherwise(text):
    # Each escape is a command, a letter after a backslash, a formula or a group: without these nothing special is left.
    left = re.sub(r"\\text[a-z]+\{\}|\\[{}$&#%_]|\{[\[\]*]\}", "", escaped(text))
    assert not set(left) & set(r"\{}$&#%_^~<>|[]*")
    assert len(left) == sum(letter in "ab1 " for letter in text)


def test_a_long_table_goes_over_several_pages():
    text = latex(["a"], [["1"]] * (PAGE + 1), "long")
    assert r"\begin{longtable}{r}" in text
    assert text.index(r"\caption{long}\\") < text.index(r"\endhead") < text.index(r"\bottomrule")
    assert r"\begin{tabular}" in latex(["a"], [["1"]] * PAGE)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is missing")
def test_latex_compiles(tmp_path):
    hard = Table(
        head=["a", r"\ { } $ & # % _ ^ ~"],
        lines=[["*", "[2 cm]"], ["[", '< > | " ` ± → µ × ≤ ≥ – —']] * PAGE,
        notes=["a_b"],
    )
    write_formats(tmp_path, "x", [TABLE, hard], pd.DataFrame())
    body = r"\documentclass{article}\usepackage{booktabs,longtable}\begin{document}\input{tables/x.tex}\end{document}"
    (tmp_path / "page.tex").write_text(body)
    made = subprocess.run(["pdflatex", "-halt-on-error", "page.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout[-2000:]


def test_a_key_is_printed_with_eight_digits_or_as_many_as_tell_it_from_others():
    keys = ["abcdef0123", "abcdef0199", "abcdef0100", "ffffffffff"]
    # The first three part in their ninth digit: 2, 9 and 0.
    assert short_keys(keys) == {keys[0]: "abcdef012", keys[1]: "abcdef019", keys[2]: "abcdef010", keys[3]: "ffffffff"}
    assert short_keys(["abcdef0123", "abcdef0123"]) == {"abcdef0123": "abcdef01"}
    assert printed(["ffffffffff", "elsewhere0"], short_keys(keys)) == "ffffffff elsewhere0"


@given(st.lists(st.text(alphabet="01", min_size=12, max_size=12), min_size=1, max_size=40))
def test_a_printed_key_is_the_beginning_of_one_key_alone(keys):
    for key, text in short_keys(keys).items():
        assert {other for other in keys if other.startswith(text)} == {key}
        # No longer than it must be.
        assert len(text) == 8 or len({other for other in keys if other.startswith(text[:-1])}) > 1


def test_keys_of_a_folder_are_those_of_all_its_files_of_rows(tmp_path):
    (tmp_path / "runs").mkdir()
    for name in ("b.json", "a.json", "a.broken"):
        (tmp_path / "runs" / name).touch()
    assert keys_in(tmp_path) == ["a", "b"]
    assert keys_in(tmp_path / "nowhere") == []

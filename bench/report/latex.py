"""A table as LaTeX for booktabs: any text escaped, so that it comes out as it was."""

from collections.abc import Collection, Iterable, Sequence

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a line it would begin an option, and a star would be one
    "]": "{]}",
    "*": "{*}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "–": "--",
    "—": "---",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "µ": r"$\mu$",
    "\n": " ",
}
"""What LaTeX reads otherwise than it looks."""

PAGE = 40
"""Lines of a table that one page has room for."""


def escaped(text: str) -> str:
    """`text` as LaTeX prints it."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def latex(
    head: Sequence[str],
    lines: Sequence[Sequence[str]],
    title: str = "",
    left: Collection[str] = (),
    bold: Collection[tuple[int, int]] = (),
    notes: Sequence[str] = (),
) -> str:
    r"""The table, to be \input where booktabs is loaded; one of more than PAGE lines asks for longtable too."""
    long = len(lines) > PAGE
    columns = "".join("l" if name in left else "r" for name in head)
    caption = f"\\caption{{{escaped(title)}}}" if title else ""
    top = ["\\toprule", _line(map(escaped, head)), "\\midrule"]
    body = [
        _line(f"\\textbf{{{escaped(cell)}}}" if (row, column) in bold else escaped(cell) for column, cell in enumerate(line))
        for row, line in enumerate(lines)
    ]
    below = [f"\\par\\footnotesize {escaped(note)}" for note in notes]
    if long:
        opening = ["% \\usepackage{booktabs,longtable}", f"\\begin{{longtable}}{{{columns}}}"]
        opening += [f"{caption}\\\\"] if caption else []
        parts = [*opening, *top, "\\endhead", *body, "\\bottomrule", "\\end{longtable}"]
        return "\n".join([*parts, "{\\raggedright", *below, "\\par}"] if below else parts) + "\n"
    opening = ["% \\usepackage{booktabs}", "\\begin{table}", "\\centering", *filter(None, [caption])]
    tabular = [f"\\begin{{tabular}}{{{columns}}}", *top, *body, "\\bottomrule", "\\end{tabular}"]
    closing = ["{\\raggedright", *below, "\\par}", "\\end{table}"] if below else ["\\end{table}"]
    return "\n".join([*opening, *tabular, *closing]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + " \\\\"

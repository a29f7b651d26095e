"""The Markdown of our tables as HTML: headings, pipe tables that sort, lists, details, bold and code."""

import math
import re
from collections.abc import Callable, Iterator
from html import escape

from bench.units import COMPUTE, COUNT, POWER, RATE, SIZE, TIME

Find = Callable[[str], str | None]
"""The link of the row whose key begins so, if there is one."""

_UNITS = {unit: size for kind in (COMPUTE, COUNT, POWER, RATE, SIZE, TIME) for unit, size in kind.units.items()}
_NUMBER = re.compile(r"[<>~≤≥*\s]*([+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)\s*([A-Za-zµ/]*)")


def as_html(text: str, find: Find = lambda key: None) -> str:
    """The text as HTML. All that is no Markdown of ours is shown as it is; keys that `find` knows become links."""
    return "\n".join(_blocks(text.splitlines(), find))


def size(text: str) -> float | None:
    """The number with which a cell begins, in base units: 1,200 of '1.2 k [1.1 to 1.3]'; None where it begins otherwise."""
    found = _NUMBER.match(text)
    if not found:
        return None
    number = float(found[1].replace(",", "")) * _UNITS.get(found[2], 1.0)
    return number if math.isfinite(number) else None


def _blocks(lines: list[str], find: Find) -> Iterator[str]:
    number, depth = 0, 0
    while number < len(lines):
        line = lines[number].strip()
        heading = re.fullmatch(r"(#{1,6})\s+(.*)", line)
        if _begins_table(lines, number):
            until = _run(lines, number, "|")
            yield _table(lines[number:until], find)
            number = until
            continue
        if line.startswith("- "):
            until = _run(lines, number, "- ")
            yield "<ul>" + "".join(f"<li>{_inline(item.strip()[2:], find)}</li>" for item in lines[number:until]) + "</ul>"
            number = until
            continue
        if heading:
            yield f"<h4>{_inline(heading[2], find)}</h4>"
        elif summary := re.fullmatch(r"<details>(?:\s*<summary>(.*?)</summary>)?", line):
            depth += 1
            yield "<details>" + (f"<summary>{_inline(summary[1], find)}</summary>" if summary[1] else "")
        elif summary := re.fullmatch(r"<summary>(.*?)</summary>", line):
            yield f"<summary>{_inline(summary[1], find)}</summary>" if depth else f"<p>{_inline(summary[1], find)}</p>"
        elif line == "</details>" and depth:
            depth -= 1
            yield "</details>"
        elif line:
            yield f"<p>{_inline(line, find)}</p>"
        number += 1
    yield from ["</details>"] * depth


def _begins_table(lines: list[str], number: int) -> bool:
    """Whether a line of names stands above one of dashes."""
    return lines[number].strip().startswith("|") and bool(
        re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", "".join(lines[number + 1 : number + 2]))
    )


def _run(lines: list[str], number: int, mark: str) -> int:
    """The first line from `number` on that does not begin with `mark`."""
    while number < len(lines) and lines[number].strip().startswith(mark):
        number += 1
    return number


def _table(lines: list[str], find: Find) -> str:
    names, rule, *rows = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]] for line in lines)
    return table(names, [mark.endswith(":") for mark in rule], rows, find)


def table(names: list[str], numbers: list[bool], rows: list[list[str]], find: Find) -> str:
    """A table that sorts: its columns' names, whether each holds numbers, and its cells as Markdown."""
    kinds = numbers + [False] * (len(names) - len(numbers))
    head = "".join(
        f'<th scope="col"{" class=number" if kind else ""}>{_inline(name, find) or "&nbsp;"}</th>'
        for name, kind in zip(names, kinds, strict=False)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row, kinds, [find] * len(row)))}</tr>" for row in rows)
    inside = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll" tabindex="0"><table class="sorts">{inside}</table></div>'


def _cell(text: str, number: bool, find: Find) -> str:
    if not number:
        return f"<td>{_inline(text, find)}</td>"
    value = size(text)
    by = "" if value is None else f' data-size="{value:.12g}"'
    return f'<td class="number"{by}>{_inline(text, find)}</td>'


def _inline(text: str, find: Find) -> str:
    """Bold, code and keys of rows; links to elsewhere are text."""
    text = text.replace("\\|", "|").replace("<br>", "\n")
    parts = re.split(r"`([^`]*)`", text)
    return "".join(
        f"<code>{_keys(escape(part), find)}</code>" if odd % 2 else _bold(part, find) for odd, part in enumerate(parts)
    )


def _bold(text: str, find: Find) -> str:
    shown = escape(re.sub(r"\[([^\]]*)\]\([^)\s]*\)", r"\1", text)).replace("\n", "<br>")
    return _keys(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", shown), find)


def _keys(shown: str, find: Find) -> str:
    def link(found: re.Match[str]) -> str:
        target = find(found[0])
        return f'<a href="{escape(target)}">{found[0]}</a>' if target else found[0]

    return re.sub(r"\b[0-9a-f]{8,32}\b", link, shown)

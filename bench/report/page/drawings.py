"""SVG files as parts of a page: ids of their own, no metadata, and nothing that runs or is fetched."""

import re
from pathlib import Path
from xml.etree import ElementTree

from bench.errors import RecordError

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"
_DRAWS = (
    *("svg", "g", "defs", "symbol", "use", "clipPath", "mask", "marker", "pattern", "image", "title", "desc", "text", "tspan"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "linearGradient", "radialGradient", "stop"),
)
"""Elements that stay: others run, fetch, or are about the whole page."""
_STYLE = "stroke-linejoin: round; stroke-linecap: butt"
"""What matplotlib's style element says of all elements; as such it would be about those of the whole page."""


def inline(path: Path, prefix: str) -> str:
    """The SVG in a file as an element for a page, with `prefix` before its ids. Raises RecordError if it is no SVG."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (OSError, ElementTree.ParseError) as error:
        raise RecordError(f"{path} is not a readable SVG: {error}") from error
    if root.tag != f"{_SVG}svg":
        raise RecordError(f"{path} is not a readable SVG: it is a {root.tag}")
    _clean(root, prefix)
    root.set("style", _STYLE)
    root.set("role", "img")
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _clean(element: ElementTree.Element, prefix: str) -> None:
    """In place: plain names, ids with the prefix, and only what draws."""
    element.tag = str(element.tag).removeprefix(_SVG)
    attributes = {_plain(name): value for name, value in element.attrib.items()}
    element.attrib.clear()
    for name, value in sorted(attributes.items()):
        if (kept := _attribute(name, value, prefix)) is not None:
            element.set(name, kept)
    if element.tag not in ("text", "tspan", "title", "desc"):
        element.text = None
    element.tail = None if element.tag != "tspan" else element.tail
    for child in list(element):
        if isinstance(child.tag, str) and child.tag.startswith(_SVG) and child.tag.removeprefix(_SVG) in _DRAWS:
            _clean(child, prefix)
        else:
            element.remove(child)


def _plain(name: str) -> str:
    return name.removeprefix(_XLINK)


def _attribute(name: str, value: str, prefix: str) -> str | None:
    """The value as it may stand in a page; None if it may not."""
    if name.startswith(("on", "{")):
        return None
    if name == "id":
        return prefix + value
    if name == "href":
        if value.startswith("#"):
            return f"#{prefix}{value[1:]}"
        return value if value.startswith("data:image/png;") else None
    if name == "d":
        return " ".join(_hundredths(value).split())
    if name == "transform":
        return re.sub(r"translate\([^)]*\)", lambda found: _hundredths(found[0]), value)
    value = re.sub(r"url\(\s*['\"]?#", f"url(#{prefix}", value)
    return None if re.search(r"url\((?!#)", value) else value


def _hundredths(text: str) -> str:
    """The text with its numbers in hundredths, of a point or a thousandth of a letter's height."""
    return re.sub(r"-?\d+\.\d{3,}(?![\de])", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), text)

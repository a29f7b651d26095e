"""A figure as SVG and PNG: equal figures give equal bytes, many fit on one page, and a browser shows what was pointed at."""

import io
import re
from hashlib import sha256
from html import escape
from pathlib import Path
from urllib.parse import quote, unquote

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from PIL import Image

from bench.record.store import write_whole

DPI = 150.0
MOST_BYTES = 300_000
"""Of a PNG."""
MOST_PIXELS = 3000
"""Of a PNG's height, and of its width."""
_TIP = "tip:"
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # characters that XML has no place for


def tip(artist: Artist, text: str) -> None:
    """Let a browser show `text` where the pointer is on `artist` in the SVG: a line, a bar, a text, a collection."""
    artist.set_gid(_TIP + quote(text, safe=""))  # the SVG names the artist's group by it, until `write_figure` makes it a title


def plain(text: str) -> str:
    """`text` as matplotlib is to draw it, with no part of it taken for a formula."""
    return text.replace("$", r"\$")


def write_figure(figure: Figure, path: Path) -> list[Path]:
    """Write `path` with .svg and .png behind its name; returns both.

    A PNG that would be larger than MOST_BYTES has fewer colours, then fewer pixels.
    """
    svg, png = (path.with_name(path.name + suffix) for suffix in (".svg", ".png"))
    write_whole(png, _png(figure))  # first: text is a little wider in pixels
    figure.set_layout_engine("none")  # as it is now laid out, for both files
    write_whole(svg, _svg(figure))
    return [svg, png]


def _png(figure: Figure) -> bytes:
    dpi = min(DPI, *(MOST_PIXELS / inches for inches in figure.get_size_inches()))
    while True:
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=dpi, metadata={"Software": None})
        if len(data.getvalue()) > MOST_BYTES:
            fewer = Image.open(data).convert("RGB").quantize(128, dither=Image.Dither.NONE)
            data = io.BytesIO()
            fewer.save(data, format="png", optimize=True, dpi=(dpi, dpi))
        if len(data.getvalue()) <= MOST_BYTES:
            return data.getvalue()
        dpi *= 0.8


def _svg(figure: Figure) -> bytes:
    data = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "farbench", "svg.fonttype": "path"}):
        figure.savefig(data, format="svg", metadata={"Date": None})
    return _compact(_own_ids(_UNFIT.sub("", data.getvalue()))).encode()


def _own_ids(svg: str) -> str:
    """The SVG with a title for each tip, and ids that no other figure has: a digest of all of it, and a number.

    Ids that nothing refers to are left out.
    """
    known = dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]*)', svg))
    digest = sha256(svg.encode()).hexdigest()[:8]
    short = {name: f"f{digest}-{number:x}" for number, name in enumerate(known)}

    def own(found: re.Match[str]) -> str:
        if found[1].startswith(_TIP):
            return found[0]
        return f' id="{short[found[1]]}"' if found[1] in short else ""

    svg = re.sub(r' id="([^"]*)"', own, svg)
    svg = re.sub(r'(href="|url\()#([^")]*)', lambda found: f"{found[1]}#{short[found[2]]}", svg)
    return re.sub(rf'<g id="{_TIP}([^"]*)">', lambda found: f"<g><title>{_title(found[1])}</title>", svg)


def _title(quoted: str) -> str:
    return escape(_UNFIT.sub("", unquote(quoted)))


def _compact(svg: str) -> str:
    """The SVG with its paths on one line each, in thousandths of a point."""

    def shorter(path: re.Match[str]) -> str:
        return re.sub(r"\d+\.\d{3}\d+", lambda number: f"{float(number[0]):.3f}", " ".join(path[0].split()))

    return re.sub(r'(?<= )d="[^"]*"', shorter, svg)

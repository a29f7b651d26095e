"""Puts the files that README.md shows into it, between their markers.

What tables fold away, the keys of the rows behind them, stays in their files.
The block "algorithms" is the table of all algorithms, made from their files and presets.

python scripts/readme.py            rewrite README.md
python scripts/readme.py --check    exit 1 if that would change it
"""

import re
import sys
from pathlib import Path

from bench.report import algorithms
from bench.report.formats import unfolded

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"<!-- generated: (\S+) -->\n.*?<!-- end -->", re.DOTALL)
FENCES = {".py": "python", ".yaml": "yaml"}


def filled(text: str) -> str:
    """`text` with each block holding its file as it is now."""

    def block(match: re.Match[str]) -> str:
        if match[1] == "algorithms":
            return f"<!-- generated: algorithms -->\n{algorithms.markdown()}<!-- end -->"
        path = ROOT / match[1]
        shown = unfolded(path.read_text()).rstrip()
        if path.suffix in FENCES:
            shown = f"```{FENCES[path.suffix]}\n{shown}\n```"
        return f"<!-- generated: {match[1]} -->\n{shown}\n<!-- end -->"

    return BLOCK.sub(block, text)


def main() -> int:
    readme = ROOT / "README.md"
    before = readme.read_text()
    after = filled(before)
    if "--check" in sys.argv[1:]:
        if before != after:
            print("README.md shows files as they were: run python scripts/readme.py", file=sys.stderr)
        return int(before != after)
    readme.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())

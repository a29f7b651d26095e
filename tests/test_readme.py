"""The README shows what the files hold, and names commands and files that exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_what_the_readme_shows_is_what_the_files_hold():
    assert subprocess.run([sys.executable, "scripts/readme.py", "--check"], cwd=ROOT).returncode == 0


def test_every_file_in_the_tree_exists_and_every_module_is_in_it():
    top, *lines = README.split("## Where things are")[1].split("```")[1].strip().splitlines()
    files = [re.split(r"  +", line.strip())[0] for line in lines if line.startswith("  ")]
    named = {word for line in files for word in re.findall(r"\b\w+(?:\.py|/)", line)}
    here = (path for path in (ROOT / "bench").iterdir() if not path.name.startswith("__"))
    there = {path.name + ("/" if path.is_dir() else "") for path in here}
    assert top == "bench/"
    assert named - {"__main__.py"} == there


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target

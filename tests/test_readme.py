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
    tree = README.split("## Where things are")[1].split("```")[1]
    top, *lines = tree.strip().splitlines()
    named = {word for line in lines if line.startswith("  ") for word in re.findall(r"\b\w+(?:\.py|/)", re.split(r"  +", line.strip())[0])}
    there = {
        path.name + ("/" if path.is_dir() else "") for path in (ROOT / "bench").iterdir() if not path.name.startswith("__")
    }
    assert top == "bench/"
    assert named - {"__main__.py"} == there


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target

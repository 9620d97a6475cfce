"""The examples of the guide to file formats are true: its files are written, its Python is run."""

import doctest
import re
from pathlib import Path

import pytest

import tsmfeat
from tsmfeat.formats.options import FORMATS
from tsmfeat.formats.recognition import recognize_format

GUIDE = Path(tsmfeat.__file__).parents[1] / "docs" / "formats.md"
FILES = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def guide(tmp_path, monkeypatch):
    if not GUIDE.exists():
        pytest.skip("the guide is not installed")
    text = GUIDE.read_text()
    for name, content in FILES.findall(text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    return text


def test_the_examples_run(guide):
    parsed = doctest.DocTestParser().get_doctest(guide, {}, "formats.md", str(GUIDE), 0)
    assert len(parsed.examples) >= 15
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(parsed)
    assert result.failed == 0


def test_the_files_shown_are_of_the_formats_named(guide):
    shown = {name: recognize_format(name) for name in ("gt.csv", "found.json", "solution.csv", "TAL", "annotation")}
    assert {name: found.format_name for name, found in shown.items()} == {
        "gt.csv": "csv",
        "found.json": "activitynet",
        "solution.csv": "binego360",
        "TAL": "x360",
        "annotation": "thumos14",
    }
    assert len(Path("actions.txt").read_text().splitlines()) == 34


def test_every_format_is_in_the_table(guide):
    named = re.findall(r"^\| `([a-z0-9-]+)` \|", guide, re.MULTILINE)
    assert sorted(named) == sorted(FORMATS)

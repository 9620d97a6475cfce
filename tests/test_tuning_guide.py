"""The examples of the guide to tuning are true: its Python is run, its options exist."""

import doctest
import re
from pathlib import Path

import pytest

import tsmfeat
from tsmfeat.workflows.tuning_settings import NAMES

GUIDE = Path(tsmfeat.__file__).parents[1] / "docs" / "tuning.md"


@pytest.fixture
def guide():
    if not GUIDE.exists():
        pytest.skip("the guide is not installed")
    return GUIDE.read_text()


def test_the_examples_run(guide):
    parsed = doctest.DocTestParser().get_doctest(guide, {}, "tuning.md", str(GUIDE), 0)
    assert len(parsed.examples) >= 8
    assert doctest.DocTestRunner().run(parsed).failed == 0


def test_every_option_searched_by_default_is_named(guide):
    section = guide.partition("## What is searched")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z-]+)`", section))
    assert set(NAMES) - named == {"fusion-max-segments"}  # only searched when asked for

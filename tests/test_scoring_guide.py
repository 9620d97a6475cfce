"""The guide to scoring is true: its Python runs, its table of protocols is whole, its figures are the kernels' own."""

import doctest
import re
from pathlib import Path

import pytest

import tsmfeat
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.protocols import PROTOCOLS, protocol_named
from tsmfeat.workflows.bins import cut_annotations, cut_predictions

GUIDE = Path(tsmfeat.__file__).parents[1] / "docs" / "scoring.md"
FILES = {
    "S-CNN": ("pred_scnn_nms0.0.json.gz", "gt_thumos14_test.json", (0.1, 0.3, 0.5, 0.7)),
    "Run 2": ("thumos_devkit_run2_val.json", "thumos_devkit_gt_val.json", (0.1, 0.3, 0.5)),
}


@pytest.fixture
def guide():
    if not GUIDE.exists():
        pytest.skip("the guide is not installed")
    return GUIDE.read_text()


def test_the_examples_run(guide):
    parsed = doctest.DocTestParser().get_doctest(guide, {}, "scoring.md", str(GUIDE), 0)
    assert len(parsed.examples) >= 15
    assert doctest.DocTestRunner().run(parsed).failed == 0


def test_every_protocol_is_in_the_table(guide):
    rows = re.findall(r"^\| (`.*?`) \| .* \| .* \|$", guide, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row)]
    assert sorted(set(named)) == sorted(record.name for record in PROTOCOLS)


@pytest.mark.golden
def test_the_figures_of_the_table_are_what_is_computed(guide, shared_data):
    table = guide[guide.index("| | S-CNN .1") :].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    told = {name: row[1:] for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row[0])}
    assert told.keys() == {record.name for record in PROTOCOLS}
    for name, cells in told.items():
        record = protocol_named(name)
        computed = [
            f"{value:.3f}".lstrip("0")
            for predictions, truth, thresholds in FILES.values()
            for value in evaluate(
                read_predictions(shared_data(f"evaluation/{predictions}"), record.invalid),
                read_annotations(shared_data(f"evaluation/{truth}"), record.invalid),
                record,
                thresholds,
            ).map
        ]
        assert computed == cells, name


@pytest.mark.golden
def test_the_figures_of_the_units_are_what_is_computed(guide, shared_data):
    truth = read_annotations(shared_data("evaluation/gt_binego_like.json"))
    found = read_predictions(shared_data("evaluation/pred_binego_like.json"))
    bins = cut_annotations(truth)
    binned = cut_predictions(found, bins)
    for predictions, annotations in ((found, truth), (binned.predictions, bins.annotations)):
        told = "/".join(f"{value:.3f}".lstrip("0") for value in evaluate(predictions, annotations).map)
        assert told in guide.replace("\n", " ")

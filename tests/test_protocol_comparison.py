"""`score` under several protocols, presets of thresholds, subsets by each protocol's rule, and what ties do."""

import json

import numpy as np
import pytest
from conftest import DATA
from factories_heads import Recorder
from factories_metrics import annotations_of, predictions_of
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError
from tsmfeat.metrics.presets import PRESETS, preset_named, preset_thresholds
from tsmfeat.metrics.protocol_passes import evaluate_protocols
from tsmfeat.metrics.protocols import PROTOCOLS, protocol_named
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scoring import score
from tsmfeat_cli.main import app

NAMES = [record.name for record in PROTOCOLS]
# A predicted and a true segment without length: those that see them match them.
ROWS = [("walk", 0.0, 8.0, 0.9), ("walk", 20.0, 30.0, 0.8), ("walk", 50.0, 50.0, 0.7), ("walk", 0.0, 9.0, 0.6)]
TRUTH = [("walk", 0.0, 10.0), ("walk", 22.0, 30.0), ("walk", 40.0, 40.0)]


def call(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def files(tmp_path):
    found = [{"label": label, "segment": [start, end], "score": score} for label, start, end, score in ROWS]
    truth = [{"label": label, "segment": [start, end]} for label, start, end in TRUTH]
    (tmp_path / "found.json").write_text(json.dumps({"results": {"a": found}}))
    database = {"a": {"subset": "Test", "annotations": truth}}
    (tmp_path / "gt.json").write_text(json.dumps({"database": database}))
    return tmp_path / "found.json", tmp_path / "gt.json"


def test_each_protocol_of_a_list_scores_as_it_does_alone(files):
    report = score(*files, options=ScoreOptions(protocol=NAMES[0], protocols=tuple(NAMES[1:])))
    assert list(report.protocols) == NAMES[1:]
    for name, found in [(NAMES[0], report.evaluation), *report.protocols.items()]:
        alone = score(*files, options=ScoreOptions(protocol=name)).evaluation
        assert found.to_dict() == alone.to_dict()
    # Only some see the segments without length, whichever stands first.
    assert report.evaluation.num_annotations == 2
    assert report.protocols["activitynet"].num_annotations == 3
    turned = score(*files, options=ScoreOptions(protocol="activitynet", protocols=("paper", "opentad")))
    assert turned.protocols["paper"].to_dict() == report.evaluation.to_dict()
    assert turned.protocols["opentad"].to_dict() == report.protocols["opentad"].to_dict()


def test_pairs_at_a_threshold_are_those_of_the_protocols_own_thresholds():
    # tIoU .8 is a threshold of activitynet alone, .5 of both; one pass serves the thresholds of both.
    truth = annotations_of([("a", "walk", 0.0, 10.0), ("b", "walk", 0.0, 10.0)])
    found = predictions_of([("a", "walk", 0.0, 8.0, 0.9), ("b", "walk", 0.0, 5.0, 0.8)])
    both = evaluate_protocols(found, truth, [protocol_named("paper"), protocol_named("activitynet")])
    assert [each.num_at_threshold for each in both] == [1, 2]


def test_a_table_and_json_hold_every_protocol(files):
    words = ["score", files[0], "--annotations", files[1], "--protocol", "paper,activitynet,thumos14-2015"]
    found = json.loads(call(*words, "--json").stdout)
    assert (found["protocol"], list(found["protocols"])) == ("paper", ["activitynet", "thumos14-2015"])
    assert found["protocols"]["activitynet"]["tiou_thresholds"][8] == 0.8999999999999999
    table = call(*words).stdout.splitlines()
    heads = next(line for line in table if line.startswith("protocol")).split()
    assert heads == "protocol 0.5 0.55 0.6 0.65 0.7 0.75 0.8 0.85 0.9 0.95 mean".split()
    row = next(line for line in table if line.startswith("thumos14-2015")).split()
    assert row[2:-1] == ["-"] * 9
    assert row[1] == row[-1] == f"{found['protocols']['thumos14-2015']['map'][0]:.4f}"


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_spelled_as_the_protocols_code_spells_lists(preset):
    bounds = preset.first / 100, preset.last / 100
    made = np.linspace(*bounds, preset.count).tolist()
    assert preset_thresholds(preset, protocol_named("activitynet")) == tuple(made)
    literal = [float(f"{value:.2f}") for value in made]
    assert preset_thresholds(preset, protocol_named("opentad")) == tuple(literal)
    assert protocol_named(preset.protocol).name in NAMES


def test_a_preset_gives_each_protocol_its_own_spelling(files):
    progress = Recorder()
    options = ScoreOptions(protocol="opentad", protocols=("activitynet", "paper"), preset="epic")
    report = score(*files, options=options, progress=progress)
    assert report.evaluation.tiou_thresholds[2] == report.protocols["paper"].tiou_thresholds[2] == 0.3
    assert report.protocols["activitynet"].tiou_thresholds[2] == 0.30000000000000004
    assert ["--protocol epic" in call[1] for call in progress.of("note")] == [True]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"preset": "hcas"}, "hcas"),
        ({"protocols": ("papr",)}, "papr"),
        ({"preset": "hacs", "tiou_thresholds": (0.5,)}, "one list"),
    ],
)
def test_what_is_not_known_or_said_twice_is_refused(told, reason):
    with pytest.raises(ConfigurationError, match=reason):
        ScoreOptions(**told)
    assert preset_named("hacs").count == 10


def test_subsets_are_chosen_by_the_protocols_rule(files, tmp_path):
    content = json.loads(files[1].read_text())
    content["database"]["b"] = {"subset": "train", "annotations": [{"label": "walk", "segment": [0, 9]}]}
    gt = tmp_path / "two.json"
    gt.write_text(json.dumps(content))
    assert score(files[0], gt, options=ScoreOptions(protocol="epic")).evaluation.num_annotations == 4
    lower = ScoreOptions(protocol="actionformer", subset="test")
    assert score(files[0], gt, options=lower).evaluation.num_annotations == 2  # one lasts no millisecond
    with pytest.raises(ConfigurationError, match="none is named"):
        score(files[0], gt)
    with pytest.raises(ConfigurationError, match="'test'"):
        score(files[0], gt, options=ScoreOptions(subset="test"))


def test_ambiguous_segments_are_used_or_said_not_to_be(files, tmp_path):
    content = json.loads(files[1].read_text()) | {"ambiguous": {"a": [[49, 51]]}}
    gt = tmp_path / "ambiguous.json"
    gt.write_text(json.dumps(content))
    for name, words in (("paper", "left out"), ("thumos14-2015", "forgiven")):
        progress = Recorder()
        score(files[0], gt, options=ScoreOptions(protocol=name), progress=progress)
        assert [words in call[1] for call in progress.of("warn") if "ambiguous" in call[1]] == [True]


@pytest.mark.golden
def test_what_ties_do_is_told(shared_data):
    folder = shared_data("evaluation")
    expected = json.loads((folder / "expected_scnn_nms0.0.json").read_text())
    options = ScoreOptions(protocol="activitynet", subset="testing", tiou_thresholds=tuple(expected["tiou_thresholds"]))
    progress = Recorder()
    report = score(
        folder / "pred_scnn_nms0.0.json.gz", folder / "gt_thumos14_test.json", options=options, progress=progress
    )
    official = [expected["protocols"][f"activitynet_{order}"]["average_mAP"] for order in ("stable", "revstable")]
    assert report.tied_map_range == pytest.approx(official, abs=1e-12)
    assert report.to_dict()["tied_map_range"] == list(report.tied_map_range)
    assert ["0.1664 with them in file order, 0.1632 reversed" in call[1] for call in progress.of("warn")][-1]


def test_few_ties_are_not_worth_a_word():
    folder = DATA / "evaluation"
    words = ["score", folder / "pred_binego_like.json", "--annotations", folder / "gt_binego_like.json"]
    done = call(*words, "--subset", "test", "--json")
    assert json.loads(done.stdout)["tied_map_range"] is None
    assert "tied" not in done.stderr


def test_the_list_of_protocols_fits_a_narrow_terminal():
    lines = call("score", "--list-protocols").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[1:9]] == NAMES
    assert {preset.name for preset in PRESETS} <= {line.split()[0] for line in lines if line}

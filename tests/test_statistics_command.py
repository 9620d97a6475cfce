"""`tsmfeat score` with intervals, tests, simulated test sets and a diagnosis, as users and their scripts see it."""

import json

import numpy as np
import pytest
from conftest import DATA
from typer.testing import CliRunner

from tsmfeat_cli.main import app

GOLDEN = DATA / "evaluation"
TRUTH = ("--annotations", GOLDEN / "gt_binego_like.json", "--subset", "test", "-q")
PREDICTED = GOLDEN / "pred_binego_like.json"


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def rivals(tmp_path_factory):
    """A file that loses a tenth of the detections and blurs the scores, and one that does so hardly."""
    folder = tmp_path_factory.mktemp("rivals")
    golden = json.loads(PREDICTED.read_text())
    for name, noise in (("worse", 0.3), ("alike", 0.002)):
        random = np.random.default_rng(0)
        results = {
            video: [{**row, "score": abs(row["score"] + noise * random.normal())} for row in rows]
            for video, rows in golden["results"].items()
        }
        (folder / f"{name}.json").write_text(json.dumps({**golden, "results": results}))
    return folder


@pytest.mark.golden
def test_nothing_is_added_where_nothing_is_asked():
    found = json.loads(call("score", PREDICTED, *TRUTH, "--json").stdout)
    assert not {"bootstrap", "comparison", "split_bootstrap", "diagnosis"} & set(found)


@pytest.mark.golden
def test_intervals_stand_beside_the_score():
    words = ("score", PREDICTED, *TRUTH, "--bootstrap", 200)
    found = json.loads(call(*words, "--json").stdout)
    intervals = found["bootstrap"]
    low, high = intervals["final_score"]
    assert low < found["final_score"] < high
    assert np.shape(intervals["map"]) == (3, 2)
    assert np.shape(intervals["ap"]) == (len(found["classes"]), 3, 2)
    printed = call(*words).stdout
    assert "200 resamples of 16 videos, seed 0:" in printed
    assert f"{low:8.4f}" in printed
    assert json.loads(call(*words, "--json").stdout)["bootstrap"] == intervals
    assert json.loads(call(*words, "--json", "--seed", 1).stdout)["bootstrap"] != intervals


@pytest.mark.golden
@pytest.mark.parametrize("protocol", ["thumos14-2014", "thumos14-2015", "opentad", "mmaction2"])
def test_every_protocol_can_be_resampled(protocol, rivals):
    words = ("--protocol", protocol, "--bootstrap", 60, "--compare", rivals / "worse.json", "--split-bootstrap", 8)
    found = json.loads(call("score", PREDICTED, *TRUTH, *words, "--json").stdout)
    low, high = found["bootstrap"]["final_score"]
    assert low < found["final_score"] < high
    assert found["comparison"]["ranking"][0]["final_score"] == pytest.approx(found["final_score"])
    assert found["comparison"]["against"][0]["p_value"] < 0.05
    assert found["split_bootstrap"]["final_score"][0] == pytest.approx(found["final_score"])


@pytest.mark.golden
def test_a_comparison_says_plainly_who_is_better_and_who_is_not(rivals):
    words = ("score", PREDICTED, *TRUTH, "--bootstrap", 300)
    words += ("--compare", rivals / "worse.json", "--compare", rivals / "alike.json")
    found = json.loads(call(*words, "--json").stdout)["comparison"]
    worse, alike = found["against"]
    assert worse["source"] == str(rivals / "worse.json")
    assert worse["is_distinguishable"]
    assert worse["difference"] > 0
    assert worse["p_value"] <= worse["adjusted_p_value"] <= 0.05
    assert not alike["is_distinguishable"]
    assert alike["interval"][0] <= 0 <= alike["interval"][1]
    scores = [entry["final_score"] for entry in found["ranking"]]
    assert scores == sorted(scores, reverse=True)
    printed = call(*words).stdout
    assert printed.count("not distinguishable on these videos") == 1
    assert max(len(line) for line in printed.split("300 resamples")[1].splitlines()) <= 80


@pytest.mark.golden
def test_splits_rank_each_source_and_their_fusion(rivals):
    words = ("score", PREDICTED, rivals / "worse.json", *TRUTH, "--split-bootstrap", 8, "--bootstrap", 100)
    words += ("--compare", rivals / "alike.json")
    found = json.loads(call(*words, "--json").stdout)["split_bootstrap"]
    assert found["sources"] == ["fused", *(str(rivals / name) for name in ("alike.json",)), str(PREDICTED),
                                str(rivals / "worse.json")]  # fmt: skip
    assert (found["num_videos"], found["num_splits"]) == (8, 100)
    assert np.shape(found["flips"]) == (4, 4)
    assert sum(found["first_share"]) == pytest.approx(1.0)
    printed = call(*words).stdout
    assert "test sets of 8 videos each, 100 pairs of them:" in printed
    assert "not distinguishable on 8 videos: " in printed
    assert max(len(line) for line in printed.split("test sets of")[1].splitlines()) <= 80


@pytest.mark.golden
def test_one_source_alone_has_a_spread_and_no_rivals():
    printed = call("score", PREDICTED, *TRUTH, "--split-bootstrap", 5, "--bootstrap", 50).stdout
    assert "100.0%     1-1" in printed
    assert "reversed" not in printed


def test_a_rival_that_does_not_exist_is_an_input_error(tmp_path):
    done = call("score", PREDICTED, *TRUTH, "--compare", tmp_path / "none.json", code=4)
    assert "none.json" in done.output


def test_numbers_out_of_range_are_refused():
    assert "1 resamples" in call("score", PREDICTED, *TRUTH, "--bootstrap", 1, code=2).output


@pytest.mark.golden
@pytest.mark.parametrize("buckets", ["quantiles", "activitynet"])
def test_a_diagnosis_names_errors_costs_and_hard_truths(buckets):
    words = ("score", PREDICTED, *TRUTH, "--diagnosis", buckets)
    found = json.loads(call(*words, "--json").stdout)
    diagnosis = found["diagnosis"]
    assert (diagnosis["buckets"], diagnosis["num_truths"]) == (buckets, found["num_annotations"])
    assert diagnosis["tiou_thresholds"] == found["tiou_thresholds"]
    assert np.shape(diagnosis["profile"]) == (10, 6)
    assert [one["characteristic"] for one in diagnosis["sensitivity"]] == ["length", "coverage", "num-instances"]
    printed = call(*words).stdout.split("outcomes of the first")[1]
    assert f"{diagnosis['cost'][2]:+.4f}" in printed
    assert printed.count("normalised mAP") == 4
    assert max(len(line) for line in printed.splitlines()) <= 80


def test_unknown_buckets_are_refused_with_the_nearest():
    assert "quantiles" in call("score", PREDICTED, *TRUTH, "--diagnosis", "quantile", code=2).output

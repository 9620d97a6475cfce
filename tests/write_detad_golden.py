"""Write tests/data/diagnosis/detad.json with the official tool.

python tests/write_detad_golden.py DETAD/src SHARED/evaluation, where numpy 1.23, pandas 1.5 and joblib are installed.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
from factories_diagnosis import keep_comparable, read_json, spoil

NAMES = ["XS", "S", "M", "L", "XL"]
ACTIVITYNET = {
    "length": ([0, 30, 60, 120, 180, np.inf], NAMES),
    "coverage": (np.linspace(0, 1, 6), NAMES),
    "num-instances": ([-1, 1, 4, 8, np.inf], NAMES[:4]),
}
# As in the scripts, without coverage: the shared file of THUMOS14 has no durations.
THUMOS14 = {
    "length": ([0, 3, 6, 12, 18, np.inf], NAMES),
    "num-instances": ([-1, 1, 40, 80, np.inf], NAMES[:4]),
}
CASES = {
    "thumos14": ("gt_thumos14_test.json", "pred_thumos14_synth_unique.json", "testing", [0.3, 0.4, 0.5, 0.6, 0.7]),
    "activitynet": (
        "gt_activitynet13_validation.json.gz",
        "pred_activitynet_sample.json.gz",
        "validation",
        np.linspace(0.5, 0.95, 10).tolist(),
    ),
    "binego": ("gt_binego_like.json", "pred_binego_like.json", "test", [0.5, 0.75, 0.95]),
}


def load_tool(folder):
    """Import the scripts: no figures are drawn, and nothing runs in parallel."""
    for name in ("matplotlib", "matplotlib.font_manager", "matplotlib.pyplot"):
        sys.modules[name] = MagicMock()
    sys.path.insert(0, str(folder))
    import action_detector_diagnosis as tool
    import false_negative_analysis as negatives
    import false_positive_analysis as positives
    import sensitivity_analysis as sensitivity

    tool.Parallel = lambda n_jobs: lambda tasks: [job(*words, **named) for job, words, named in tasks]
    return tool.ActionDetectorDiagnosis, positives, sensitivity, negatives


def describe_truths(database):
    """Add the characteristics that the tool reads."""
    for video in database.values():
        for truth in video["annotations"]:
            truth["length"] = truth["segment"][1] - truth["segment"][0]
            truth["num-instances"] = len(video["annotations"])
            truth["coverage"] = truth["length"] / video["duration"] if "duration" in video else None


def run_case(tool, name, evaluation):
    """Return everything the three scripts say of one case."""
    diagnosis, positives, sensitivity, negatives = tool
    gt, pred, subset, thresholds = CASES[name]
    truth, predicted = read_json(evaluation / gt), read_json(evaluation / pred)
    describe_truths(truth["database"])
    results = predicted["results"] if name == "thumos14" else spoil(predicted["results"])
    results = keep_comparable(results, truth["database"], subset)
    bins = THUMOS14 if name == "thumos14" else ACTIVITYNET
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "gt.json"), Path(folder, "pred.json")]
        paths[0].write_text(json.dumps({"taxonomy": [], "version": "", **truth}))
        paths[1].write_text(json.dumps({"version": "", "external_data": {}, "results": results}))

        def make(limit, least):
            return diagnosis(
                *map(str, paths), tiou_thresholds=thresholds, limit_factor=limit, subset=subset,
                load_extra_annotations=True, characteristic_names_to_bins=bins, normalize_ap=True,
                minimum_normalized_precision_threshold_for_detection=least,
            )  # fmt: skip

        first, every, found = make(10, 0.0), make(None, 0.0), make(None, 0.05)
    first.evaluate()
    first.diagnose()
    outcomes = list(first.fp_error_types_legned)
    _, _, shares = positives.split_predictions_by_score_ranges(first, 10)
    golden = {
        "tiou_thresholds": thresholds,
        "num_truths": len(first.ground_truth),
        "outcomes": outcomes,
        "counts": [[int(first.fp_error_types_count[t][kind]) for kind in outcomes] for t in thresholds],
        "profile": [[float(shares[g]["avg"][kind]) for kind in outcomes] for g in range(10)],
        "map_n_first": float(first.average_mAP),
        "cost_n": [float(first.average_mAP_gain[kind]) for kind in outcomes[1:]],
    }
    first.normalize_ap = False
    first.average_mAP = first.wrapper_compute_average_precision()[0].mean()
    first.diagnose()
    golden["map_first"] = float(first.average_mAP)
    golden["cost"] = [float(first.average_mAP_gain[kind]) for kind in outcomes[1:]]
    every.evaluate()
    found.evaluate()
    golden["map_n"] = float(every.average_mAP)
    golden["sensitivity"] = {one: judge(sensitivity, negatives, every, found, one) for one in bins}
    return golden


def judge(sensitivity, negatives, every, found, characteristic):
    """Return [share of the truths, normalised mAP, share missed] of each bucket."""
    scores = sensitivity.compute_average_mAP_N_for_characteristic(every, characteristic)
    missed = negatives.fn_distribution_by_characteristic(found, characteristic)["avg"]
    return {
        str(name): [float(missed.loc[name, "all"]), float(scores[name]), float(missed.loc[name, "unmatched"])]
        for name in missed.index
    }


def main():
    """Write the file."""
    warnings.simplefilter("ignore")
    tool, evaluation = load_tool(Path(sys.argv[1])), Path(sys.argv[2])
    made_with = "write_detad_golden.py: HumamAlwassel/DETAD src at 24f7d95, numpy 1.23.5, pandas 1.5.3"
    content = {"made_with": made_with, **{name: run_case(tool, name, evaluation) for name in CASES}}
    target = Path(__file__).parent / "data" / "diagnosis" / "detad.json"
    target.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    sys.exit(main())

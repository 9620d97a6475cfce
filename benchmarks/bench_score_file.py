"""`tsmfeat score` on a prediction file: the whole process, against `json.loads` of the same bytes in a process."""

import sys
import tempfile
from pathlib import Path

from commands import PYTHON, run_json, tsmfeat
from harness import Case, command, compete, growth, require_equal
from inputs import make_detections, make_truth
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.formats.activitynet import write_annotations, write_predictions
from tsmfeat.metrics.average_precision import evaluate

SIZES, QUICK_SIZES = (100_000, 300_000, 1_000_000), (100, 200, 400)
OURS, PEER = "tsmfeat score", "json.loads"


def measure(setting: Setting) -> Report:
    """Time three sizes."""
    sizes = QUICK_SIZES if setting.quick else SIZES
    measured = [_measure_size(size, setting) for size in sizes]
    cases = [case for case, _ in measured]
    goal = Goal("score from file, whole process", OURS, PEER, 1.0, 0.7, at_most=True)
    exponents = {who: growth(cases, who, "predictions") for who in (OURS, PEER)}
    peaks = {who: round(max(cost.peak_bytes for cost in costs) / 1e6) for who, costs in cases[-1].costs.items()}
    facts = {f"peak MB, {sizes[-1]:,}": peaks, f"wall seconds by part, {sizes[-1]:,}": measured[-1][1]}
    return Report(cases, [judge(goal, cases[-1])], exponents, facts)


def _measure_size(count: int, setting: Setting) -> tuple[Case, dict[str, float]]:
    """Return the costs of a size, and how long each part of ours took in one run."""
    truth = make_truth(max(2, count // 200), 5 if setting.quick else 38, 20, setting.seed)
    found = make_detections(truth, count, setting.seed)
    with tempfile.TemporaryDirectory() as name:
        predictions, annotations = Path(name) / "predictions.json", Path(name) / "truth.json"
        write_predictions(found, predictions)
        write_annotations(truth, annotations)
        words = [*tsmfeat("score"), str(predictions), "--annotations", str(annotations)]
        scored = run_json(words)
        require_equal("final score", scored["final_score"], evaluate(found, truth).final_score, 1e-9)
        load = f"import json; json.loads(open({str(predictions)!r}, 'rb').read())"
        contestants = {OURS: command([*words, "-q"]), PEER: command([PYTHON, "-c", load])}
        sizes = {"predictions": count, "bytes": predictions.stat().st_size}
        case = compete(f"score {count:,} predictions from JSON", sizes, contestants, setting.pace(15))
        return case, {part: round(seconds, 3) for part, seconds in scored["seconds_by_part"].items()}


if __name__ == "__main__":
    sys.exit(run_benchmark("score_file", measure, OURS))

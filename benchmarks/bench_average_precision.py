"""AP at ten tIoUs: ours, the official evaluators' serial loop, a plain-numpy rewrite, and np.argsort (the limit).

Also with most scores equal, and under every protocol at once against one protocol after the other.
"""

import sys
from dataclasses import replace

import numpy as np
from harness import Case, Contestant, call, compete, growth, require_equal
from inputs import make_detections, make_truth
from peers.numpy_matching import evaluate_with_numpy
from peers.official import load_official
from peers.serial_matching import evaluate_serially
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.protocol_passes import evaluate_protocols
from tsmfeat.metrics.protocols import PROTOCOLS

THRESHOLDS = np.linspace(0.5, 0.95, 10)
TIOUS = tuple(THRESHOLDS.tolist())
# Predictions, classes, videos.
SIZES = ((1_000, 38, 50), (4_000, 38, 200), (16_000, 38, 200))
LARGE = ((100_000, 38, 200), (300_000, 38, 1_000), (1_000_000, 38, 5_000), (1_000_000, 200, 5_000))
QUICK_SIZES, QUICK_LARGE = ((60, 3, 4), (120, 3, 4), (240, 3, 4)), ((500, 3, 4), (600, 3, 4), (700, 3, 4))
OURS, SERIAL, NUMPY, LIMIT = "tsmfeat", "serial loop", "plain numpy", "np.argsort"
STABLE, TOGETHER, SINGLY = "np.argsort, stable", "all protocols at once", "one protocol after the other"
MANY_TIES, EVERY_PROTOCOL = (1_000_000, 38, 5_000), (100_000, 38, 1_000)
QUICK_TIES = QUICK_PROTOCOLS = (500, 3, 4)
TRUTHS_PER_VIDEO = 20


def measure(setting: Setting) -> Report:
    """Time evaluations: small ones against the peers, large ones against one sort."""
    small = [_measure_small(*size, setting) for size in (QUICK_SIZES if setting.quick else SIZES)]
    large = [_measure_large(*size, setting) for size in (QUICK_LARGE if setting.quick else LARGE)]
    ties = _measure_ties(*(QUICK_TIES if setting.quick else MANY_TIES), setting)
    every = _measure_protocols(*(QUICK_PROTOCOLS if setting.quick else EVERY_PROTOCOL), setting)
    official = [who for who in small[-1].costs if who not in (OURS, SERIAL, NUMPY)]
    goals = [judge(Goal("AP, official evaluator", who, OURS, 1000, 2500), small[-1]) for who in official]
    goals.append(judge(Goal("AP, plain numpy", NUMPY, OURS, 30, 100), small[-1]))
    goals += [judge(Goal("AP near one sort", OURS, LIMIT, 6, 4, at_most=True), case) for case in large[2:]]
    exponents = {who: growth(small, who, "predictions") for who in small[-1].costs}
    exponents["tsmfeat, large"] = growth(large[:3], OURS, "predictions")
    # The stand-in is many times faster than what it stands for: a goal set for that would say nothing about it.
    facts = {} if official else {"official evaluator": "not timed: no --peer-dir; the serial loop is no measure for it"}
    return Report([*small, *large, ties, every], goals, exponents, facts)


def _measure_small(count: int, num_classes: int, num_videos: int, setting: Setting) -> Case:
    truth = make_truth(num_videos, num_classes, TRUTHS_PER_VIDEO, setting.seed)
    found = make_detections(truth, count, setting.seed)
    works = {
        OURS: lambda: evaluate(found, truth, tiou_thresholds=TIOUS).ap,
        SERIAL: lambda: evaluate_serially(found, truth, THRESHOLDS),
        NUMPY: lambda: evaluate_with_numpy(found, truth, THRESHOLDS),
        **load_official(setting.peer_dir, found, truth, THRESHOLDS),
    }
    # The classes of an evaluation come by first appearance in the truth.
    places = [truth.vocabulary.id_of(name) for name in evaluate(found, truth).classes]
    for who in list(works)[1:]:
        require_equal(f"AP of {who}", works[OURS](), works[who]()[places], 1e-12)
    contestants: dict[str, Contestant] = {who: call(work) for who, work in works.items()}
    sizes = _sizes(count, num_classes, num_videos)
    return compete(f"AP of {count:,} predictions", sizes, contestants, setting.pace(25))


def _measure_large(count: int, num_classes: int, num_videos: int, setting: Setting) -> Case:
    truth = make_truth(num_videos, num_classes, TRUTHS_PER_VIDEO, setting.seed)
    found = make_detections(truth, count, setting.seed)
    score = found.segments.score
    contestants = {
        OURS: call(lambda: evaluate(found, truth, tiou_thresholds=TIOUS)),
        LIMIT: call(lambda: np.argsort(score)),
    }
    name = f"AP of {count:,} predictions, {num_classes} classes"
    return compete(name, _sizes(count, num_classes, num_videos), contestants, setting.pace(8))


def _measure_ties(count: int, num_classes: int, num_videos: int, setting: Setting) -> Case:
    """Scores of two decimals: nearly all are equal to others, and must stay in the order of their rows."""
    truth = make_truth(num_videos, num_classes, TRUTHS_PER_VIDEO, setting.seed)
    found = make_detections(truth, count, setting.seed)
    segments = replace(found.segments, score=np.round(found.segments.score, 2))
    tied = replace(found, segments=segments)
    contestants = {
        OURS: call(lambda: evaluate(tied, truth, tiou_thresholds=TIOUS)),
        LIMIT: call(lambda: np.argsort(segments.score)),
        STABLE: call(lambda: np.argsort(segments.score, kind="stable")),
    }
    name = f"AP of {count:,} predictions with many ties, {num_classes} classes"
    return compete(name, _sizes(count, num_classes, num_videos), contestants, setting.pace(8))


def _measure_protocols(count: int, num_classes: int, num_videos: int, setting: Setting) -> Case:
    truth = make_truth(num_videos, num_classes, TRUTHS_PER_VIDEO, setting.seed)
    found = make_detections(truth, count, setting.seed)
    together = evaluate_protocols(found, truth, PROTOCOLS)
    for one, record in zip(together, PROTOCOLS, strict=True):
        require_equal(f"AP under {record.name}", one.ap, evaluate(found, truth, record).ap)
    sizes = {**_sizes(count, num_classes, num_videos), "protocols": len(PROTOCOLS)}
    del sizes["tious"]
    contestants = {
        TOGETHER: call(lambda: evaluate_protocols(found, truth, PROTOCOLS)),
        SINGLY: call(lambda: [evaluate(found, truth, record) for record in PROTOCOLS]),
    }
    return compete(f"AP of {count:,} predictions under every protocol", sizes, contestants, setting.pace(8))


def _sizes(count: int, num_classes: int, num_videos: int) -> dict[str, float]:
    return {"predictions": count, "classes": num_classes, "videos": num_videos, "tious": len(THRESHOLDS)}


if __name__ == "__main__":
    sys.exit(run_benchmark("average_precision", measure))

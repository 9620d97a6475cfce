"""How hard the rendered benchmark is: what is counted in it, its ceilings, and controls that must fail.

    tsmfeat demo --size benchmark -o A --json > A/demo.json
    python benchmarks/study_rendered.py --folder A

`--folder` is what the demo leaves. Extracts the features of the controls into it, fits and scores their heads there,
and writes ``results/study_rendered.json``. Every chain is fitted with the demo's options; nothing is chosen here.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import current_date, describe_machine, list_versions
from reporting import RESULTS

from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.formats.reading import read_annotations
from tsmfeat.rendered_benchmark.actions import GROUPS
from tsmfeat.rendered_benchmark.drawing import VIEW_EDGES
from tsmfeat.rendered_benchmark.scripts import annotate_benchmark
from tsmfeat.trunk.narrow_names import SHIFTED, UNSHIFTED
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.segments import Segments
from tsmfeat.workflows.benchmark_dataset import count_benchmark, write_scripts_of
from tsmfeat.workflows.benchmark_options import STEPS, TrunkTrainingOptions
from tsmfeat.workflows.benchmark_trunk import train_benchmark_trunk
from tsmfeat.workflows.ceilings import measure_ceilings
from tsmfeat.workflows.demonstration import measure_direction
from tsmfeat.workflows.options import DemoOptions
from tsmfeat.workflows.score_options import CeilingOptions

DIALS = (0.0, 0.5, 1.0, 2.0)
SUBSET, VIEW, STEP = "testing", "panoramic", 0.5
OPTIONS = DemoOptions(size="benchmark")


def run(*words: object) -> tuple[dict[str, Any], float]:
    """Run one of our commands; return its JSON and its wall time."""
    began = time.monotonic()
    line = [sys.executable, "-m", "tsmfeat_cli", *map(str, words), "--json", "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout), time.monotonic() - began


def count_dials() -> list[dict[str, Any]]:
    """Return what is counted in the annotations at each setting of the dial; nothing is rendered for it."""
    found = []
    for bits in DIALS:
        truth = annotate_benchmark(write_scripts_of(replace(OPTIONS, scene_information=bits)))
        found.append({"scene_information": bits, **asdict(count_benchmark(truth))})
    return found


def count_views() -> dict[str, float]:
    """Return the share of the instances whose centre each view sees, over all videos and where it was recorded."""
    scripts = write_scripts_of(OPTIONS)
    instances = [(script, one) for script in scripts for one in script.instances]
    left, right = VIEW_EDGES["front_view"]
    recorded = [left <= one.x <= right for script, one in instances if len(script.views) == 2]
    return {
        "videos_with_front_view": float(np.mean([len(script.views) == 2 for script in scripts])),
        "seen_where_recorded": float(np.mean(recorded)),
        "seen_of_all": sum(recorded) / len(instances),
    }


def fit_and_score(folder: Path, name: str, store: Path, truth: Path, labels: Path) -> dict[str, Any]:
    """Fit heads by some labels on a store, and score them by the truth on the held-out videos."""
    heads, out = folder / f"control-{name}.safetensors", folder / f"control-{name}"
    fitting = ["--epochs", OPTIONS.epochs, "--lr", OPTIONS.lr, "--dropout", OPTIONS.dropout]
    run("fit-heads", store, "--annotations", labels, "-o", heads, *fitting)
    scored, _ = run("score", heads, "--features", store, "--annotations", truth, "--subset", SUBSET, "--out", out)
    direction = measure_direction(heads, store, truth, SUBSET)
    return {name: scored[name] for name in ("final_score", "map", "scene_accuracy")} | {"direction": direction}


def shuffle_labels(truth: Annotations, out: Path) -> Path:
    """Write annotations whose training and validation instances have each other's actions; the rest is as it was."""
    rows = truth.segments
    known = np.array([subset != SUBSET for subset in truth.subset])[rows.video]
    label = rows.label.copy()
    label[known] = np.random.default_rng(0).permutation(label[known])
    write_annotations(replace(truth, segments=Segments(rows.video, label, rows.start, rows.end, rows.score)), out)
    return out


def study_controls(folder: Path, truth: Path) -> dict[str, Any]:
    """Return what the trunk reaches with true labels, and what is left without labels, shift or training."""
    control = folder / "trunk-trained-without-shift.safetensors"
    if not control.exists():
        train_benchmark_trunk(control, TrunkTrainingOptions(shift=False))
    small = ["--num-frames", OPTIONS.num_frames, "--resize", OPTIONS.resize, "-t", STEP, "--view", VIEW]
    kinds = ["--trunk", f"{UNSHIFTED},{SHIFTED}", "--checkpoint", f"{control},random:0"]
    extracted, _ = run("extract", "--manifest", folder / "manifest.csv", "-o", folder / "controls", *kinds, *small)
    by_trunk = {spec["trunk"]: path for path, spec in zip(extracted["out"], extracted["specs"], strict=True)}
    (shifted,) = (folder / "features-trunk").glob(f"*_t{STEP:g}_{VIEW}.h5")
    stores = {
        "trained with shift": shifted,
        "trained without shift": Path(by_trunk[UNSHIFTED]),
        "untrained with shift": Path(by_trunk[SHIFTED]),
    }
    found = {name: fit_and_score(folder, name.replace(" ", "-"), store, truth, truth) for name, store in stores.items()}
    labels = shuffle_labels(read_annotations(truth), folder / "shuffled.json")
    name = "trained with shift, random labels"
    found[name] = fit_and_score(folder, "random-labels", shifted, truth, labels)
    return found


def read_tail(scores: Path, truth: Annotations) -> list[dict[str, Any]]:
    """Return AP at tIoU .5 of each group of actions, from the commonest to the rarest, with its instances."""
    with (scores / "per_class.csv").open(newline="") as stream:
        found = {row["class"]: float(row["ap@0.5"]) for row in csv.DictReader(stream)}
    counts = {name: count_benchmark(truth.select_subset(name)).counts for name in ("training", SUBSET)}
    return [
        {
            "actions": " / ".join(group.names),
            **{f"num_{name}": sum(own[action] for action in group.names) for name, own in counts.items()},
            "ap50": float(np.mean([found[action] for action in group.names])),
        }
        for group in GROUPS
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Make the study and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULTS / "study_rendered.json")
    chosen = parser.parse_args(words)
    folder, truth = chosen.folder, chosen.folder / "annotations.json"
    ceilings = measure_ceilings(truth, CeilingOptions(STEPS, subset=SUBSET)).to_dict()
    found = {
        "date": current_date(),
        "machine": describe_machine(),
        "versions": list_versions(),
        "dials": count_dials(),
        "views": count_views(),
        "ceilings": ceilings["ceilings"],
        "demo": json.loads((folder / "demo.json").read_text()),
        "controls": study_controls(folder, truth),
        "tail": read_tail(folder / "scores-panoramic_t0.5", read_annotations(truth)),
    }
    chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

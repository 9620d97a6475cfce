"""The paper's grid on the rendered benchmark: linear heads, whose tasks cannot help each other, and heads that share.

    python benchmarks/study_ablation.py --features A.h5 B.h5 ... --annotations annotations.json

Stores as `tsmfeat extract` makes them of what ``tsmfeat demo --size benchmark`` renders. Settings are fixed
beforehand, and the testing videos are not touched. Writes ``results/study_ablation.json``.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from machine import current_date, describe_machine
from reporting import RESULTS

from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.options import HeadOptions
from tsmfeat.priors.counts import count_actions
from tsmfeat.priors.information import scene_information
from tsmfeat.values.annotations import Annotations
from tsmfeat.workflows.ablation import ablate
from tsmfeat.workflows.ablation_options import AblateOptions
from tsmfeat.workflows.ablation_report import AblationReport
from tsmfeat_cli.ablation_tables import describe_ablation
from tsmfeat_cli.terminal import TerminalProgress

KINDS = ("linear", "mlp")
SUBSETS = ("training", "validation")


def fit_grid(features: list[Path], annotations: Path, kind: str, epochs: int, num_seeds: int) -> AblationReport:
    """Return the grid of one kind of heads."""
    heads = HeadOptions(head=kind, epochs=epochs, lr=0.03)
    options = AblateOptions(heads, num_seeds=num_seeds, subset=",".join(SUBSETS))
    with TerminalProgress() as progress:
        return ablate(features, annotations, None, options, progress)


def tell_information(annotations: Path) -> dict[str, Any] | None:
    """Return what scenes tell of actions on the videos that are ablated on."""
    truth = read_annotations(annotations)
    told = scene_information(count_actions(_select(truth)))
    return None if told is None else told.to_dict()


def _select(truth: Annotations) -> Annotations:
    return truth.select_videos([place for place, subset in enumerate(truth.subset) if subset in SUBSETS])


def main() -> int:
    """Make the study, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, nargs="+", required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="the others' grids stay")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--num-seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "study_ablation.json")
    words = parser.parse_args()
    found: dict[str, Any] = json.loads(words.out.read_text())["grids"] if words.out.exists() else {}
    for kind in words.kinds:
        began = time.process_time()
        report = fit_grid(words.features, words.annotations, kind, words.epochs, words.num_seeds)
        sys.stdout.write(f"\n{describe_ablation(report)}\n")
        found[kind] = {**report.to_dict(), "cpu_seconds": time.process_time() - began}
    study = {
        "study": "ablation",
        "date": current_date(),
        "machine": describe_machine(),
        "scene_information": tell_information(words.annotations),
        "grids": found,
    }
    words.out.write_text(json.dumps(study, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Features and annotations become heads."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tsmfeat.errors import CheckpointError, ConfigurationError
from tsmfeat.files import is_safetensors, make_folder, read_header, write_text
from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.checkpoint import HeadsCheckpoint, save_heads
from tsmfeat.heads.options import SEGMENT_HEADS, HeadOptions
from tsmfeat.priors.counts import count_actions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.fit_choice import ChosenHeads, calibrate_chosen, choose_by_validation
from tsmfeat.workflows.fit_data import FitData, load_fit_data, without_pseudo_labels
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fit_options_in_vain import list_vain_fitting
from tsmfeat.workflows.fit_report import FitReport, make_record
from tsmfeat.workflows.fitting_folds import choose_by_folds, deal_folds
from tsmfeat.workflows.kinds import require_own_table
from tsmfeat.workflows.scene_priors import weigh_by_scenes
from tsmfeat.workflows.splits import held_out_subset, select_videos
from tsmfeat.workflows.sweeps import SWEEP_COLUMN, sweep_table

_SILENCE = Silence()
_NO_NAMES = Vocabulary(())


def fit_heads(
    features: str | Path | Sequence[str | Path],
    annotations: str | Path,
    out: str | Path,
    options: FitOptions | None = None,
    progress: Progress = _SILENCE,
) -> FitReport:
    """Fit multi-task heads on stored features, and save the best of all runs by validation or by folds.

    Parameters
    ----------
    features
        Store files and folders of parts, opened as one store, or as one a view where `options` names views.
    annotations
        A file or folder of any known format.
    out
        The heads checkpoint to write (safetensors); a sweep's runs are listed in a CSV file beside it.
    options
        `FitOptions`; its defaults where None.
    progress
        Told of the split and of every epoch.

    Returns
    -------
    FitReport

    Raises
    ------
    TsmfeatError
        Features or annotations that are missing, damaged or do not fit each other; a full disk.
    """
    began = time.monotonic()
    options, out = options or FitOptions(), Path(out)
    runs = options.runs()
    sweep_out = out.with_name(f"{out.stem}.sweep.csv") if len(runs) > 1 else None
    _require_own_output(out)
    if sweep_out is not None:
        require_own_table(sweep_out, f"{SWEEP_COLUMN},")
    _require_interval_scores(runs, options)
    for sentence in list_vain_fitting(options):
        progress.note(sentence)
    truth = _read_truth(annotations, options, progress)
    make_folder(out.parent)
    data = load_fit_data(features, truth, options, progress)
    chosen = _choose(data, annotations, options, progress)
    pseudo = _compare_pseudo(data, chosen, annotations, options, progress)
    record = make_record(data, chosen, options, Path(annotations), pseudo)
    record["counts"] = count_actions(select_videos(data.truth, data.training.video_ids)).to_dict()
    record["scene_prior"] = prior = weigh_by_scenes(data, chosen, progress) if options.scene_prior else None
    weights = chosen.fitted.weights
    scenes = truth.scene_vocabulary if weights.scene_weight is not None else _NO_NAMES
    checkpoint = HeadsCheckpoint(
        weights, data.spec, truth.vocabulary, scenes, chosen.options.to_dict(), record, data.specs[1:]
    )
    save_heads(out, checkpoint)
    if sweep_out is not None:
        thresholds = [] if chosen.judged is None else chosen.judged.evaluation.tiou_thresholds
        write_text(sweep_out, sweep_table(chosen.runs, thresholds))
    return FitReport(
        str(out),
        len(data.training.video_ids),
        len(data.split.validation),
        chosen.fitted.record["num_rows"],
        chosen.fitted.record["best_epoch"],
        record["validation"],
        held_out_subset(truth.subsets(), data.split.subset),
        time.monotonic() - began,
        len(runs),
        chosen.ranking,
        "" if sweep_out is None else str(sweep_out),
        chosen.folds,
        chosen.oof,
        pseudo,
        prior,
        chosen.calibration,
        data.split.subset,
    )


def _read_truth(annotations: str | Path, options: FitOptions, progress: Progress) -> Annotations:
    truth = read_annotations(annotations, classes=options.classes or None)
    if truth.num_dropped:
        progress.warn(f"{truth.num_dropped} annotated segments were dropped: zero-length, reversed or not finite")
    if truth.num_ambiguous:
        progress.warn(f"{truth.num_ambiguous} annotated segments were left out: the annotators call them ambiguous")
    return truth


def _choose(data: FitData, annotations: str | Path, options: FitOptions, progress: Progress) -> ChosenHeads:
    if not options.num_folds:
        chosen = choose_by_validation(data, options.runs(), progress)
        return chosen if options.calibrate == "off" else calibrate_chosen(data, chosen, progress)
    folds = deal_folds(data, Path(annotations), options, progress)
    return choose_by_folds(data, options.runs(), folds, options, progress)


def _compare_pseudo(
    data: FitData, chosen: ChosenHeads, annotations: str | Path, options: FitOptions, progress: Progress
) -> dict[str, Any]:
    """Return what the chosen setting scores with pseudo-labels and without, on videos that they do not touch."""
    if not data.num_pseudo_videos or chosen.judged is None:
        return {}
    plain, runs = without_pseudo_labels(data), [chosen.options]
    if options.num_folds:
        folds = deal_folds(plain, Path(annotations), options)
        judged = choose_by_folds(plain, runs, folds, FitOptions(num_folds=options.num_folds), progress).judged
    else:
        judged = choose_by_validation(plain, runs, progress).judged
    without = None if judged is None else judged.evaluation.final_score
    return {
        "num_videos": data.num_pseudo_videos,
        "without": without,
        "with": chosen.fitted_score,
    }


def _require_interval_scores(runs: Sequence[HeadOptions], options: FitOptions) -> None:
    """Refuse what asks for scores of intervals where heads will have none, before anything is fitted."""
    named = [run.head for run in runs if run.head in SEGMENT_HEADS]
    asked = ["--save-oof"] * bool(options.save_oof) + ["--scene-prior"] * options.scene_prior
    asked += ["--calibrate"] * (options.calibrate != "off")
    if named and asked:
        raise ConfigurationError(
            f"{asked[0]} and --head {named[0]}: it says segments itself, and has no scores of intervals",
            f"leave {asked[0]} out, or use another kind of head",
        )


def _require_own_output(out: Path) -> None:
    """Refuse to replace anything but heads: a mistyped -o must not cost a store, annotations or a video."""
    if not out.exists():
        return
    if is_safetensors(out) and _kind_of(out) == "heads":
        return
    raise ConfigurationError(
        f"{out}: exists and holds no heads; only a heads checkpoint is replaced", "choose another -o, or move it away"
    )


def _kind_of(path: Path) -> object:
    try:
        return read_header(path).get("kind")
    except CheckpointError:
        return None

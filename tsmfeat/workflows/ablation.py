"""The grid of the paper's Table 3 on one's own data: single and multi-task, trunks, steps, and ensembles of them."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tsmfeat.errors import ConfigurationError, InputError, did_you_mean
from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.options import TASKS, HeadOptions
from tsmfeat.metrics.protocols import PAPER
from tsmfeat.metrics.resampling import Counts, Population
from tsmfeat.store.folders import expand_paths
from tsmfeat.store.reader import FeatureStore
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.ablation_ensembles import WEIGHTINGS, fuse_members
from tsmfeat.workflows.ablation_files import require_ablation_output, write_ablation
from tsmfeat.workflows.ablation_folds import predict_out_of_fold
from tsmfeat.workflows.ablation_options import AblateOptions
from tsmfeat.workflows.ablation_report import MULTI, SINGLE, AblationReport, Cell, CellDifference, find_best
from tsmfeat.workflows.ablation_scores import compare_cells, draw_resamples, judge_cell
from tsmfeat.workflows.fit_options_in_vain import list_vain_heads
from tsmfeat.workflows.folds import deal_videos, number_groups
from tsmfeat.workflows.inference import gather_features
from tsmfeat.workflows.scored_sources import list_paths
from tsmfeat.workflows.splits import select_videos
from tsmfeat.workflows.view_stores import open_by_spec

_SILENCE = Silence()
_TASKS_OF = {SINGLE: (TASKS[0],), MULTI: TASKS}
# Two matrices that share nothing but their input: no scene can reach an action.
_SEPARATE_HEADS = ("linear",)
# Fields of a spec that name features where more than trunk and step differ.
_NAMING_FIELDS = ("view", "shift", "num_frames", "clip_seconds", "geometry", "precision", "checkpoint_digest")

# Tasks -> features -> predictions, one a seed.
_Found = dict[str, dict[str, list[Predictions]]]


@dataclass(frozen=True, eq=False)
class _Job:
    truth: Annotations
    fold_of: Mapping[str, int]
    counts: Counts
    options: AblateOptions
    progress: Progress

    @property
    def fitted_tasks(self) -> tuple[str, ...]:
        """What has to be fitted: linear heads of both tasks hold those of one."""
        if not (self.truth.scene != NO_SCENE).any():
            return (SINGLE,)
        return (MULTI,) if self.options.heads.head in _SEPARATE_HEADS else (SINGLE, MULTI)


def ablate(
    features: str | Path | Sequence[str | Path],
    annotations: str | Path,
    out: str | Path | None = None,
    options: AblateOptions | None = None,
    progress: Progress = _SILENCE,
) -> AblationReport:
    """Fit and judge every cell of the grid {single, multi} × stores, then ensembles over the stores.

    Every video is predicted by heads that did not see it, and all cells are judged on the same videos. Linear heads
    share nothing between tasks: their single and multi-task actions are equal by construction, and fitted once.

    Parameters
    ----------
    features
        Stores of different specs, each a trunk and a step: files, folders of parts, and folders of several kinds.
    annotations
        A file or folder of any known format.
    out
        Folder for ``ablation.json``, ``ablation.csv`` and ``ablation.md``; None: none.
    options
        `AblateOptions`; its defaults where None.
    progress
        Told of what does not fit, and of every fold.

    Returns
    -------
    AblationReport

    Raises
    ------
    ConfigurationError
        No store, two of one spec, several subsets and none named, or fewer videos than folds.
    TsmfeatError
        Files that are missing, damaged or do not fit each other; a full disk.
    """
    began = time.monotonic()
    options, paths = options or AblateOptions(), list_paths(features)
    if out is not None:
        require_ablation_output(Path(out), [*paths, annotations, options.classes])
    for sentence in list_vain_heads([options.heads]):
        progress.note(sentence)
    truth = _read_truth(annotations, options, progress)
    with ExitStack() as stack:
        # A folder may hold a file for each of several kinds of features.
        stores = [store for path in paths for store in open_by_spec(expand_paths(path), stack)]
        named = name_stores(stores)
        truth = _keep_common(truth, stores, progress)
        fold_of = deal_videos(truth.video_ids, annotations, options.num_folds, options.group, progress)
        population = Population(truth, number_groups(truth.video_ids, annotations, options.group))
        counts = draw_resamples(population, options.num_resamples, options.heads.seed)
        job = _Job(truth, fold_of, counts, options, progress)
        found = _fit_grid(job, named)
    cells = _judge_grid(job, found)
    ensembles = _judge_ensembles(job, found, list(named))
    report = AblationReport(
        specs={name: store.spec for name, store in named.items()},
        cells=tuple(cells),
        ensembles=tuple(ensembles),
        differences=tuple(_list_differences(cells, ensembles)),
        tiou_thresholds=PAPER.tiou_thresholds,
        num_videos=len(job.truth.video_ids),
        num_segments=len(job.truth.segments),
        num_actions=len(job.truth.vocabulary),
        num_scenes=len(job.truth.scene_vocabulary),
        options=options,
        out="" if out is None else str(out),
        seconds=time.monotonic() - began,
    )
    if out is not None:
        write_ablation(report, Path(out))
    return report


def _read_truth(annotations: str | Path, options: AblateOptions, progress: Progress) -> Annotations:
    truth = read_annotations(annotations, classes=options.classes or None)
    if truth.num_dropped:
        progress.warn(f"{truth.num_dropped} annotated segments were dropped: zero-length, reversed or not finite")
    known = truth.subsets()
    if not options.subset:
        if len(known) > 1:
            listed = ", ".join(repr(name) for name in known)
            raise ConfigurationError(
                f"the annotations hold {len(known)} subsets ({listed}) and none is named; their videos are dealt into "
                "folds",
                "name those to be held out in turn: --subset training,validation",
            )
        return truth
    wanted = options.subset.split(",")
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known) or f"subsets are {', '.join(filter(None, known)) or 'not given'}"
            raise ConfigurationError(f"subset {name!r} does not occur in the annotations", hint)
    return truth.select_videos([place for place, name in enumerate(truth.subset) if name in wanted])


def name_stores(stores: Sequence[FeatureStore]) -> dict[str, FeatureStore]:
    """Return the stores by trunk and step, and by whatever else tells them apart.

    Raises
    ------
    ConfigurationError
        There is none, or two have one spec.
    """
    if not stores:
        raise ConfigurationError("no features to fit heads on", "add --features FEATURES.h5, once a trunk and step")
    specs = [store.spec for store in stores]
    for place, spec in enumerate(specs):
        if spec in specs[:place]:
            raise ConfigurationError(
                f"{stores[specs.index(spec)].files[0]} and {stores[place].files[0]} hold features of one spec; each "
                "cell has its own",
                "name one of them, or merge them first: tsmfeat merge",
            )
    names = [f"{spec.trunk} t{spec.step_seconds:g}" for spec in specs]
    for field in _NAMING_FIELDS:
        twins = [name for name in names if names.count(name) > 1]
        values = {getattr(spec, field) for name, spec in zip(names, specs, strict=True) if name in twins}
        if len(values) > 1:
            pairs = zip(names, specs, strict=True)
            names = [f"{name}{_word(field, spec)}" if name in twins else name for name, spec in pairs]
    unique = [name if names.count(name) == 1 else f"{name} #{place + 1}" for place, name in enumerate(names)]
    return dict(zip(unique, stores, strict=True))


def _word(field: str, spec: FeatureSpec) -> str:
    match field:
        case "shift":
            return " shift" if spec.shift else " no-shift"
        case "num_frames":
            return f" T{spec.num_frames}"
        case "clip_seconds":
            return f" clip{spec.clip_seconds:g}"
        case "checkpoint_digest":
            return f" #{spec.checkpoint_digest[:6]}"
        case _:
            value = getattr(spec, field)
            return f" {value}" if value else ""


def _keep_common(truth: Annotations, stores: Sequence[FeatureStore], progress: Progress) -> Annotations:
    common = [name for name in truth.video_ids if all(name in store for store in stores)]
    if len(common) < len(truth.video_ids):
        progress.warn(
            f"{len(truth.video_ids) - len(common)} of {len(truth.video_ids)} annotated videos are not in every store: "
            "left out of all cells, which are judged on the same videos"
        )
    if not common:
        raise InputError(
            f"none of the {len(truth.video_ids)} annotated videos is in every store",
            "check that the ids of features and annotations agree: tsmfeat inspect FEATURES --json",
        )
    truth = select_videos(truth, common)
    if not len(truth.segments):
        raise InputError(f"the {len(common)} videos hold no annotated segment; nothing can be scored", "")
    return truth


def _fit_grid(job: _Job, stores: Mapping[str, FeatureStore]) -> _Found:
    """Fit all cells, store by store: one table of embeddings is in memory at a time."""
    heads, seeds, fitted = job.options.heads, job.options.seeds, job.fitted_tasks
    runs: list[HeadOptions] = [replace(heads, tasks=_TASKS_OF[tasks], seed=seed) for tasks in fitted for seed in seeds]
    found: _Found = {tasks: {} for tasks in fitted}
    for number, (name, store) in enumerate(stores.items(), 1):
        job.progress.note(f"{name}: {job.options.num_folds} folds, store {number} of {len(stores)}")
        features = gather_features(store, job.truth.video_ids)
        predicted = predict_out_of_fold(features, job.truth, store.spec, job.fold_of, runs, job.progress)
        for place, tasks in enumerate(fitted):
            found[tasks][name] = predicted[place * len(seeds) : (place + 1) * len(seeds)]
    return found


def _judge_grid(job: _Job, found: _Found) -> list[Cell]:
    cells: list[Cell] = []
    for name in next(iter(found.values())):
        judged = {
            tasks: judge_cell(by_name[name], job.truth, job.counts, [name], tasks, "")
            for tasks, by_name in found.items()
        }
        if list(judged) == [MULTI]:
            equal = replace(judged[MULTI], tasks=SINGLE, equal_to=MULTI, scene_accuracy=None)
            judged = {SINGLE: equal, **judged}
        cells += judged.values()
    return cells


def _judge_ensembles(job: _Job, found: _Found, names: Sequence[str]) -> list[Cell]:
    if len(names) < 2:
        return []
    judged = []
    for tasks, by_name in found.items():
        of_seeds = [
            fuse_members([by_name[name][place] for name in names], job.truth, job.fold_of, job.options.fusion, seed)
            for place, seed in enumerate(job.options.seeds)
        ]
        for weighting in WEIGHTINGS:
            listed = [ensembles[weighting] for ensembles in of_seeds]
            cell = judge_cell([one.predictions for one in listed], job.truth, job.counts, names, tasks, weighting)
            weights: list[float] = np.mean([one.weights for one in listed], axis=0).tolist()
            gains = [one.fold_gain for one in listed if one.fold_gain is not None]
            gain = float(np.mean(gains)) if gains else None
            judged.append(replace(cell, weights=tuple(weights), fold_gain=gain))
    return judged


def _list_differences(cells: Sequence[Cell], ensembles: Sequence[Cell]) -> list[CellDifference]:
    """Compare what the grid is about: tasks where both were fitted, and ensembles with the best of their cells."""
    found = []
    for cell in cells:
        single = [one for one in cells if one.features == cell.features and one.tasks == SINGLE and not one.equal_to]
        found += [compare_cells(cell, one) for one in single if cell.tasks == MULTI]
    best = find_best(cells)
    return found + [compare_cells(ensemble, best) for ensemble in ensembles]

"""Raw videos to predict on: embedded with exactly the specs that heads were fitted on."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.store.folders import output_files
from tsmfeat.store.reader import FeatureStore, open_features
from tsmfeat.values.features import FeatureSpec, require_same_spec
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.extraction import (
    find_sources,
    load_trunks,
    require_plannable,
    run_plan,
)
from tsmfeat.workflows.extraction_plan import SpecOutput, name_outputs, specify
from tsmfeat.workflows.extraction_report import ExtractReport
from tsmfeat.workflows.extraction_resuming import ExtractPlan
from tsmfeat.workflows.manifests import read_manifest
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.sources import find_videos
from tsmfeat.workflows.trunk_matching import extract_options, match_trunks


def embed_videos(
    videos: Sequence[str],
    specs: Sequence[FeatureSpec],
    options: PredictOptions,
    listeners: tuple[Progress, Callable[[], bool]],
    stack: ExitStack,
) -> tuple[tuple[FeatureStore, ...], tuple[dict[str, str], ...], tuple[str, ...]]:
    """Make the features of raw videos, once a spec, and open them.

    Parameters
    ----------
    videos
        As `tsmfeat.workflows.extract` takes them; none with a manifest.
    specs
        What the heads were fitted on.
    options
        Checkpoints, readers, and where the features stay.
    listeners
        Progress, and what says that the run is to stop.
    stack
        Closes the stores, and removes what is not kept.

    Returns
    -------
    stores, failed, video_ids
        A store a spec, none after a stopped run; ``{"path", "reason"}`` of each video that cannot be read; the videos
        asked for: a store that is kept may hold others.

    Raises
    ------
    ConfigurationError
        Options that do not fit.
    SpecMismatchError
        No checkpoint has the weights of a spec, or kept features are of another one.
    InputError
        No video can be read.
    """
    if options.video_ids:
        raise ConfigurationError(
            f"--video {options.video_ids[0]} picks from a feature store, and the sources are raw videos",
            "name the file of the video itself",
        )
    _require_videos(videos, specs, options)
    trunks = match_trunks(specs, options.checkpoints, options.manifest)
    if options.features_out:
        places = name_outputs(Path(options.features_out), specs)
    else:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tsmfeat-predict-")))
        places = [folder / str(number) for number in range(len(specs))]
    failed: dict[str, dict[str, str]] = {}
    video_ids: tuple[str, ...] = ()
    # Files of another view are other videos. And the decoder is one a pass: with its own scaler it is part of the
    # identity.
    for view, reader in dict.fromkeys((spec.view, spec.reader) for spec in specs):
        own = [(spec.view, spec.reader) == (view, reader) for spec in specs]
        wanted = [pair for pair, is_own in zip(zip(specs, places, strict=True), own, strict=True) if is_own]
        report = _extract(videos, wanted, trunks, options, listeners)
        if report.stopped:
            return (), tuple(failed.values()), ()
        video_ids = tuple(dict.fromkeys((*video_ids, *report.video_ids)))
        failed |= {entry["path"]: entry for entry in report.failed}
    if not all(output_files(place) for place in places):
        raise _nothing_read(list(failed.values()))
    stores = tuple(stack.enter_context(open_features(place)) for place in places)
    return stores, tuple(failed.values()), video_ids


def _extract(
    videos: Sequence[str],
    wanted: Sequence[tuple[FeatureSpec, Path]],
    checkpoints: Mapping[FeatureSpec, str],
    options: PredictOptions,
    listeners: tuple[Progress, Callable[[], bool]],
) -> ExtractReport:
    """Make features of several specs in one pass over the videos."""
    asked = [extract_options(spec, checkpoints[spec], options) for spec, _ in wanted]
    # A trunk's batches hold frames of one size.
    kinds = list(dict.fromkeys((each.trunks[0], each.geometries[0]) for each in asked))
    trunks, geometries = zip(*kinds, strict=True)
    shared = replace(asked[0], trunk=trunks, resizes=geometries, clip_seconds=None)
    loaded = load_trunks(shared, listeners[0])
    outputs = []
    for (spec, place), each in zip(wanted, asked, strict=True):
        require_plannable(each)
        number = kinds.index((each.trunks[0], each.geometries[0]))
        made = specify(loaded[number].trunk, trunks[number], spec.precision, each, spec.geometry)
        require_same_spec(spec, made, "the heads", "these videos")
        outputs.append(SpecOutput(made, place, number))
    out = wanted[0][1] if len(wanted) == 1 else wanted[0][1].parent
    plan = ExtractPlan(out, tuple(find_sources(videos, shared)), tuple(outputs), tuple(loaded))
    return run_plan(plan, shared, *listeners)


def _require_videos(videos: Sequence[str], specs: Sequence[FeatureSpec], options: PredictOptions) -> None:
    if options.manifest:
        read_manifest(Path(options.manifest))
    elif "-" not in videos:
        # What is misspelt should show before a trunk is loaded.
        find_videos(videos, options.id_rule)
    elif len({spec.reader for spec in specs}) > 1:
        raise ConfigurationError(
            "videos listed on stdin can be read once, and the heads were fitted on features of several decoders",
            "write the list to a .txt file and name that",
        )


def _nothing_read(failed: Sequence[dict[str, str]]) -> InputError:
    first = f"{failed[0]['path']}: {failed[0]['reason']}"
    if len(failed) == 1:
        return InputError(first, "check that it is a video: tsmfeat validate FILE")
    return InputError(f"none of {len(failed)} videos can be read; {first}", "tsmfeat validate VIDEOS lists why")

"""What heads are run on: stores that are there, or raw videos embedded for the occasion."""

import glob
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.store.folders import is_packed_output, output_files
from tsmfeat.store.reader import FeatureStore
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.progress import Progress
from tsmfeat.video.options import VIDEO_SUFFIXES
from tsmfeat.workflows.kinds import KIND_NAMES, holds_store, recognize
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.sources import LIST_SUFFIXES
from tsmfeat.workflows.view_stores import open_by_spec

_REMEDIES = {
    "heads": "name heads with an option: --heads FILE",
    "interval-scores": "tsmfeat score takes them as they are",
    "trunk": "name the trunk's weights with an option: --checkpoint FILE",
}


@dataclass(frozen=True, eq=False)
class OpenedFeatures:
    """Stores open for reading, and what became of the raw videos they were made from.

    Parameters
    ----------
    stores
        One a spec.
    failed
        ``{"path", "reason"}`` of each raw video that could not be read.
    video_ids
        The videos asked for; empty for all that are stored.
    stopped
        Whether the extraction was asked to stop before its end: the stores are incomplete then.
    """

    stores: tuple[FeatureStore, ...]
    failed: tuple[dict[str, str], ...] = ()
    video_ids: tuple[str, ...] = ()
    stopped: bool = False


@contextmanager
def open_sources(
    sources: Sequence[str],
    specs: Sequence[FeatureSpec],
    options: PredictOptions,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> Iterator[OpenedFeatures]:
    """Open the features that some sources stand for; those of raw videos are made first.

    Parameters
    ----------
    sources
        Feature stores (files, folders of parts, patterns), or raw videos (`tsmfeat.workflows.sources.find_videos`);
        not both. None with a manifest of raw videos.
    specs
        The distinct specs wanted.
    options
        For raw videos.
    progress, should_stop
        Handed to the extraction.

    Raises
    ------
    ConfigurationError
        No source, stores and videos at once, or options that do not fit the sources.
    SpecMismatchError
        No checkpoint has the weights of a wanted spec.
    TsmfeatError
        What opening and extracting raise.
    """
    if not sources and not options.manifest:
        raise ConfigurationError("no source to predict on", "name feature stores, video files or a folder of videos")
    found = {text: _stores_of(text) for text in sources}
    stores = [path for paths in found.values() for path in paths]
    videos = [text for text, paths in found.items() if not paths]
    if stores and videos:
        raise ConfigurationError(
            f"{stores[0]} is a feature store and {videos[0]} is not; a run predicts on stores or on raw videos",
            "predict on each in a run of its own",
        )
    if options.manifest and sources:
        raise ConfigurationError(
            f"{sources[0]} and --manifest {options.manifest} are named; a run takes one of the two",
            "leave --manifest out for feature stores, and name raw videos in it",
        )
    with ExitStack() as stack:
        if stores:
            _refuse_video_options(options)
            yield OpenedFeatures(_open_by_spec(stores, stack))
        else:
            # Loading torch takes seconds, and stores need none.
            from tsmfeat.workflows.raw_videos import embed_videos

            made, failed, video_ids = embed_videos(videos, specs, options, (progress, should_stop), stack)
            yield OpenedFeatures(made, failed, video_ids, stopped=not made)


def _stores_of(text: str) -> list[Path]:
    """Return the stores that a source stands for; none where it stands for videos."""
    path = Path(text)
    if not path.exists() and glob.has_magic(text):
        matched = [Path(entry) for entry in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 - a whole pattern
        return [entry for entry in matched if holds_store(entry)]
    if path.is_file() and path.suffix.lower() not in LIST_SUFFIXES:
        kind = recognize(path)
        if kind not in ("features", "video"):
            raise InputError(
                f"{path}: {KIND_NAMES[kind]}; predictions are made on feature stores and raw videos",
                _REMEDIES.get(kind, "name stores or videos"),
            )
        return [path] if kind == "features" else []
    if path.is_dir() and output_files(path):
        _require_no_videos(path)
        return [path]
    return [path] if is_packed_output(path) and not path.exists() else []


def _require_no_videos(folder: Path) -> None:
    videos = [path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES]
    if videos:
        raise ConfigurationError(
            f"{folder}: holds feature stores and videos ({videos[0].name}); a run predicts on one of them",
            "name the files that are meant",
        )


def _refuse_video_options(options: PredictOptions) -> None:
    if options.features_out:
        raise ConfigurationError(
            "--features-out keeps the features of raw videos, and the sources are stores already", "leave it out"
        )


def _open_by_spec(paths: Sequence[Path], stack: ExitStack) -> tuple[FeatureStore, ...]:
    """Open stores, all files of one spec as one."""
    return open_by_spec([file for path in dict.fromkeys(paths) for file in output_files(path) or [path]], stack)

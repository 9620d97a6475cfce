"""Checks of videos: their packets always, every frame on demand, in reader processes that may die."""

from collections.abc import Sequence
from pathlib import Path

from tsmfeat.values.progress import Progress
from tsmfeat.video.options import VideoOptions, resolve_workers
from tsmfeat.video.probing import probe_video
from tsmfeat.video.quality import require_whole_file
from tsmfeat.video.reading import ReaderLimits, ReaderPool
from tsmfeat.video.tasks import ClipRecipe, ClipsReady, ReadTask, VideoFailed, VideoRead, VideoRetried

# The cheapest clips there are: what counts is that every frame is decoded on the way.
_RECIPE = ClipRecipe(step_seconds=10.0, num_frames=1, geometry_name="square16")


def check_packets(path: Path) -> None:
    """Look a video over without decoding it.

    Raises
    ------
    VideoError
        It cannot be read, or the file ends before its video does.
    EnvironmentLackError
        No decoder for its codec.
    """
    require_whole_file(probe_video(path))


def check_frames(paths: Sequence[Path], options: VideoOptions, progress: Progress) -> dict[Path, list[str]]:
    """Decode every frame of some videos, several at a time, and return what is wrong with each.

    Parameters
    ----------
    paths
        Video files.
    options
        Readers, and the share of bad packets that is borne.
    progress
        Told of every video.

    Returns
    -------
    dict
        Problems by path; none where the video is complete.
    """
    problems: dict[Path, list[str]] = {}
    tasks = [
        ReadTask(key, str(path), (_RECIPE,), max_bad=options.max_bad, decoder=options.decoder)
        for key, path in enumerate(paths)
    ]
    limits = ReaderLimits(options.reader_memory_gb, options.reader_timeout_seconds)
    with ReaderPool(min(resolve_workers(options.workers), len(tasks)), limits=limits) as pool:
        for event in pool.read(tasks):
            if isinstance(event, ClipsReady):
                event.release()
            elif isinstance(event, VideoRetried):
                progress.warn(f"{event.reason}; tried again with {event.decoder}")
            elif isinstance(event, VideoRead | VideoFailed):
                path = paths[event.key]
                reason = event.reason if isinstance(event, VideoFailed) else ""
                problems[path] = [reason.removeprefix(f"{path}: ")] if reason else []
                progress.advance(1, path.name)
    return problems

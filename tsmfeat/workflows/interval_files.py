"""Files of interval scores as sources: which videos are wanted of them."""

from collections.abc import Sequence

from tsmfeat.errors import InputError
from tsmfeat.formats.interval_scores import read_interval_scores
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress


def read_wanted_scores(path: str, video_ids: Sequence[str], progress: Progress) -> IntervalScores:
    """Return the interval scores that a file holds of some videos.

    Parameters
    ----------
    path
        The file.
    video_ids
        Those wanted.
    progress
        Told of videos that it lacks.

    Raises
    ------
    InputError
        Unreadable, or it holds none of them.
    """
    found = read_interval_scores(path)
    place_of = {video_id: place for place, video_id in enumerate(found.video_ids)}
    missing = [video_id for video_id in video_ids if video_id not in place_of]
    if len(missing) == len(video_ids):
        raise InputError(
            f"{path}: holds none of the {len(missing)} evaluated videos ({', '.join(missing[:3])}, ...)",
            f"check that its ids and those of the annotations agree: tsmfeat inspect {path} --verbose",
        )
    if missing:
        progress.warn(
            f"{path}: {len(missing)} of {len(video_ids)} videos have no interval scores, such as {missing[0]!r}: "
            "all is missed there"
        )
    return found.select_videos([place_of[video_id] for video_id in video_ids if video_id in place_of])

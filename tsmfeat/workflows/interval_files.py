"""Files of interval scores as sources and as outputs: which videos are wanted of them, and where they come from."""

from collections.abc import Sequence
from pathlib import Path

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.files import make_folder, sha256_file
from tsmfeat.formats.interval_scores import read_interval_scores, write_interval_scores
from tsmfeat.heads.checkpoint import HeadsCheckpoint
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.kinds import require_replaceable


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


def require_scores_outputs(outputs: Sequence[str], num_heads: int) -> None:
    """Refuse outputs of interval scores that are not one a heads checkpoint, or something else already.

    Raises
    ------
    ConfigurationError
        Their number is not that of the heads, a name occurs twice, or a file of another kind is there.
    """
    if outputs and len(outputs) != num_heads:
        raise ConfigurationError(
            f"{len(outputs)} files of interval scores for {num_heads} heads; each heads checkpoint has its own",
            "repeat --save-scores once a --heads, in the same order",
        )
    for number, output in enumerate(outputs):
        if Path(output).resolve() in [Path(other).resolve() for other in outputs[:number]]:
            raise ConfigurationError(f"--save-scores {output}: named twice; each heads has a file", "rename one")
        require_replaceable(Path(output), "interval-scores")


def save_interval_scores(scores: IntervalScores, out: str, checkpoint: HeadsCheckpoint, heads: str) -> None:
    """Write what heads say of every interval, with the heads they come from.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    make_folder(Path(out).parent)
    record = {
        "heads": {"name": Path(heads).name, "sha256": sha256_file(Path(heads))},
        "validation": checkpoint.record.get("validation"),
        "split": checkpoint.record.get("split"),
        "counts": checkpoint.record.get("counts"),
    }
    write_interval_scores(scores, out, checkpoint.spec, record)

"""Files of interval scores as outputs: may they be written, and which heads they come from."""

from collections.abc import Sequence
from pathlib import Path

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import make_folder, sha256_file
from tsmfeat.formats.interval_scores import write_interval_scores
from tsmfeat.heads.checkpoint import HeadsCheckpoint
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.workflows.kinds import require_replaceable


def require_scores_outputs(outputs: Sequence[str], num_heads: int, predictions: Path) -> None:
    """Refuse outputs of interval scores that are not one a heads checkpoint, or something else.

    Parameters
    ----------
    outputs
        Files to write.
    num_heads
        Heads checkpoints.
    predictions
        The file that predictions go into.

    Raises
    ------
    ConfigurationError
        Their number is not that of the heads, a name occurs twice, or a file of another kind is, or will be, there.
    """
    if outputs and len(outputs) != num_heads:
        raise ConfigurationError(
            f"{len(outputs)} files of interval scores for {num_heads} heads; each heads checkpoint has its own",
            "repeat --save-scores once a --heads, in the same order",
        )
    for number, output in enumerate(outputs):
        if Path(output).resolve() in [Path(other).resolve() for other in outputs[:number]]:
            raise ConfigurationError(f"--save-scores {output}: named twice; each heads has a file", "rename one")
        if Path(output).resolve() == predictions.resolve():
            raise ConfigurationError(
                f"--save-scores {output}: the file of the predictions",
                f"use --save-scores {Path(output).with_suffix('.scores')}",
            )
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
        "scene_prior": checkpoint.record.get("scene_prior"),
    }
    write_interval_scores(scores, out, checkpoint.specs, record)

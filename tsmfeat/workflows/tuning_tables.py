"""A setting as tables of a TOML file that the commands take with ``--config``."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import make_folder, write_text
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat.workflows.tuning_settings import (
    FUSION_NAMES,
    GAMMA,
    LOCALIZATION_NAMES,
    WEIGHTS,
    Setting,
    Value,
    idle_options,
    value_of,
)
from tsmfeat.workflows.video_priors import Source

Table = dict[str, Value]

# How the first line of every file of ours begins.
_MARK = b"# tsmfeat "


def list_tables(setting: Setting, sources: Sequence[Source], options: TuneOptions) -> dict[str, Table]:
    """Return the options of each command that a setting decides, all of them, whatever their defaults.

    Parameters
    ----------
    setting
        The setting.
    sources
        What it is for: ``[predict]`` needs heads or their scores. Where there are none, ``[fuse]`` lays the prior on
        predictions; otherwise it stands for what was predicted with it already.
    options
        Protocol, thresholds and prior.
    """
    idle = idle_options(setting)
    fusion = {name: value_of(setting, name) for name in FUSION_NAMES if name not in idle}
    if len(sources) > 1:
        fusion[WEIGHTS] = setting.weights or "equal"
    localization = {name: value_of(setting, name) for name in LOCALIZATION_NAMES if name not in idle}
    judged: Table = {"protocol": options.protocol, "tiou": options.tiou_thresholds}
    tables: dict[str, Table] = {"score": dict(judged), "fuse": fusion}
    if any(isinstance(source, IntervalScores) for source in sources):
        tables["score"] |= localization
        tables["predict"] = localization | _prior_table(setting, options) | fusion
    else:
        tables["fuse"] = _prior_table(setting, options) | fusion
    tables["score"] |= _prior_table(setting, options) | fusion
    return {name: {key: value for key, value in table.items() if value is not None} for name, table in tables.items()}


def _prior_table(setting: Setting, options: TuneOptions) -> Table:
    prior = options.prior
    if not prior.asked:
        return {}
    table: Table = {"video-prior": prior.video_prior, GAMMA: setting.gamma}
    named = {"prior-annotations": prior.prior_annotations, "prior-subset": prior.prior_subset}
    return table | {key: word for key, word in named.items() if word}


def write_tables(tables: Mapping[str, Table], comments: Sequence[str], out: Path) -> None:
    """Write tables whole or not at all.

    Parameters
    ----------
    tables
        By command.
    comments
        Lines that stand above them.
    out
        The file, replaced if it exists; its folder is made.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    lines = [f"# {' '.join(comment.split())}" for comment in (f"tsmfeat {version('tsmfeat')} tune", *comments)]
    for command, table in tables.items():
        lines += ["", f"[{command}]", *(f"{name} = {toml_text(value)}" for name, value in table.items())]
    make_folder(out.parent)
    write_text(out, "\n".join(lines) + "\n")


def require_tables_output(out: Path, sources: Sequence[str]) -> None:
    """Refuse an output that is no TOML file by its name, or is somebody's: a mistyped name must cost nothing.

    Raises
    ------
    ConfigurationError
        Another suffix than ``.toml``, a source, or a file that `write_tables` did not write.
    """
    if out.suffix != ".toml" or out.is_dir():
        named = out / "tuned.toml" if out.is_dir() else out.with_suffix(".toml")
        raise ConfigurationError(f"{out}: what is written is a TOML file, for --config", f"use -o {named}")
    if any(Path(source).resolve() == out.resolve() for source in sources):
        raise ConfigurationError(f"{out}: is to be read and written", "choose another name with -o")
    if out.exists() and not _is_ours(out):
        raise ConfigurationError(
            f"{out}: exists and is not from tsmfeat tune; only such a file is replaced",
            "choose another name with -o, or move it away",
        )


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_MARK)) == _MARK
    except OSError:
        return False


def toml_text(value: Value) -> str:
    """Return a value as TOML writes it.

    Examples
    --------
    >>> [toml_text(value) for value in ("mean:9", 0.5, 3, True, (0.6, 0.4))]
    ['"mean:9"', '0.5', '3', 'true', '[0.6, 0.4]']
    """
    if isinstance(value, tuple):
        return f"[{', '.join(toml_text(part) for part in value)}]"
    if isinstance(value, str):  # of what JSON leaves as it is, TOML wants DEL escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)

"""Lists of video ids, such as the videos that a data set's evaluation leaves out."""

from pathlib import Path

from tsmfeat.errors import InputError
from tsmfeat.formats.content import read_text
from tsmfeat.formats.json_files import parse_json


def read_video_list(path: Path | str) -> tuple[str, ...]:
    r"""Read video ids: a JSON list of texts, or one id a line.

    Blank lines, and those that begin with ``#``, are passed over.

    Parameters
    ----------
    path
        The file, gzipped or not.

    Returns
    -------
    tuple of str
        In the order of the file, each once.

    Raises
    ------
    InputError
        Unreadable, not such a list, or no id in it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "blocked.txt")
    ...     _ = path.write_text("# taken down\nv_a\n\nv_b\nv_a\n")
    ...     read_video_list(path)
    ('v_a', 'v_b')
    """
    source = Path(path)
    text = read_text(source, "a list of video ids")
    if text.lstrip()[:1] in ("[", "{"):
        names, _ = parse_json(source, text.encode())
    else:
        lines = (line.strip() for line in text.splitlines())
        names = [line for line in lines if line and not line.startswith("#")]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(
            f"{source}: no list of video ids; a JSON list of texts, or one id a line, is expected", "check the file"
        )
    return tuple(dict.fromkeys(names))

"""Folders of small files: listing them, and writing one so that its name only ever shows the whole of it."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tsmfeat.errors import InputError, OutputError
from tsmfeat.files import flush_folder, make_folder, temporary_path, write_atomically


def list_files(folder: Path, suffix: str) -> list[Path]:
    """Return a folder's files with a suffix, hidden ones left out, sorted by name.

    Raises
    ------
    InputError
        The folder cannot be listed.
    """
    try:
        return sorted(
            path for path in folder.iterdir() if path.suffix == suffix and path.name[0] != "." and path.is_file()
        )
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror or error})", "check the path") from error


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of files whole or not at all.

    Parameters
    ----------
    folder
        Its name; an empty folder of that name is replaced.
    contents
        The bytes of each file by its name.

    Raises
    ------
    InputError
        A name that is no plain file name, such as one with a slash.
    OutputError
        Something is there already, the disk is full, or it cannot be written.
    """
    for name in contents:
        _require_file_name(name)
    temporary = temporary_path(folder)
    try:
        make_folder(temporary)
        for name, content in contents.items():
            write_atomically(temporary / name, [content])
        os.rename(temporary, folder)  # noqa: PTH104 - an empty folder gives way, any other stays
        flush_folder(folder.parent)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error})", "choose the name of a folder that is not there"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _require_file_name(name: str) -> None:
    unfit = "/" in name or "\0" in name or name.startswith(".") or len(name.encode()) > 255
    if unfit:
        raise InputError(
            f"{name!r} cannot be a file's name; this format has a file an id or a class",
            "choose another format, such as activitynet",
        )

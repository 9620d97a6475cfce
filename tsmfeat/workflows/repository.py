"""Which commit a working folder is at, read from git's own files: no process is started for a line in a record."""

from contextlib import suppress
from pathlib import Path

_HEXADECIMAL = frozenset("0123456789abcdef")
_DIGEST_LENGTHS = (40, 64)


def find_commit(folder: Path) -> str | None:
    """Return the commit that is checked out where a folder lies; None outside a repository, or before its first one.

    Whether files differ from that commit is not looked at.

    Parameters
    ----------
    folder
        Usually the working folder.

    Examples
    --------
    >>> find_commit(Path("/"))
    """
    with suppress(OSError, UnicodeDecodeError):
        for parent in (folder := folder.resolve(), *folder.parents):
            entry = parent / ".git"
            if entry.is_dir():
                return _read_commit(entry)
            if entry.is_file():  # of a worktree or a submodule: where its own files are
                return _read_commit(parent / entry.read_text().removeprefix("gitdir:").strip())
    return None


def _read_commit(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return _checked(head)
    name = head.removeprefix("ref:").strip()
    shared = git / "commondir"
    # Branches of a worktree are those of its repository.
    places = [git, git / shared.read_text().strip()] if shared.is_file() else [git]
    for place in places:
        loose = place / name
        if loose.is_file():
            return _checked(loose.read_text().strip())
        packed = place / "packed-refs"
        for line in packed.read_text().splitlines() if packed.is_file() else ():
            if line.endswith(f" {name}"):
                return _checked(line.split(" ", 1)[0])
    return None


def _checked(text: str) -> str | None:
    return text if len(text) in _DIGEST_LENGTHS and _HEXADECIMAL.issuperset(text) else None

"""JSON text: parsing it with all it says, and errors that name the file."""

import json
from pathlib import Path
from typing import Any

from tsmfeat.errors import InputError

# JSON in UTF-8 has no NUL byte; every binary file a user may name by mistake has one early.
_HEAD_BYTES = 4096


def parse_json(path: Path, content: bytes) -> tuple[Any, list[str]]:
    """Parse JSON as Python does, bare NaN and Infinity included, and list keys that occur twice in one object.

    Raises
    ------
    InputError
        The content is not JSON; line and column are named.
    """
    repeated: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    repeated.append(key)
                seen.add(key)
        return found

    try:
        return json.loads(content, object_pairs_hook=collect), repeated
    except (ValueError, RecursionError) as error:
        if b"\0" in content[:_HEAD_BYTES]:
            raise InputError(
                f"{path}: binary data, such as a video, a store or heads; JSON is expected", "check the path"
            ) from error
        raise InputError(f"{path}: not JSON ({error})", "check that this is the right file, and whole") from error

"""Run as a child with little memory: open each store of a folder, read all of it, and print what happened."""

import hashlib
import json
import resource
import sys
import time
from pathlib import Path

from tsmfeat.errors import TsmfeatError
from tsmfeat.store.reader import open_features


def report(path: Path) -> dict[str, object]:
    """Return the outcome of opening and reading one store, its seconds and the growth of memory in MB."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    content: dict[str, str] = {}
    errors: list[list[str]] = []
    try:
        with open_features(path) as store:
            for video_id in store.video_ids:
                try:
                    content[video_id] = hashlib.sha256(store.embeddings(video_id).tobytes()).hexdigest()
                except TsmfeatError as error:
                    errors.append([type(error).__name__, str(error)])
    except TsmfeatError as error:
        errors.append([type(error).__name__, str(error)])
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"content": content, "errors": errors, "seconds": seconds, "megabytes": grown}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write(json.dumps({path.name: report(path) for path in sorted(Path(sys.argv[1]).iterdir())}))

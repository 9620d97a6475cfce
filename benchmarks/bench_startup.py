"""Start-up: `tsmfeat --help` against `import torch`; and the first use of each kernel, compiled and cached."""

import subprocess
import sys
import tempfile
from pathlib import Path

from commands import PYTHON, tsmfeat
from harness import Case, command, compete, require_equal, spread
from reporting import Goal, Report, Setting, judge, judge_value, run_benchmark

OURS, TORCH, BARE = "tsmfeat --help", "import torch", "python -c pass"
HEAVY = ("torch", "numba", "h5py")
# Scores to segments, fusion and evaluation: every kernel on the way of `tsmfeat score`.
FIRST_USE = """
import numpy as np
from tsmfeat import IntervalScores, Vocabulary, Annotations, Segments, fuse, localize, evaluate
action, none = Vocabulary(("a",)), Vocabulary(())
truth = Annotations(("v",), action, Segments([0], [0], [0.0], [1.0], [1.0]), [1.0], ("",), [-1], none)
rows = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
found = localize(IntervalScores(("v",), action, np.array([0, 2]), rows, 0.5, np.array([1.0])))
evaluate(fuse([found, found]), truth)
"""


def measure(setting: Setting) -> Report:
    """Time the help, and a first use with an empty cache and with a filled one."""
    _require_light()
    helped = compete(
        "start-up",
        {"commands": 1},
        {
            OURS: command(tsmfeat("--help")),
            TORCH: command([PYTHON, "-c", "import torch"]),
            BARE: command([PYTHON, "-c", "pass"]),
        },
        setting.pace(20),
    )
    first = _measure_first_use(setting)
    extra = [
        one.cpu_seconds - other.cpu_seconds
        for one, other in zip(first.costs["compiled"], first.costs["cached"], strict=True)
    ]
    seconds = Goal("tsmfeat --help, CPU seconds", OURS, "a second", 0.25, 0.25, at_most=True)
    compile_goal = Goal("kernel compile, CPU seconds", "compiled - cached", "a second", 5, 5, at_most=True)
    median = spread([cost.cpu_seconds for cost in helped.costs[OURS]])["median"]
    goals = [
        judge_value(seconds, helped.name, median),
        judge_value(compile_goal, first.name, spread(extra)["median"]),
        judge(Goal("help far below import torch", TORCH, OURS, 8, 8), helped),
    ]
    peaks = {who: round(max(cost.peak_bytes for cost in costs) / 1e6) for who, costs in helped.costs.items()}
    return Report([helped, first], goals, facts={"peak MB": peaks})


def _require_light() -> None:
    script = f"import sys, tsmfeat_cli.main; sys.exit(len([name for name in {HEAVY!r} if name in sys.modules]))"
    require_equal("heavy modules loaded by the command line", subprocess.run([PYTHON, "-c", script]).returncode, 0)


def _measure_first_use(setting: Setting) -> Case:
    script = "import numpy" if setting.quick else FIRST_USE
    words = [PYTHON, "-c", script]
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / "kept", *(Path(name) / f"empty{k}" for k in range(100))]
        empty = iter(folders[1:])
        environment = {"NUMBA_CACHE_DIR": ""}

        def choose_empty() -> None:
            environment["NUMBA_CACHE_DIR"] = str(next(empty))

        command(words, {"NUMBA_CACHE_DIR": str(folders[0])})()
        contestants = {
            "compiled": command(words, environment, choose_empty),
            "cached": command(words, {"NUMBA_CACHE_DIR": str(folders[0])}),
        }
        return compete("first use of the kernels of score", {"commands": 1}, contestants, setting.pace(30))


if __name__ == "__main__":
    sys.exit(run_benchmark("startup", measure, OURS))

"""Tasks of a cluster: which videos a worker gets next, and what becomes of tasks whose worker is lost."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

# Long enough that a task's overhead (seconds at most) is nothing, short enough that a lost worker costs little.
TASK_SECONDS = 180.0
# Until the rate is known: a fraction of a minute's work on any machine.
FIRST_TASK_BYTES = 8_000_000
# Opening a video takes time whatever its size, and a task's messages stay small.
SMALLEST_VIDEO_BYTES = 50_000
MAX_TASK_VIDEOS = 1000
MAX_ATTEMPTS = 3


def count_bytes(sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return the running total of file sizes, that of no file first; tiny files count as much as opening one costs.

    Examples
    --------
    >>> count_bytes([1_000_000, 0]).tolist()
    [0, 1000000, 1050000]
    """
    return np.concatenate([[0], np.cumsum(np.maximum(np.asarray(sizes, np.int64), SMALLEST_VIDEO_BYTES))])


def end_of_task(totals: npt.NDArray[np.int64], start: int, bytes_per_second: float | None, num_workers: int) -> int:
    """Return where the next task ends: behind `TASK_SECONDS` of work, sooner near the end of all work.

    Towards the end no task is larger than half of a worker's share of what is left, so that all workers end at about
    the same time.

    Parameters
    ----------
    totals
        int64 (V + 1,), of `count_bytes`.
    start
        The first video of the task, less than V.
    bytes_per_second
        What a worker gets done; None: not known yet, so the task is small.
    num_workers
        Workers that share what is left.

    Returns
    -------
    end
        The video behind the task's last.

    Examples
    --------
    >>> totals = count_bytes([10_000_000] * 100)
    >>> end_of_task(totals, 0, None, 2), end_of_task(totals, 1, 1e6, 2), end_of_task(totals, 96, 1e6, 2)
    (1, 19, 97)
    """
    wanted = FIRST_TASK_BYTES if bytes_per_second is None else bytes_per_second * TASK_SECONDS
    left = int(totals[-1] - totals[start])
    wanted = min(wanted, left / (2 * max(num_workers, 1)))
    end = int(np.searchsorted(totals, totals[start] + wanted, side="right")) - 1
    return min(max(end, start + 1), start + MAX_TASK_VIDEOS, len(totals) - 1)


@dataclass(frozen=True)
class VideoTask:
    """Some videos for one worker.

    Parameters
    ----------
    keys
        Their places among the jobs of the run.
    attempts
        How many workers were lost with them before.
    """

    keys: tuple[int, ...]
    attempts: int = 0


@dataclass
class TaskList:
    """What is left to hand out.

    Parameters
    ----------
    totals
        Of `count_bytes`, over all jobs.
    num_taken
        Jobs that were handed out in their order.
    again
        Tasks whose worker was lost; they come first.
    bytes_per_second
        What a worker gets done, as learned; None before the first task is done.
    """

    totals: npt.NDArray[np.int64]
    num_taken: int = 0
    again: deque[VideoTask] = field(default_factory=deque)
    bytes_per_second: float | None = None

    def __bool__(self) -> bool:
        """Return whether anything is left to hand out."""
        return bool(self.again) or self.num_taken < len(self.totals) - 1

    def take(self, num_workers: int) -> VideoTask:
        """Hand out the next task."""
        if self.again:
            return self.again.popleft()
        start = self.num_taken
        self.num_taken = end_of_task(self.totals, start, self.bytes_per_second, num_workers)
        return VideoTask(tuple(range(start, self.num_taken)))

    def learn(self, task: VideoTask, seconds: float) -> None:
        """Take down how long a task took; the last ones count most."""
        done = sum(int(self.totals[key + 1] - self.totals[key]) for key in task.keys)
        rate = done / max(seconds, 1e-3)
        known = self.bytes_per_second
        self.bytes_per_second = rate if known is None else 0.7 * known + 0.3 * rate


def tasks_after_loss(task: VideoTask, is_done: Callable[[int], bool]) -> tuple[list[VideoTask], tuple[int, ...]]:
    """Return what to do with a task whose worker was lost: tasks to hand out again, and videos to give up.

    A loss is mostly the machine's: the first time what is left goes out as it is. The second time every video goes
    alone, so that one that ends its worker costs only itself; the third time it is given up.

    Parameters
    ----------
    task
        The task that the worker was at.
    is_done
        Tells of a key whether the worker had published its video.

    Examples
    --------
    >>> tasks_after_loss(VideoTask((3, 4, 5)), lambda key: key == 4)
    ([VideoTask(keys=(3, 5), attempts=1)], ())
    >>> tasks_after_loss(VideoTask((3, 5), 1), lambda key: False)
    ([VideoTask(keys=(3,), attempts=2), VideoTask(keys=(5,), attempts=2)], ())
    >>> tasks_after_loss(VideoTask((5,), 2), lambda key: False)
    ([], (5,))
    """
    left = tuple(key for key in task.keys if not is_done(key))
    attempts = task.attempts + 1
    if attempts >= MAX_ATTEMPTS:
        return [], left
    if not left:
        return [], ()
    if attempts == 1:
        return [VideoTask(left, attempts)], ()
    return [VideoTask((key,), attempts) for key in left], ()

"""Second tries: a video at which one decoder broke down is read once more with the other."""

from collections import deque
from dataclasses import replace

from tsmfeat.video.tasks import ReadEvent, ReadTask, VideoFailed, VideoRead, VideoRetried


class SecondTries:
    """Remembers the videos under way and decides what becomes of those that fail.

    Examples
    --------
    >>> from tsmfeat.video.tasks import ClipRecipe
    >>> tries = SecondTries()
    >>> tries.begin(ReadTask(0, "a.mp4", (ClipRecipe(0.5, 8),)))
    >>> tries.judge(VideoFailed(0, "reader", "a.mp4: reader process ended by signal 11", broke_down=True))
    VideoRetried(key=0, reason='a.mp4: reader process ended by signal 11', decoder='decord')
    >>> tries.begin(tries.waiting.popleft())
    >>> tries.judge(VideoFailed(0, "decode", "a.mp4: decord stopped", "copy it")).reason
    'a.mp4: reader process ended by signal 11; then with decord: decord stopped'
    """

    def __init__(self) -> None:
        self.waiting: deque[ReadTask] = deque()
        self._tasks: dict[int, ReadTask] = {}
        self._first: dict[int, VideoFailed] = {}

    def begin(self, task: ReadTask) -> None:
        """Remember a task that was handed out."""
        self._tasks[task.key] = task

    def judge(self, event: ReadEvent) -> ReadEvent:
        """Return what the caller is to hear: an event as it is, a second try, or a failure with both reasons."""
        if isinstance(event, VideoRead):
            self._forget(event.key)
        if not isinstance(event, VideoFailed) or event.key not in self._tasks:
            return event
        task, first = self._tasks[event.key], self._first.get(event.key)
        if first is None and event.broke_down and task.second_decoder:
            self._first[event.key] = event
            self.waiting.append(replace(task, decoder=task.second_decoder))
            return VideoRetried(event.key, event.reason, task.second_decoder)
        self._forget(event.key)
        if first is None:
            return event
        reason = event.reason.removeprefix(f"{task.path}: ")
        return replace(first, reason=f"{first.reason}; then with {task.decoder}: {reason}")

    def _forget(self, key: int) -> None:
        self._tasks.pop(key, None)
        self._first.pop(key, None)

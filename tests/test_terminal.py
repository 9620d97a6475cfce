import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from tsmfeat_cli import terminal
from tsmfeat_cli.notes import NotesConsole
from tsmfeat_cli.terminal import TerminalProgress


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(terminal.time, "monotonic", clock.monotonic)
    return clock


def lines_of(capsys):
    written = capsys.readouterr()
    assert written.out == ""  # data only
    return written.err.splitlines()


def test_off_a_terminal_a_line_comes_every_thirty_seconds(clock, capsys):
    progress = TerminalProgress()
    progress.begin("extract", 100, "intervals")
    for second in range(1, 91):
        clock.now = 1000.0 + second
        progress.advance(1, f"video {second}")
    progress.end()
    assert lines_of(capsys) == [
        "extract: 30 of 100 intervals, 1.0 intervals/s, about 70 s left, video 30",
        "extract: 60 of 100 intervals, 1.0 intervals/s, about 40 s left, video 60",
        "extract: 90 of 100 intervals, 1.0 intervals/s, about 10 s left, video 90",
    ]


def test_a_short_task_prints_no_line(clock, capsys):
    progress = TerminalProgress()
    progress.begin("render", 3, "videos")
    for _ in range(3):
        clock.now += 9.0
        progress.advance()
    progress.end()
    assert lines_of(capsys) == []


def test_an_unknown_total_is_not_counted_down(clock, capsys):
    progress = TerminalProgress()
    progress.begin("read", 0, "files")
    clock.now += 40.0
    progress.advance(20.0)
    assert lines_of(capsys) == ["read: 20 files, 0.5 files/s"]


def test_more_than_the_total_never_leaves_less_than_no_time(clock, capsys):
    progress = TerminalProgress()
    progress.begin("read", 10, "files")
    clock.now += 40.0
    progress.advance(20.0)
    assert "about 0 s left" in lines_of(capsys)[0]


def test_each_task_counts_anew(clock, capsys):
    progress = TerminalProgress()
    progress.begin("one", 10, "videos")
    clock.now += 29.0
    progress.advance()
    progress.begin("two", 10, "videos")
    clock.now += 29.0
    progress.advance()
    assert lines_of(capsys) == []


def test_quiet_leaves_only_warnings(clock, capsys):
    with TerminalProgress(quiet=True) as progress:
        progress.begin("extract", 100, "intervals")
        clock.now += 100.0
        progress.advance(5)
        progress.note("nobody needs to know")
        progress.warn("look at this")
    assert lines_of(capsys) == ["warning: look at this"]


def test_equal_warnings_are_grouped_with_a_count(capsys):
    with TerminalProgress() as progress:
        for message in ("a is odd", "b is odd", "a is odd", "a is odd"):
            progress.warn(message)
    assert lines_of(capsys) == ["warning: a is odd", "warning: b is odd", "warning: a is odd (3 times)"]


def test_what_looks_like_markup_is_printed_as_it_is(capsys):
    with TerminalProgress() as progress:
        progress.note("[red]a.mp4[/red] :warning: [y]")
        progress.warn("[bold]b.mp4")
    assert lines_of(capsys) == ["[red]a.mp4[/red] :warning: [y]", "warning: [bold]b.mp4"]


def test_long_lines_are_not_wrapped(capsys):
    TerminalProgress().note("x" * 500)
    assert lines_of(capsys) == ["x" * 500]


@pytest.fixture
def screen(monkeypatch):
    """A terminal of 100 columns that keeps what is drawn on it."""
    canvas = io.StringIO()

    class Screen(NotesConsole):
        def __init__(self):
            Console.__init__(self, file=canvas, force_terminal=True, width=100, legacy_windows=False)

    monkeypatch.setattr(terminal, "NotesConsole", Screen)
    return canvas


def test_on_a_terminal_a_bar_is_drawn(screen):
    with TerminalProgress() as progress:
        progress.begin("extract", 4, "videos")
        progress.advance(1, "a.mp4")
        progress.advance(3, "b.mp4")
    drawn = screen.getvalue()
    assert "extract" in drawn
    assert "━" in drawn
    assert "4/4" in drawn
    assert "b.mp4" in drawn


def test_notes_come_through_while_the_bar_is_drawn(screen):
    with TerminalProgress() as progress:
        progress.begin("extract", 4, "videos")
        progress.note("a word in between")
        progress.advance(4)
    assert "a word in between" in screen.getvalue()


def fail_within(progress):
    with progress:
        progress.begin("extract", 4, "videos")
        raise ValueError("broken")


def test_the_bar_goes_when_the_work_fails(screen):
    progress = TerminalProgress()
    with pytest.raises(ValueError, match="broken"):
        fail_within(progress)
    assert progress._bar is None
    assert screen.getvalue().endswith("\x1b[?25h")  # the cursor is back


def test_quiet_draws_no_bar(screen):
    with TerminalProgress(quiet=True) as progress:
        progress.begin("extract", 4, "videos")
        progress.advance(4)
    assert screen.getvalue() == ""


ERROR = [sys.executable, "-m", "tsmfeat_cli", "scor"]


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
    ids=["piped", "forced", "no colour"],
)
def test_colour_only_where_it_is_wanted(env, coloured):
    plain = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR", "TERM")}
    done = subprocess.run(ERROR, env={**plain, "TERM": "xterm", **env}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert ("\x1b[31m" in done.stderr) == coloured
    assert "there is no command 'scor'" in done.stderr

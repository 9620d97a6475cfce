"""Commands whose standard streams are closed, full, or left by their reader."""

import io
import os
import subprocess
import sys
from contextlib import suppress

import pytest
from factories_video import make_video

from tsmfeat.errors import InputError, OutputError
from tsmfeat.workflows.sources import find_videos
from tsmfeat_cli.notes import NotesConsole
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("videos") / "a.mp4", range(30))


def run(redirection, *words):
    command = [sys.executable, "-m", "tsmfeat_cli", *map(str, words)]
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", *command]
    return subprocess.run(shell, capture_output=True, text=True, timeout=60)


@pytest.mark.golden
@pytest.mark.parametrize("redirection", ["<&-", "<&- 2>&-"])
def test_closed_streams_take_no_descriptor_from_the_readers(video, redirection):
    done = run(redirection, "validate", "--deep", video)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert "0 problems" in done.stdout or "no problem" in done.stdout


@pytest.mark.golden
def test_data_that_nobody_can_receive_is_an_output_error(video):
    done = run(">&-", "validate", "--deep", video)
    assert done.returncode == OutputError.exit_code
    assert "error: standard output is closed" in done.stderr


def test_a_list_from_a_closed_stream_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        find_videos(["-"])


def test_data_for_a_closed_stream_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="standard output is closed"):
        write_data("{}")


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", "caf\\udce9 ×"), ("ascii", "caf\\udce9 \\xd7")])
def test_what_an_encoding_lacks_is_escaped(monkeypatch, encoding, written):
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding, "strict"))
    write_data("caf\udce9 ×")
    assert kept.getvalue().decode() == f"{written}\n"


@pytest.mark.parametrize("kind", ["full", "left"])
def test_notes_that_cannot_be_written_stop_nothing(monkeypatch, kind):
    if kind == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, descriptor = os.pipe()
        os.close(reading)
    stream = os.fdopen(descriptor, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", stream)
    with TerminalProgress() as progress:
        progress.note("a note")
        progress.warn("a warning")
        progress.warn("a warning")
    with suppress(OSError):
        stream.close()


def test_a_closed_standard_error_takes_notes_too(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with TerminalProgress() as progress:
        progress.note("a note")


def test_notes_still_come_where_they_can(capsys):
    with TerminalProgress() as progress:
        progress.note("a note")
    assert capsys.readouterr() == ("", "a note\n")
    assert NotesConsole().stderr

"""Writing videos: content and stamps come back, equal input gives equal bytes, nothing half-written stays."""

from fractions import Fraction

import numpy as np
import pytest
from factories_video import paint, painted_number

from tsmfeat.errors import ConfigurationError, InputError, OutputError
from tsmfeat.video.encoding import EncodingOptions, write_video
from tsmfeat.video.probing import probe_video
from tsmfeat.video.pyav_decoding import PyAVDecoder


def numbers_and_seconds(path):
    probe = probe_video(path)
    with PyAVDecoder(probe) as decoder:
        numbers = [painted_number(picture.native()) for _, picture in decoder.pictures(np.arange(len(probe.stamps)))]
    return numbers, probe.ticks * float(probe.tick_seconds), probe.duration_seconds


@pytest.mark.parametrize("fps", [30, 25, 5, 12.5, 29.97, Fraction(30000, 1001), 60, 1])
@pytest.mark.parametrize("options", [None, EncodingOptions(num_b_frames=0, crf=0, preset="ultrafast", gop_size=4)])
def test_round_trip_at_a_constant_rate(tmp_path, fps, options):
    written = write_video(tmp_path / "a.mp4", (paint(n) for n in range(25)), fps=fps, options=options)
    numbers, seconds, duration = numbers_and_seconds(tmp_path / "a.mp4")
    assert written == 25
    assert numbers == list(range(25))
    assert seconds == pytest.approx(np.arange(25) / float(fps), abs=1e-6 * 25)
    assert duration == pytest.approx(25 / float(fps), abs=1e-4)


@pytest.mark.parametrize("num_b_frames", [0, 2])
def test_round_trip_of_stamps(tmp_path, num_b_frames):
    stamps = [0.0, 0.04, 0.08, 0.4, 0.44, 0.9, 1.0, 4.0, 4.0001]
    options = EncodingOptions(num_b_frames=num_b_frames)
    write_video(tmp_path / "a.mp4", [paint(n) for n in range(9)], stamps_seconds=stamps, options=options)
    numbers, seconds, _ = numbers_and_seconds(tmp_path / "a.mp4")
    assert numbers == list(range(9))
    assert np.abs(seconds - stamps).max() <= 0.5 / 90_000 + 1e-12


def test_the_clock_starts_at_the_first_stamp(tmp_path):
    write_video(tmp_path / "a.mp4", [paint(n) for n in range(3)], stamps_seconds=[2.0, 2.5, 3.0])
    assert numbers_and_seconds(tmp_path / "a.mp4")[1] == pytest.approx([0.0, 0.5, 1.0])


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, (paint(n) for n in range(90)))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_lossless_content_is_kept_to_the_colour_conversion(tmp_path):
    frames = [np.full((32, 32, 3), value, np.uint8) for value in (0, 50, 130, 255)]
    write_video(tmp_path / "a.mp4", frames, options=EncodingOptions(crf=0))
    probe = probe_video(tmp_path / "a.mp4")
    with PyAVDecoder(probe) as decoder:
        for index, picture in decoder.pictures(np.arange(4)):
            assert np.abs(picture.native().astype(int) - frames[index]).max() <= 2


@pytest.mark.parametrize("shape", [(47, 64, 3), (48, 63, 3), (48, 64)])
def test_odd_sizes_are_refused(tmp_path, shape):
    with pytest.raises(ConfigurationError, match="even"):
        write_video(tmp_path / "a.mp4", [np.zeros(shape, np.uint8)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0, -1, float("nan"), 1e9])
def test_impossible_rates_are_refused(tmp_path, fps):
    with pytest.raises(ConfigurationError, match="fps"):
        write_video(tmp_path / "a.mp4", [paint(0)], fps=fps)


@pytest.mark.parametrize("stamps", [[0.0, 0.0], [0.1, 0.0], [-0.1, 0.0], [0.0, float("nan")], [0.0], [0.0, 0.1, 0.2]])
def test_stamps_that_do_not_fit_are_refused(tmp_path, stamps):
    with pytest.raises(InputError):
        write_video(tmp_path / "a.mp4", [paint(0), paint(1)], stamps_seconds=stamps)
    assert list(tmp_path.iterdir()) == []


def test_frames_must_agree(tmp_path):
    others = [np.zeros((48, 32, 3), np.uint8), paint(0).astype(np.float32), np.zeros((48, 64, 4), np.uint8)]
    for other in others:
        with pytest.raises(InputError, match="expected uint8"):
            write_video(tmp_path / "a.mp4", [paint(0), other])
    with pytest.raises(InputError, match="no frames"):
        write_video(tmp_path / "a.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_source_leaves_the_old_file(tmp_path):
    write_video(tmp_path / "a.mp4", [paint(0)])
    before = (tmp_path / "a.mp4").read_bytes()

    def broken():
        yield paint(1)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write_video(tmp_path / "a.mp4", broken())
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError):
        write_video(tmp_path / "missing" / "a.mp4", [paint(0)])


def test_equal_frames_become_equal_bytes_whatever_was_written_before(tmp_path):
    rng = np.random.default_rng(5)
    still = rng.integers(0, 255, (96, 96, 3), np.uint8)
    # A picture that moves over a still one, as the rendered videos have it.
    videos = [
        [np.roll(still, (step * number, step), (0, 1)) // (1 + (step + number) % 2) for step in range(80)]
        for number in range(1, 9)
    ]

    def write_all(order):
        written = {}
        for number in order:
            write_video(tmp_path / "video.mp4", videos[number], fps=25)
            written[number] = (tmp_path / "video.mp4").read_bytes()
        return written

    assert write_all(range(8)) == write_all(reversed(range(8)))

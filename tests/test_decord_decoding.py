"""The second decoder: equal to PyAV frame by frame where it may read at all, and refused where it would be wrong."""

import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from factories_video import (
    VP9,
    X264,
    cut,
    make_audio_and_video,
    make_video,
    painted_number,
    spoil_packets,
    write_two_sizes,
)

from tsmfeat.errors import EnvironmentLackError, VideoError
from tsmfeat.values.features import VideoStatus
from tsmfeat.video.decoding import choose_decoder, decode_frames
from tsmfeat.video.decord_decoding import DecoderError, DecordDecoder, load_decord, why_unsafe
from tsmfeat.video.encoding import write_video
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import VideoOptions
from tsmfeat.video.pictures import Resizing
from tsmfeat.video.probing import probe_video
from tsmfeat.video.pyav_decoding import PyAVDecoder

EDIT_LIST = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
READER = VideoOptions(resize_filter="reader")


def natives(decoder, wanted):
    with decoder as opened:
        frames = {index: picture.native() for index, picture in opened.pictures(np.asarray(wanted))}
        return frames, opened.quality(0.01)


@pytest.mark.parametrize(
    ("name", "stamps", "unit", "codec", "options", "container"),
    [
        ("a.mp4", range(60), Fraction(1, 30), "libx264", X264, None),
        ("a.mp4", range(60), Fraction(1, 30), "libx264", X264 | {"bf": "4", "b-pyramid": "normal", "g": "250"}, None),
        ("a.mp4", range(60), Fraction(1, 30), "mpeg4", {"bf": "2"}, None),
        ("a.mov", range(60), Fraction(1, 30), "libx264", X264, None),
        ("a.mkv", range(60), Fraction(1, 24), "libx264", X264, None),
        ("a.webm", range(60), Fraction(1, 30), "libvpx-vp9", VP9, None),
        ("a.mp4", range(60), Fraction(1, 30), "libx264", X264, {"movflags": "frag_keyframe+empty_moov"}),
        ("vfr.mp4", [0, 40, 80, 3080, 3120, 3500, 3501, 9000], Fraction(1, 1000), "libx264", X264, None),
        ("vfr.mkv", [0, 40, 80, 3080, 3120, 3500, 3501, 9000], Fraction(1, 1000), "libx264", X264, None),
        ("one.mp4", range(1), Fraction(1, 30), "libx264", X264, None),
        ("two.mp4", range(2), Fraction(1, 30), "libx264", X264, None),
        ("concat:a|b.mp4", range(5), Fraction(1, 30), "libx264", X264, None),
    ],
)
def test_safe_files_give_pyavs_frames_bit_for_bit(tmp_path, name, stamps, unit, codec, options, container):
    plain = make_video(tmp_path / f"plain.{name[-4:].lstrip('.')}", stamps, unit, codec, options, container)
    path = plain.rename(tmp_path / name)
    probe = probe_video(path)
    assert why_unsafe(probe) == ""
    every = range(len(stamps))
    theirs, quality = natives(DecordDecoder(probe), every)
    ours, our_quality = natives(PyAVDecoder(probe), every)
    assert list(theirs) == list(every)
    assert [painted_number(frame) for frame in theirs.values()] == list(every)
    assert all(np.array_equal(theirs[index], ours[index]) for index in every)
    assert quality == our_quality
    some = list(every)[1::3]
    assert list(natives(DecordDecoder(probe), some)[0]) == some


def late_matroska(folder):
    return make_video(folder / "a.mkv", range(150, 200))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda d: make_video(d / "a.ts"), "its container is mpegts"),
        (lambda d: make_video(d / "a.avi", codec="mpeg4", codec_options={}), "its container is avi"),
        (lambda d: make_video(d / "a.flv"), "its container is flv"),
        (lambda d: make_video(d / "a.h264", container_format="h264"), "its container is h264"),
        (lambda d: make_video(d / "a.mkv", codec="libvpx", codec_options=VP9), "its codec is vp8"),
        (lambda d: make_video(d / "a.mp4", codec="mpeg1video", codec_options={}), "its codec is mpeg1video"),
        (lambda d: make_video(d / "a.mp4", range(3), rotation=90), "it is shown turned by 90 degrees"),
        (lambda d: make_video(d / "a.mp4", container_options=EDIT_LIST, shift=25), "an edit list hides frames"),
        (lambda d: make_audio_and_video(d / "a.mp4", 3.0, 2.0, 0.48), "its first frame comes 0.4"),
        (lambda d: cut(make_video(d / "a.mkv", range(120)), 0.55), "it is cut short"),
        (lambda d: write_two_sizes(d / "a.mkv", "libvpx-vp9", VP9), "its frame size may change"),
    ],
)
def test_unsafe_files_are_refused_with_the_reason(tmp_path, make, reason):
    probe = probe_video(make(tmp_path))
    assert why_unsafe(probe).startswith(reason)
    with pytest.raises(VideoError, match="decord must not read it: ") as caught:
        choose_decoder(probe, "decord", [])
    assert "--decoder auto" in caught.value.hint
    assert isinstance(choose_decoder(probe, "auto", []), PyAVDecoder)


def test_a_late_start_that_the_container_shares_is_safe(tmp_path):
    probe = probe_video(late_matroska(tmp_path))
    assert why_unsafe(probe) == ""
    assert [painted_number(frame) for frame in natives(DecordDecoder(probe), range(50))[0].values()] == list(range(50))


def test_facts_no_small_file_shows(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(4)))
    many = replace(probe, stamps=np.arange(400), ticks=np.arange(400), num_packets=400, width=1920, height=1080)
    assert why_unsafe(many) == "its frames would take over 2 GB in decord"
    assert why_unsafe(many, (256, 256)) == ""
    assert why_unsafe(replace(probe, bit_depth=10)) == "its colours have 10 bits"
    assert why_unsafe(replace(probe, bit_depth=0)) == "its colours have an unknown number of bits"
    assert why_unsafe(replace(probe, stamps=np.array([0, 1, 1, 2]))) == "two frames have one stamp"
    assert why_unsafe(replace(probe, has_presentation_stamps=False)) == "its packets hold no presentation stamps"


def test_damage_is_never_read_over(tmp_path):
    rng = np.random.default_rng(5)
    for options in ({"preset": "veryfast", "g": "10", "bf": "0"}, X264, {"preset": "veryfast", "g": "1"}):
        whole = make_video(tmp_path / "a.mp4", range(60), codec_options=options)
        for _ in range(8):
            spoiled, _ = spoil_packets(whole, rng.choice(60, rng.integers(1, 4), replace=False).tolist())
            probe = probe_video(spoiled)
            with pytest.raises(DecoderError, match=r"decord (stopped at frame|cannot open)"):
                natives(DecordDecoder(probe), range(0, 60, 7))


def test_another_idea_of_the_frames_is_refused(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(30)))
    shifted = replace(probe, ticks=probe.ticks + round(0.002 / float(probe.tick_seconds)))
    with pytest.raises(DecoderError, match="differ from its packets' by over 1 ms"), DecordDecoder(shifted):
        pass
    fewer = replace(probe, stamps=probe.stamps[:-1], ticks=probe.ticks[:-1])
    with pytest.raises(DecoderError, match="sees 30 frames, its packets 29"), DecordDecoder(fewer):
        pass
    gone = replace(probe, path=tmp_path / "missing.mp4")
    with pytest.raises(DecoderError, match="cannot open it"), DecordDecoder(gone):
        pass


def test_a_machine_without_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(EnvironmentLackError, match="decord cannot be loaded") as caught:
        load_decord()
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize("geometry", ["square32", "short32-crop24", "square96"])
def test_the_readers_own_scaler_agrees_between_decoders(tmp_path, geometry):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(20)))
    wanted, size = np.arange(20), parse_geometry(geometry)
    ours = dict(decode_frames(probe, wanted, size, READER))
    theirs = dict(decode_frames(probe, wanted, size, replace(READER, decoder="decord")))
    exact = dict(decode_frames(probe, wanted, size))
    for index in wanted.tolist():
        assert ours[index].shape == theirs[index].shape == (size.height, size.width, 3)
        assert np.abs(ours[index].astype(int) - theirs[index]).max() <= 3
        assert np.abs(ours[index].astype(int) - exact[index]).mean() < 8
        assert painted_number(theirs[index]) == index or geometry == "short32-crop24"


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_the_readers_own_scaler_turns_frames_upright(tmp_path, rotation):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(3), rotation=rotation))
    geometry = parse_geometry("short48-crop40")
    ours = dict(decode_frames(probe, np.arange(3), geometry, READER))
    exact = dict(decode_frames(probe, np.arange(3), geometry))
    for index in range(3):
        assert np.abs(ours[index].astype(int) - exact[index]).mean() < 3


def test_one_size_for_one_reader(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(5)))
    small, large, exact = (
        Resizing(parse_geometry(name), resize_filter)
        for name, resize_filter in (("square32", "reader"), ("square64", "reader"), ("square32", "pil"))
    )
    assert isinstance(choose_decoder(probe, "decord", [small, small]), DecordDecoder)
    assert isinstance(choose_decoder(probe, "decord", [exact, exact]), DecordDecoder)
    for resizings in ([small, large], [small, exact]):
        with pytest.raises(VideoError, match="scales to one size"):
            choose_decoder(probe, "decord", resizings)


def test_the_quality_of_a_whole_video(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(30)))
    _, quality = natives(DecordDecoder(probe), [])
    assert quality.status is VideoStatus.COMPLETE
    assert (quality.num_frames_decoded, quality.num_bad_packets, quality.num_repeated_frames) == (30, 0, 0)


@pytest.mark.parametrize("width", [2, 16, 20, 30, 32, 40, 48, 50, 62])
def test_narrow_frames_lose_their_padding(tmp_path, width):
    frames = np.random.default_rng(2).integers(0, 256, (3, 16, width, 3), np.uint8)
    write_video(tmp_path / "a.mp4", frames)
    probe = probe_video(tmp_path / "a.mp4")
    theirs, _ = natives(DecordDecoder(probe), range(3))
    ours, _ = natives(PyAVDecoder(probe), range(3))
    assert theirs[0].shape == (16, width, 3)
    assert all(np.array_equal(theirs[index], ours[index]) for index in range(3))

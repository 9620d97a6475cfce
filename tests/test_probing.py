"""The pre-flight: files of many containers made here, and everything that is no video."""

import os
import socket
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from factories_video import cut, make_audio_and_video, make_video, paint

from tsmfeat.errors import VideoError
from tsmfeat.video.probing import probe_video
from tsmfeat.video.quality import is_cut_short, require_whole_file


def seconds_of(probe):
    return probe.ticks * float(probe.tick_seconds)


@pytest.mark.parametrize(
    ("name", "codec", "unit"),
    [
        ("a.mp4", "libx264", 1e-9),
        ("a.mov", "libx264", 1e-9),
        ("a.mkv", "libx264", 1e-3),
        ("a.ts", "libx264", 2e-5),
        ("a.flv", "libx264", 1e-3),
        ("a.webm", "libvpx-vp9", 1e-3),
        ("a.mpg", "mpeg2video", 2e-5),
    ],
)
def test_stamps_start_at_zero_and_length_ends_the_last_frame(tmp_path, name, codec, unit):
    options = None if codec == "libx264" else {"g": "20"}
    probe = probe_video(make_video(tmp_path / name, range(50), codec=codec, codec_options=options))
    assert len(probe.stamps) == probe.num_packets == probe.num_expected == 50
    assert np.abs(seconds_of(probe) - np.arange(50) / 30).max() <= unit
    assert probe.duration_seconds == pytest.approx(50 / 30, abs=1.1 * unit)
    assert probe.has_presentation_stamps
    assert not is_cut_short(probe)
    assert (probe.width, probe.height, probe.rotation) == (64, 48, 0)
    assert probe.source_size == (tmp_path / name).stat().st_size


def test_matroska_milliseconds_lose_no_last_interval(tmp_path):
    # 24 frames at 24 fps in milliseconds: the last stamp is 958, its duration 41 or 42, so L may be 0.999.
    probe = probe_video(make_video(tmp_path / "a.mkv", range(48), Fraction(1, 24)))
    assert probe.time_base == Fraction(1, 1000)
    assert probe.duration_seconds < 2.0
    assert [probe.grid(step).count for step in (0.25, 0.5, 1.0)] == [8, 4, 2]


def test_avi_has_no_presentation_stamps(tmp_path):
    path = make_video(tmp_path / "a.avi", range(50), codec="mpeg4", codec_options={"bf": "2", "g": "20"})
    probe = probe_video(path)
    assert not probe.has_presentation_stamps
    assert np.diff(probe.stamps).tolist() == [1] * 49


def test_a_stream_with_an_avi_name_in_matroska_has_none_either(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mkv", range(30), codec="rawvideo", codec_options={}))
    assert not probe.has_presentation_stamps
    assert len(probe.stamps) == 30


def test_raw_stream_gets_its_rate(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.h264", range(45), container_format="h264"))
    assert not probe.has_presentation_stamps
    assert seconds_of(probe) == pytest.approx(np.arange(45) / 30)
    assert probe.duration_seconds == pytest.approx(1.5)


def test_edit_list_hides_frames(tmp_path):
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    probe = probe_video(make_video(tmp_path / "a.mp4", range(60), container_options=options, shift=25))
    assert probe.num_packets > len(probe.stamps) == probe.num_expected == 35
    assert seconds_of(probe) == pytest.approx(np.arange(35) / 30)
    assert probe.duration_seconds == pytest.approx(35 / 30)


def test_video_that_starts_after_the_audio_keeps_the_players_clock(tmp_path):
    probe = probe_video(make_audio_and_video(tmp_path / "a.mp4", 3.0, 2.0, video_start_seconds=0.48))
    assert seconds_of(probe)[0] == pytest.approx(0.48, abs=0.03)
    assert probe.duration_seconds == pytest.approx(2.48, abs=0.03)


def test_audio_longer_than_the_video_is_no_damage(tmp_path):
    probe = probe_video(make_audio_and_video(tmp_path / "a.mkv", 9.0, 2.0))
    assert probe.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert not is_cut_short(probe)


def test_container_that_starts_late_has_time_zero_at_its_start(tmp_path):
    path = make_video(tmp_path / "a.mkv", range(5000, 7000, 40), Fraction(1, 1000))
    probe = probe_video(path)
    assert probe.start_seconds == 5.0
    assert probe.ticks[:3].tolist() == [0, 40, 80]
    assert not is_cut_short(probe)


def test_variable_rate_keeps_its_stamps_and_gap(tmp_path):
    stamps = [0, 40, 80, 3080, 3120, 3500]
    for name in ("a.mp4", "a.mkv"):
        probe = probe_video(make_video(tmp_path / name, stamps, Fraction(1, 1000)))
        assert seconds_of(probe) * 1000 == pytest.approx(stamps, abs=1)


def test_one_frame(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(1)))
    assert len(probe.stamps) == 1
    assert 0 < probe.duration_seconds < 0.1


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_is_read(tmp_path, rotation):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(3), rotation=rotation))
    assert probe.rotation % 360 == rotation % 360
    assert (probe.width, probe.height) == (64, 48)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_cut_files_show_before_decoding(tmp_path, name):
    whole = make_video(
        tmp_path / name, range(120), container_options={"movflags": "faststart"} if "mp4" in name else None
    )
    assert not is_cut_short(probe_video(whole))
    probe = probe_video(cut(whole, 0.6))
    assert is_cut_short(probe)
    with pytest.raises(VideoError, match="truncated: the file holds"):
        require_whole_file(probe)


def test_live_matroska_declares_nothing(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mkv", range(50), container_options={"live": "1"}))
    assert len(probe.stamps) == 50
    assert not is_cut_short(probe)


def test_fragmented_mp4(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(50), container_options={"movflags": "frag_keyframe"}))
    assert len(probe.stamps) == probe.num_expected == 50


def test_text_in_another_encoding_is_no_obstacle(tmp_path):
    path = make_video(tmp_path / "a.mkv", range(5))
    content = path.read_bytes()
    assert b"Lavf" in content
    path.write_bytes(content.replace(b"Lavf", b"\xff\xfe\xe9\xe8"))
    assert len(probe_video(path).stamps) == 5


@pytest.mark.parametrize("name", ["file:x.mp4", "concat:a|b.mp4", "pipe:0.mp4", "a%03d.mp4", "ü ☃.mp4", "-i.mp4"])
def test_names_are_only_names(tmp_path, name):
    plain = make_video(tmp_path / "plain.mp4", range(5))
    assert len(probe_video(plain.rename(tmp_path / name)).stamps) == 5


def test_a_playlist_opens_nothing_else(tmp_path):
    make_video(tmp_path / "secret.ts", range(30))
    for name, text in {
        "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "b.mp4": "ffconcat version 1.0\nfile secret.ts\n",
    }.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(VideoError, match="not a readable video"):
            probe_video(path)


def test_what_is_no_video_is_refused_with_its_reason(tmp_path):
    contents = {"empty.mp4": b"", "text.mp4": b"hello " * 500, "zeros.mp4": bytes(5000)}
    contents["noise.mp4"] = np.random.default_rng(1).bytes(20_000)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(VideoError, match="0 bytes" if not content else "not a readable video"):
            probe_video(tmp_path / name)
    with pytest.raises(VideoError, match="no such file"):
        probe_video(tmp_path / "missing.mp4")
    with pytest.raises(VideoError, match="a folder"):
        probe_video(tmp_path)
    with pytest.raises(VideoError, match="cannot be reached"):
        probe_video(tmp_path / ("x" * 5000))
    with pytest.raises(VideoError, match="cannot be reached"):
        probe_video(tmp_path / "a\0b.mp4")


def test_the_index_of_a_film_cut_before_it_is_missed(tmp_path):
    whole = make_video(tmp_path / "a.mp4", range(60))
    with pytest.raises(VideoError, match="not a readable video"):
        probe_video(cut(whole, 0.5))


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    started = time.monotonic()
    with pytest.raises(VideoError, match="a pipe, socket or device"):
        probe_video(tmp_path / "pipe.mp4")
    assert time.monotonic() - started < 1
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.mp4"))
        with pytest.raises(VideoError, match="a pipe, socket or device"):
            probe_video(tmp_path / "s.mp4")


def test_sound_alone_and_a_cover_picture_are_no_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16_000
        container.mux([*stream.encode(silence), *stream.encode()])
    with pytest.raises(VideoError, match="no video stream"):
        probe_video(path)
    with av.open(str(tmp_path / "cover.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux([*cover.encode(av.VideoFrame.from_ndarray(paint(1))), *cover.encode()])
        container.mux([*sound.encode(silence), *sound.encode()])
    with pytest.raises(VideoError, match="a cover picture"):
        probe_video(tmp_path / "cover.mp4")


def test_the_stream_marked_as_default_is_taken(tmp_path):
    with av.open(str(tmp_path / "two.mkv"), "w") as container:
        streams, packets = [], []
        for width in (32, 128):
            stream = container.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = width, width, "yuv420p"
            stream.disposition = av.stream.Disposition.default if width == 128 else av.stream.Disposition(0)
            streams.append(stream)
        for stream in streams:
            frame = av.VideoFrame(stream.width, stream.width, "yuv420p")
            frame.pts = 0
            packets += [*stream.encode(frame), *stream.encode()]
        container.mux(packets)
    assert probe_video(tmp_path / "two.mkv").width == 128


def test_a_lying_frame_size_in_the_header_does_not_count(tmp_path):
    path = make_video(tmp_path / "a.mp4", range(5))
    content = path.read_bytes()
    at = content.index(b"avc1", content.index(b"stsd")) + 4 + 24
    path.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
    probe = probe_video(path)
    assert (probe.width, probe.height, len(probe.stamps)) == (64, 48, 5)


def test_stamps_that_cannot_be_true_are_refused(tmp_path):
    path = make_video(tmp_path / "a.mkv", [0, 40, 80, 5_000_000_000], Fraction(1, 1000))
    with pytest.raises(VideoError, match="at most 30 days"):
        probe_video(path)

"""The decoder of the extra: PyAV's frames bit for bit on the CPU, refused where it could differ, and its resizing."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from factories_reading import CLIP_BYTES, HALF, tasks_of
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
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, EnvironmentLackError, VideoError
from tsmfeat.store.reader import open_features
from tsmfeat.values.features import Decoder
from tsmfeat.video.decoding import choose_decoder, decode_frames
from tsmfeat.video.decord_decoding import DecoderError
from tsmfeat.video.device_resizing import resize_on_device
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import VideoOptions, reader_identity
from tsmfeat.video.pictures import Resizing
from tsmfeat.video.probing import probe_video
from tsmfeat.video.pyav_decoding import PyAVDecoder
from tsmfeat.video.reading import ReaderLimits, ReaderPool
from tsmfeat.video.tasks import ClipsReady, VideoFailed, VideoOpened, VideoRead
from tsmfeat.video.torchcodec_decoding import (
    DecoderLackError,
    DevicePicture,
    TorchcodecDecoder,
    load_torchcodec,
    why_unfit_for_torchcodec,
)
from tsmfeat.video.transforms import resize_frame
from tsmfeat.workflows import examination
from tsmfeat_cli.main import app

EDIT_LIST = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
OPEN_GOP = X264 | {"x264-params": "open-gop=1:keyint=10:bframes=3"}


@pytest.fixture
def torchcodec():
    """Skip where the extra, or the FFmpeg it needs, is missing."""
    try:
        return load_torchcodec()
    except EnvironmentLackError as error:
        pytest.skip(error.message)


def natives(decoder, wanted):
    with decoder as opened:
        frames = {index: picture.native() for index, picture in opened.pictures(np.asarray(wanted))}
        return frames, opened.quality(0.01)


def require_equal_readings(path):
    probe = probe_video(path)
    assert why_unfit_for_torchcodec(probe) == ""
    every = range(len(probe.stamps))
    assert every
    theirs, quality = natives(TorchcodecDecoder(probe), every)
    ours, our_quality = natives(PyAVDecoder(probe), every)
    assert list(theirs) == list(ours) == list(every)
    assert all(np.array_equal(theirs[index], ours[index]) for index in every)
    assert quality == our_quality
    some = list(every)[1::3]
    assert list(natives(TorchcodecDecoder(probe), some)[0]) == some
    return theirs


@pytest.mark.parametrize(
    ("name", "stamps", "unit", "codec", "options", "container"),
    [
        ("a.mp4", range(60), Fraction(1, 30), "libx264", X264, None),
        ("a.mp4", range(60), Fraction(1, 30), "libx264", X264 | {"bf": "4", "b-pyramid": "normal", "g": "250"}, None),
        ("open.mp4", range(60), Fraction(1, 30), "libx264", OPEN_GOP, None),
        ("open.ts", range(60), Fraction(1, 30), "libx264", OPEN_GOP, None),
        ("a.mp4", range(60), Fraction(1, 30), "mpeg4", {"bf": "2"}, None),
        ("a.mkv", range(60), Fraction(1, 24), "libx264", X264, None),
        ("a.webm", range(60), Fraction(1, 30), "libvpx-vp9", VP9, None),
        ("a.mkv", range(60), Fraction(1, 30), "libvpx", VP9, None),
        ("a.ts", range(60), Fraction(1, 30), "libx264", X264, None),
        ("a.flv", range(60), Fraction(1, 30), "libx264", X264, None),
        ("a.mp4", range(60), Fraction(1, 30), "libx264", X264, {"movflags": "frag_keyframe+empty_moov"}),
        ("late.mkv", range(150, 200), Fraction(1, 30), "libx264", X264, None),
        ("vfr.mp4", [0, 40, 80, 3080, 3120, 3500, 3501, 9000], Fraction(1, 1000), "libx264", X264, None),
        ("one.mp4", range(1), Fraction(1, 30), "libx264", X264, None),
        ("concat:a|b.mp4", range(5), Fraction(1, 30), "libx264", X264, None),
    ],
)
def test_frames_are_pyavs_bit_for_bit(tmp_path, torchcodec, name, stamps, unit, codec, options, container):
    plain = make_video(tmp_path / f"plain.{name.rpartition('.')[2]}", stamps, unit, codec, options, container)
    theirs = require_equal_readings(plain.rename(tmp_path / name))
    assert [painted_number(frame) for frame in theirs.values()] == list(range(len(stamps)))


@pytest.mark.parametrize(
    "make",
    [
        lambda d: make_video(d / "a.mp4", container_options=EDIT_LIST, shift=25),
        lambda d: make_audio_and_video(d / "a.mp4", 3.0, 2.0, 0.48),
        lambda d: write_two_sizes(d / "a.mkv", "libvpx-vp9", VP9),
        lambda d: write_two_sizes(d / "a.ts", "libx264", X264),
        lambda d: make_video(d / "a.mp4", range(3), rotation=90),
        lambda d: make_video(d / "a.mp4", range(3), rotation=180),
    ],
    ids=["edit list", "late start", "two sizes", "two sizes in ts", "turned by 90", "turned by 180"],
)
def test_what_decord_may_not_read_is_read_rightly(tmp_path, torchcodec, make):
    require_equal_readings(make(tmp_path))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda d: make_video(d / "a.mp4", range(3), rotation=45), "it is shown turned by 45 degrees"),
        (lambda d: cut(make_video(d / "a.mkv", range(120)), 0.55), "it is cut short"),
        (lambda d: make_video(d / "a.h264", container_format="h264"), "its packets hold no presentation stamps"),
    ],
)
def test_what_could_differ_is_refused_with_the_reason(tmp_path, make, reason):
    probe = probe_video(make(tmp_path))
    assert why_unfit_for_torchcodec(probe) == reason
    with pytest.raises(VideoError, match=f"torchcodec must not read it: {reason}") as caught:
        choose_decoder(probe, "torchcodec", [])
    assert "--decoder auto" in caught.value.hint
    assert isinstance(choose_decoder(probe, "auto", []), PyAVDecoder)


def test_facts_no_small_file_shows(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(4)))
    assert why_unfit_for_torchcodec(replace(probe, bit_depth=10)) == "its colours have 10 bits"
    assert why_unfit_for_torchcodec(replace(probe, bit_depth=0)) == "its colours have an unknown number of bits"
    assert why_unfit_for_torchcodec(replace(probe, stamps=np.array([0, 1, 1, 2]))) == "two frames have one stamp"
    turned = replace(probe, rotation=90)
    assert why_unfit_for_torchcodec(turned) == ""
    assert why_unfit_for_torchcodec(turned, "cuda") == "it is shown turned by 90 degrees"


def test_another_idea_of_the_frames_is_refused(tmp_path, torchcodec):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(30)))
    for changed, words in (
        (replace(probe, ticks=probe.ticks + 1), "gives a frame of 0.000000 s where the packets promise one of 0.0000"),
        (replace(probe, stamps=probe.stamps[:-1], ticks=probe.ticks[:-1]), "sees more than the 29 frames"),
        (
            replace(probe, stamps=np.append(probe.stamps, 10**6), ticks=np.append(probe.ticks, 10**6)),
            "stopped at frame 30 of 31 (the file ends)",
        ),
    ):
        with pytest.raises(DecoderError) as caught:
            natives(TorchcodecDecoder(changed), [0])
        assert words in caught.value.message
    with pytest.raises(DecoderError, match="cannot open it"), TorchcodecDecoder(replace(probe, path=tmp_path / "no")):
        pass


def test_damage_is_never_read_over(tmp_path, torchcodec):
    rng = np.random.default_rng(5)
    for options in ({"preset": "veryfast", "g": "10", "bf": "0"}, X264, {"preset": "veryfast", "g": "1"}):
        whole = make_video(tmp_path / "a.mp4", range(60), codec_options=options)
        for _ in range(4):
            spoiled, _ = spoil_packets(whole, rng.choice(60, rng.integers(1, 4), replace=False).tolist())
            with pytest.raises(DecoderError, match=r"torchcodec (stopped at frame|gives a frame)"):
                natives(TorchcodecDecoder(probe_video(spoiled)), range(0, 60, 7))


REAL = [
    "demo.mp4", "flipping_a_pancake.mkv", "v_GGSY1Qvo990.mp4", "v_ZNVhz7ctTq0.mp4", "h265_video.mp4", "av1_video.mkv",
    "video_90.mov", "video_180.mov", "unordered.mov",
]  # fmt: skip
UNFIT = {"h264_10bits.mp4": "its colours have 10 bits", "test.avi": "its packets hold no presentation stamps"}


@pytest.mark.parametrize("name", REAL)
def test_real_videos_give_the_same_frames(shared_data, torchcodec, name):
    require_equal_readings(shared_data(f"videos/{name}"))


@pytest.mark.parametrize("name", UNFIT)
def test_real_videos_that_it_must_not_read(shared_data, name):
    assert why_unfit_for_torchcodec(probe_video(shared_data(f"videos/{name}"))) == UNFIT[name]


def test_a_real_damaged_video_is_no_frames(shared_data, torchcodec):
    probe = probe_video(shared_data("videos/corrupted.mp4"))
    with pytest.raises(DecoderError, match="torchcodec stopped at frame 28 of 50"):
        natives(TorchcodecDecoder(probe), [0])


# In reader processes and the whole command.


def test_readers_give_the_same_clips_within_their_memory(tmp_path, torchcodec):
    paths = [make_video(tmp_path / f"{number}.mp4", range(number, number + 60)) for number in range(2)]
    clips = {}
    for decoder in ("pyav", "torchcodec"):
        with ReaderPool(1, slot_bytes=CLIP_BYTES) as pool:
            for event in pool.read(tasks_of(paths, HALF, decoder=decoder)):
                if isinstance(event, ClipsReady):
                    clips[decoder, event.key, event.first_interval] = event.clips.copy()
                    event.release()
                elif isinstance(event, VideoOpened):
                    assert event.decoder is (Decoder.TORCHCODEC if decoder == "torchcodec" else Decoder.PYAV)
                else:
                    assert isinstance(event, VideoRead), event
    assert len(clips) == 16
    for (decoder, *place), values in clips.items():
        assert np.array_equal(values, clips["pyav", *place]), (decoder, place)


def test_extract_records_it_and_gives_the_same_features(tmp_path, torchcodec):
    make_video(tmp_path / "a.mp4", range(60))
    words = "--trunk resnet18 --checkpoint random:0 --num-frames 2 --resize square32 --workers 1 -t 0.5 -q".split()
    for decoder in ("pyav", "torchcodec"):
        done = CliRunner().invoke(
            app,
            ["extract", str(tmp_path / "a.mp4"), "-o", str(tmp_path / f"{decoder}.h5"), "--decoder", decoder, *words],
        )
        assert done.exit_code == 0, done.output
    with open_features(tmp_path / "pyav.h5") as ours, open_features(tmp_path / "torchcodec.h5") as theirs:
        assert ours.spec == theirs.spec
        assert np.array_equal(ours.embeddings("a"), theirs.embeddings("a"))
        assert theirs.features("a").decoder is Decoder.TORCHCODEC


def test_doctor_compares_it(tmp_path, torchcodec, monkeypatch):
    monkeypatch.setattr(examination, "_PROBES", {"torchcodec": examination._PROBES["torchcodec"]})
    done = CliRunner().invoke(app, ["doctor", "--video", str(make_video(tmp_path / "a.ts", range(30))), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {check["name"]: check["status"] for check in found["checks"]}["torchcodec"] == "ok"
    assert found["video"]["why_unfit_for_torchcodec"] == ""
    (theirs,) = [entry for entry in found["comparisons"] if entry["decoder"] == "torchcodec"]
    assert (theirs["num_frames"], theirs["num_equal"], theirs["error"]) == (30, 30, "")


# Where it is not there.

LACKS = {
    "nothing": ("import sys; sys.modules['torchcodec'] = None", "cannot be loaded (import of torchcodec halted"),
    "no ffmpeg": (
        "import sys, types; m = types.ModuleType('torchcodec'); m.__path__ = []; sys.modules['torchcodec'] = m\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torchcodec.decoders':\n"
        "            raise RuntimeError('Could not load libtorchcodec. Likely causes: 1. no FFmpeg')\n"
        "sys.meta_path.insert(0, Broken())",
        "cannot be loaded (it finds no FFmpeg libraries that it knows)",
    ),
    "another one": (
        "import sys, types; m = types.ModuleType('torchcodec'); m.decoders = m; m.__version__ = '9.9'\n"
        "sys.modules['torchcodec'] = sys.modules['torchcodec.decoders'] = m",
        "torchcodec 9.9 has no call for the next frame",
    ),
}


@pytest.mark.parametrize("what", LACKS)
def test_a_machine_without_it_is_told_in_one_line(what):
    prepare, words = LACKS[what]
    code = f"{prepare}\nfrom tsmfeat.video.torchcodec_decoding import *\ntry:\n    load_torchcodec()\n"
    code += "except DecoderLackError as error:\n    print(error.message); print(error.hint)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    message, hint = done.stdout.splitlines()
    assert words in message
    assert "pip install" in hint
    assert what == "another one" or '"tsmfeat[gpu]"' in hint


def test_the_run_ends_at_once_with_exit_code_5(tmp_path, monkeypatch):
    (tmp_path / "videos").mkdir()
    (tmp_path / "without").mkdir()
    for number in range(3):
        make_video(tmp_path / "videos" / f"{number}.mp4")
    (tmp_path / "without" / "torchcodec.py").write_text("raise ImportError('not here')")
    monkeypatch.syspath_prepend(str(tmp_path / "without"))
    words = "--trunk resnet18 --checkpoint random:0 --num-frames 2 --resize square32 --workers 2".split()
    done = CliRunner().invoke(
        app, ["extract", str(tmp_path / "videos"), "-o", str(tmp_path / "a.h5"), "--decoder", "torchcodec", *words]
    )
    assert done.exit_code == 5, done.output
    assert "torchcodec cannot be loaded (not here)" in " ".join(done.stderr.split())
    assert "tsmfeat[gpu]" in done.stderr
    assert not (tmp_path / "a.h5").exists()


def test_a_reader_without_room_for_torch_is_told(tmp_path, torchcodec):
    tasks = tasks_of([make_video(tmp_path / "a.mp4")], HALF, decoder="torchcodec")
    with ReaderPool(1, slot_bytes=CLIP_BYTES, limits=ReaderLimits(0.3, 60.0)) as pool:
        with pytest.raises(EnvironmentLackError) as caught:
            list(pool.read(tasks))
    assert "--reader-memory 4" in caught.value.hint


def test_a_machine_without_a_gpu_is_told(torchcodec):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(DecoderLackError, match="torch sees no CUDA device"):
        load_torchcodec("cuda")


def test_it_has_no_scaler_of_its_own():
    for decoder in ("torchcodec", "torchcodec-cuda"):
        with pytest.raises(ConfigurationError, match="it scales with 'pil' only"):
            VideoOptions(decoder=decoder, resize_filter="reader")
    assert reader_identity(VideoOptions(decoder="torchcodec-cuda")) == "torchcodec-cuda"


# Resizing on a device, here on tensors of the CPU.


@pytest.mark.parametrize("geometry", ["square256", "square64", "short256-crop224", "short64-crop64", "square9"])
@pytest.mark.parametrize("size", [(240, 320), (480, 360), (720, 405), (50, 50), (33, 17), (256, 256)])
def test_resizing_on_a_device_is_within_a_level_of_pillows(geometry, size):
    rng = np.random.default_rng(0)
    target = parse_geometry(geometry)
    smooth = np.stack([np.add.outer(np.arange(size[0]), np.arange(size[1])) * k % 256 for k in (1, 2, 3)], 2)
    for frame, most in ((rng.integers(0, 256, (*size, 3)).astype(np.uint8), 0.05), (smooth.astype(np.uint8), 0.2)):
        ours = resize_frame(frame, target)
        theirs = DevicePicture(torch.from_numpy(frame)).resized(Resizing(target))
        assert theirs.shape == ours.shape == (target.height, target.width, 3)
        difference = ours.astype(int) - theirs
        assert np.abs(difference).max() <= 1
        # Pixels halfway between two levels go either way; the second frame is full of them.
        assert abs(difference.mean()) < most


def test_resizing_keeps_what_needs_no_resizing():
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.array_equal(resize_on_device(torch.from_numpy(frame), parse_geometry("square64")).numpy(), frame)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_frames_within_a_few_levels(shared_data, torchcodec):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    probe, geometry = probe_video(shared_data("videos/v_ZNVhz7ctTq0.mp4")), parse_geometry("square256")
    wanted = np.arange(0, 420, 20)
    ours = dict(decode_frames(probe, wanted, geometry))
    theirs = dict(decode_frames(probe, wanted, geometry, VideoOptions(decoder="torchcodec-cuda")))
    assert list(theirs) == list(ours)
    for index in wanted.tolist():
        assert np.abs(ours[index].astype(int) - theirs[index]).mean() < 2


@pytest.mark.gpu
def test_readers_share_the_gpu(tmp_path, torchcodec):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    paths = [make_video(tmp_path / f"{number}.mp4") for number in range(4)]
    with ReaderPool(2, slot_bytes=CLIP_BYTES) as pool:
        for event in pool.read(tasks_of(paths, HALF, decoder="torchcodec-cuda")):
            assert not isinstance(event, VideoFailed), event
            if isinstance(event, ClipsReady):
                assert [painted_number(clip[0]) for clip in event.clips]
                event.release()

"""Clips to embeddings on the CPU, and the choice of device, precision and batch size."""

import copy
import time

import numpy as np
import pytest
import torch
from factories_trunk import golden, golden_pixels, golden_state, relative_error
from torch import nn

from tsmfeat.errors import ConfigurationError, EnvironmentLackError, InputError
from tsmfeat.trunk.device import default_batch_size, exact_convolutions, resolve_device, resolve_precision
from tsmfeat.trunk.embedding import FLOAT16_MAX, Embedder, to_float16
from tsmfeat.trunk.foreign import ForeignTrunk, TrunkFacts
from tsmfeat.trunk.transfer import UploadBuffers
from tsmfeat.trunk.tsm import build_trunk

FLOAT16_STEP = 2**-11


@pytest.fixture(scope="module")
def trunk():
    return build_trunk("resnet18", num_frames=2, checkpoint="random:2")


@pytest.fixture(scope="module")
def clips():
    return np.random.default_rng(5).integers(0, 256, (7, 2, 32, 40, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(trunk, clips):
    """The trunk itself in float64, on frames normalised in float64."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    frames = torch.from_numpy((clips / 255 - mean) / std).permute(0, 1, 4, 2, 3)
    return copy.deepcopy(trunk).double()(frames).numpy()


@pytest.mark.parametrize("pad", [None, True])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_batch_size_and_padding_do_not_change_embeddings(trunk, clips, expected, batch_size, pad):
    with Embedder(trunk, "cpu", "fp32", batch_size, pad) as embed:
        embeddings = embed(clips)
    assert embeddings.dtype == np.float16
    assert embeddings.shape == (7, 512)
    assert np.all(np.abs(embeddings - expected) <= FLOAT16_STEP * np.abs(expected) + 1e-5 * expected.max())


def test_the_batch_a_clip_is_in_does_not_matter_before_rounding(trunk, clips, monkeypatch):
    monkeypatch.setattr("tsmfeat.trunk.embedding.to_float16", lambda values: values.copy())
    runs = [Embedder(trunk, "cpu", "fp32", size, pad)(clips) for size in (1, 2, 5, 7) for pad in (False, True)]
    assert all(run.dtype == np.float32 for run in runs)
    assert all(relative_error(run, runs[0]) <= 1e-5 for run in runs[1:])


def test_golden_pixels_give_golden_embeddings(monkeypatch):
    monkeypatch.setattr("tsmfeat.trunk.embedding.to_float16", lambda values: values.copy())
    facts = golden("resnet18_t4")
    trunk = build_trunk("resnet18", num_frames=4)
    trunk.load_state_dict(golden_state("resnet18_t4"), strict=False)
    embeddings = Embedder(trunk, "cpu", "fp32", 2)(golden_pixels("resnet18_t4"))
    assert relative_error(embeddings[:, :48], facts["embedding_first48"]) <= 1e-5
    assert np.linalg.norm(embeddings, axis=1).tolist() == pytest.approx(facts["embedding_l2"], rel=1e-5)


@pytest.mark.parametrize(("precision", "error"), [("bf16", 2e-2), ("fp16", 3e-3)])
def test_lower_precisions_stay_close(trunk, clips, expected, precision, error):
    embeddings = Embedder(trunk, "cpu", precision, 4)(clips).astype(np.float64)
    assert FLOAT16_STEP / 10 < relative_error(embeddings, expected) <= error
    cosine = (embeddings * expected).sum(1) / np.linalg.norm(embeddings, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() >= 0.9999


def test_arrays_of_any_layout_and_tensors_are_taken(trunk, clips):
    embed = Embedder(trunk, "cpu", "fp32", 4)
    plain = embed(clips)
    read_only = clips.copy()
    read_only.setflags(write=False)
    strided = np.repeat(clips, 2, axis=2)[:, :, ::2]
    reverse = clips[::-1].copy()[::-1]
    planes = np.ascontiguousarray(clips.transpose(0, 1, 4, 2, 3)).transpose(0, 1, 3, 4, 2)
    for same in (read_only, strided, reverse, planes, torch.from_numpy(clips)):
        assert np.array_equal(embed(same), plain)
    assert np.array_equal(read_only, clips)


def test_frame_sizes_may_change_between_calls(trunk, clips):
    embed = Embedder(trunk, "cpu", "fp32", 4)
    first = embed(clips)
    assert embed(clips[:, :, :16, :16]).shape == (7, 512)
    assert np.array_equal(embed(clips), first)


def test_no_clips_give_no_embeddings(trunk):
    assert Embedder(trunk, "cpu", "fp32", 4)(np.empty((0, 2, 32, 32, 3), np.uint8)).shape == (0, 512)


def test_started_batches_may_be_fetched_later_and_the_array_used_again(trunk, clips):
    embed = Embedder(trunk, "cpu", "fp32", 4)
    batch = clips[:4].copy()
    first = embed.start(batch)
    batch[:] = 0
    second = embed.start(clips[4:])
    rows = [second(), first()]
    assert all(row.dtype == np.float32 for row in rows)
    assert np.array_equal(to_float16(np.concatenate(rows[::-1])), embed(clips))


def test_busy_seconds_are_those_of_the_forward_passes_fetched(trunk, clips):
    slow = copy.deepcopy(trunk)
    slow.layer4.register_forward_hook(lambda *_: time.sleep(0.05))
    embed = Embedder(slow, "cpu", "fp32", 4)
    assert embed.busy_seconds == 0
    began = time.perf_counter()
    fetches = [embed.start(clips[:4]), embed.start(clips[4:])]
    assert embed.busy_seconds == 0
    for fetch in fetches:
        fetch()
    wall = time.perf_counter() - began
    assert 0.1 <= embed.busy_seconds <= wall
    # A batch fetched again was computed once.
    busy = embed.busy_seconds
    fetches[0]()
    assert embed.busy_seconds == busy


@pytest.mark.parametrize("num_rolls", [1, 2, 3, 8])
def test_rolls_average_the_embeddings_of_rolled_frames(trunk, clips, num_rolls, monkeypatch):
    monkeypatch.setattr("tsmfeat.trunk.embedding.to_float16", lambda values: values.copy())
    plain = Embedder(trunk, "cpu", "fp32", 4)
    # 40 columns: the third roll begins at column 26 of 40 · 2 / 3.
    shifts = [num * 40 // num_rolls for num in range(num_rolls)]
    expected = np.mean([plain(np.roll(clips, shift, axis=3)) for shift in shifts], axis=0)
    found = Embedder(trunk, "cpu", "fp32", 4, num_rolls=num_rolls)(clips)
    assert relative_error(found, expected) <= 1e-6
    if num_rolls > 1:
        assert relative_error(found, plain(clips)) > 1e-4


def test_a_panorama_rolled_by_a_quarter_has_the_same_embedding_of_four_rolls(trunk, clips, monkeypatch):
    monkeypatch.setattr("tsmfeat.trunk.embedding.to_float16", lambda values: values.copy())
    embed = Embedder(trunk, "cpu", "fp32", 7, num_rolls=4)
    assert relative_error(embed(np.roll(clips, 10, axis=3)), embed(clips)) <= 1e-6


def test_a_clip_is_embedded_at_least_once(trunk):
    with pytest.raises(ConfigurationError, match="0 rolls"):
        Embedder(trunk, "cpu", "fp32", 4, num_rolls=0)


def test_frames_are_normalised_as_the_trunk_says(trunk, clips, expected):
    other = copy.deepcopy(trunk)
    other.mean, other.std = (0.0, 0.25, 0.5), (1.0, 0.5, 0.25)
    frames = torch.from_numpy((clips / 255 - other.mean) / other.std).permute(0, 1, 4, 2, 3)
    embeddings = Embedder(other, "cpu", "fp32", 4)(clips)
    assert relative_error(embeddings, copy.deepcopy(trunk).double()(frames).numpy()) <= 1e-3
    assert relative_error(embeddings, expected) > 1e-2


@pytest.mark.golden
def test_a_compiled_trunk_gives_the_same_embeddings_in_one_static_shape(clips):
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, frames):
            return self.conv(frames.flatten(0, 1)).relu().mean((2, 3)).view(len(frames), -1)

    facts = TrunkFacts(2, None, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 8)
    foreign = ForeignTrunk(Small(), lambda network, frames: network(frames), facts)
    plain = Embedder(foreign, "cpu", "fp32", 4)(clips)
    with Embedder(foreign, "cpu", "fp32", 4) as embed:
        embed.compile()
        counts = torch._dynamo.utils.counters["stats"]
        before = counts["unique_graphs"]
        assert relative_error(embed(clips), plain) <= 1e-3
        assert relative_error(embed(clips[:3]), plain[:3]) <= 1e-3
        # A batch of 3 of 4 is padded: there is one shape to compile for.
        assert counts["unique_graphs"] == before + 1


def test_where_no_compiler_works_it_is_said_before_the_first_batch(trunk, monkeypatch):
    def fail(*_, **options):
        raise RuntimeError("No working C++ compiler found\nin a long list")

    monkeypatch.setattr(torch, "compile", fail)
    with Embedder(trunk, "cpu", "fp32", 4) as embed:
        with pytest.raises(EnvironmentLackError, match=r"--compile: .* cpu .*No working C\+\+ compiler") as caught:
            embed.compile()
        assert caught.value.exit_code == 5
        assert not embed._pad


def test_the_trunk_is_left_as_it_was(trunk, clips):
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    Embedder(trunk, "cpu", "bf16", 4)(clips[:2])
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert list(before) == list(trunk.state_dict())


def test_a_closed_embedder_says_so(trunk, clips):
    with Embedder(trunk, "cpu", "fp32", 4) as embed:
        pass
    with pytest.raises(InputError, match="closed"):
        embed(clips)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 2, 8, 8, 3), np.float32),
        np.zeros((1, 3, 8, 8, 3), np.uint8),
        np.zeros((1, 2, 3, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 3), np.uint8),
        torch.zeros((1, 2, 8, 8, 3)),
    ],
)
def test_other_clips_are_refused(trunk, wrong):
    with pytest.raises(InputError, match=r"expected uint8 \(n, 2, H, W, 3\)"):
        Embedder(trunk, "cpu", "fp32", 4)(wrong)


@pytest.mark.parametrize("count", [0, 5])
def test_a_batch_has_one_clip_to_batch_size(trunk, count):
    with pytest.raises(InputError, match=f"{count} clips; expected 1 to 4"):
        Embedder(trunk, "cpu", "fp32", 4).start(np.zeros((count, 2, 8, 8, 3), np.uint8))


def test_padding_rows_are_zeros_even_after_a_full_batch():
    buffers = UploadBuffers(torch.device("cpu"), batch_size=3)
    for _ in range(3):
        buffers.upload(np.full((3, 1, 2, 2, 3), 9, np.uint8), pad=True)
    batch = buffers.upload(np.full((1, 1, 2, 2, 3), 7, np.uint8), pad=True)
    assert batch.shape == (3, 1, 2, 2, 3)
    assert batch[0].unique().tolist() == [7]
    assert batch[1:].unique().tolist() == [0]
    assert len(buffers.upload(np.full((2, 1, 2, 2, 3), 7, np.uint8), pad=False)) == 2


def test_two_uploads_do_not_share_memory():
    buffers = UploadBuffers(torch.device("cpu"), batch_size=1)
    first = buffers.upload(np.full((1, 4), 1, np.uint8), pad=False)
    second = buffers.upload(np.full((1, 4), 2, np.uint8), pad=False)
    assert (first.unique().tolist(), second.unique().tolist()) == ([1], [2])


def test_values_beyond_float16_are_refused_naming_the_clip(trunk, clips):
    loud = copy.deepcopy(trunk)
    loud.layer4[1].bn2.bias.fill_(1e5)
    with pytest.raises(InputError, match=r"clip 0 of the batch .* at most 65504"):
        Embedder(loud, "cpu", "fp32", 4)(clips)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 65505.0, -65519.0])
def test_float16_refuses_what_it_cannot_hold(bad):
    values = np.zeros((3, 4), np.float32)
    values[1, 2] = bad
    with pytest.raises(InputError, match="clip 1"):
        to_float16(values)


def test_float16_keeps_what_it_can_hold():
    values = np.array([[FLOAT16_MAX, -FLOAT16_MAX, 0.1, 6e-8, 1e-30]], np.float32)
    rounded = to_float16(values)
    assert rounded.tolist() == [[65504.0, -65504.0, 0.0999755859375, 5.960464477539063e-08, 0.0]]
    assert to_float16(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_precision_is_explicit_existing_or_by_device():
    assert resolve_precision("auto", "cpu") == "fp32"
    assert resolve_precision("auto", "cuda:0") == "bf16"
    assert resolve_precision("auto", "cuda:0", existing="fp32") == "fp32"
    assert resolve_precision("auto", "cpu", existing="bf16") == "bf16"
    assert resolve_precision("fp16", "cpu", existing="bf16") == "fp16"
    with pytest.raises(ConfigurationError, match="half"):
        resolve_precision("half", "cpu")


def precisions():
    return torch.backends.cudnn.conv.fp32_precision, torch.backends.mkldnn.conv.fp32_precision


@pytest.mark.parametrize("wish", ["high", "medium"])
def test_float32_products_are_not_rounded_and_settings_are_put_back(trunk, clips, wish):
    def settings():
        return torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision

    seen = []
    watched = copy.deepcopy(trunk)
    watched.layer1.register_forward_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(wish)
        asked = settings()
        Embedder(watched, "cpu", "fp32", 2)(clips[:1])
        assert (settings(), torch.get_float32_matmul_precision()) == (asked, wish)
        # The newer name alone: torch cannot read the older one then.
        torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision = "tf32", "ieee"
        Embedder(watched, "cpu", "fp32", 2)(clips[:1])
        assert settings() == ("tf32", "ieee")
    finally:
        torch.set_float32_matmul_precision(before)
    assert seen == ["highest", "highest"]


def test_float32_convolutions_are_not_rounded_and_settings_are_put_back(trunk, clips):
    seen = []
    watched = copy.deepcopy(trunk)
    watched.layer1.register_forward_hook(lambda *_: seen.append((*precisions(), torch.backends.cudnn.benchmark)))
    before = precisions()
    try:
        # Someone else's wish for speed; the legacy name must not get in the way.
        torch.backends.cudnn.conv.fp32_precision = torch.backends.mkldnn.conv.fp32_precision = "tf32"
        Embedder(watched, "cpu", "fp32", 2, pad=True)(clips[:1])
        with pytest.raises(ZeroDivisionError), exact_convolutions():
            seen.append((*precisions(), 1 / 0))
        assert precisions() == ("tf32", "tf32")
    finally:
        torch.backends.cudnn.conv.fp32_precision, torch.backends.mkldnn.conv.fp32_precision = before
    assert seen == [("ieee", "ieee", True)]
    assert not torch.backends.cudnn.benchmark


def test_devices_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == "cpu"
    for device in ("cuda", "cuda:0", "cuda:3"):
        with pytest.raises(EnvironmentLackError, match="sees 0 CUDA devices"):
            resolve_device(device)
    for device in ("gpu", "mps", "cuda:x", "auto:x"):
        with pytest.raises(ConfigurationError, match="is not known"):
            resolve_device(device)


def test_devices_that_are_there_are_numbered(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [resolve_device(d) for d in ("auto", "cuda", "cuda:1", "cpu")] == ["cuda:0", "cuda:0", "cuda:1", "cpu"]
    with pytest.raises(EnvironmentLackError, match="sees 2 CUDA devices"):
        resolve_device("cuda:2")


def test_batches_hold_at_least_one_clip_and_grow_with_smaller_frames():
    assert default_batch_size("cpu", 32, 1024, 1024) == 1
    assert default_batch_size("cpu", 4, 48, 48) > default_batch_size("cpu", 8, 224, 224) >= 1
    assert default_batch_size("cuda:0", 1, 8, 8) == 512


@pytest.mark.gpu
def test_cuda_equals_the_cpu(trunk, clips, expected):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    with Embedder(trunk, "cuda:0", "fp32", 3) as embed:
        assert relative_error(embed(clips), expected) <= 1e-3
    with Embedder(trunk, "cuda:0", "bf16", 3) as embed:
        assert relative_error(embed(clips), expected) <= 2e-2


@pytest.mark.gpu
def test_cuda_is_busy_for_part_of_the_time(trunk):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    clips = np.zeros((32, 2, 224, 224, 3), np.uint8)
    with Embedder(trunk, "cuda:0", "bf16", 8) as embed:
        embed(clips)
        warm = embed.busy_seconds
        began = time.perf_counter()
        embed(clips)
        wall = time.perf_counter() - began
    assert 0 < embed.busy_seconds - warm <= wall

"""Checkpoints of a trunk: what is read is exact, and everything else is refused in one line."""

import argparse
import hashlib
import os
import pickle
import zlib

import numpy as np
import pytest
import torch
from factories_trunk import tiny_shapes, tiny_state
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from tsmfeat.errors import CheckpointError
from tsmfeat.files import save_tensors
from tsmfeat.trunk.checkpoint import load_state, save_trunk
from tsmfeat.trunk.tsm import build_trunk

WEIGHT = "conv1.weight"


def load(path):
    return load_state(str(path), "tiny", tiny_shapes())


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def refusal(path, says, hints=""):
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert says in caught.value.message
    assert hints in caught.value.hint
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)
    return caught.value


def expected_digest(state):
    """SHA-256 over name, shape and float32 bytes in name order, written out."""
    digest = hashlib.sha256()
    for name in sorted(name for name in state if not name.endswith("tracked")):
        array = state[name].numpy()
        digest.update(f'["{name}",[{",".join(str(n) for n in array.shape)}]]'.encode())
        digest.update(array.astype("<f4").tobytes())
    return digest.hexdigest()


def test_torch_file_is_read_exactly(tmp_path):
    state = tiny_state()
    path = saved(tmp_path / "a.pth", state)
    loaded = load(path)
    assert list(loaded.tensors) == list(state)
    assert all(torch.equal(loaded.tensors[name], state[name]) for name in state if not name.endswith("tracked"))
    assert loaded.tensors["bn1.num_batches_tracked"].dtype == torch.int64
    assert loaded.digest == expected_digest(state)
    assert loaded.file_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.notes == ()


def test_equal_weights_have_one_identity_whatever_the_file(tmp_path):
    state = tiny_state()
    plain = {name: value for name, value in state.items() if not name.endswith("tracked")}
    with_head = state | {"fc.weight": torch.randn(3, 4), "fc.bias": torch.randn(3)}
    last = {n: v.to(memory_format=torch.channels_last) if v.ndim == 4 else v for n, v in state.items()}
    parameters = {name: torch.nn.Parameter(value) for name, value in plain.items()}
    save_tensors(
        tmp_path / "own.safetensors",
        {name: value.numpy() for name, value in plain.items()},
        {"kind": "trunk", "version": 1, "trunk": "tiny"},
    )
    files = [
        saved(tmp_path / "plain.pth", state),
        saved(tmp_path / "no-counters.pth", plain),
        saved(tmp_path / "double.pth", {n: v.double() for n, v in plain.items()}),
        saved(tmp_path / "last.pth", last),
        saved(tmp_path / "parameters.pth", parameters),
        saved(tmp_path / "legacy.pth", state, _use_new_zipfile_serialization=False),
        saved(tmp_path / "reversed.pth", dict(reversed(list(state.items())))),
        saved(tmp_path / "training.pth", {"epoch": 3, "model": state, "optimizer": {"state": {}}}),
        saved(tmp_path / "wrapped.pth.tar", {"state_dict": with_head, "best": 0.5}),
        tmp_path / "own.safetensors",
    ]
    assert {load(path).digest for path in files} == {expected_digest(state)}
    moved = {**plain, WEIGHT: plain[WEIGHT] + 1e-3}
    assert load(saved(tmp_path / "moved.pth", moved)).digest != expected_digest(state)


def test_classifier_is_left_out_and_said(tmp_path):
    path = saved(tmp_path / "a.pth", tiny_state() | {"fc.weight": torch.zeros(2, 4), "fc.bias": torch.zeros(2)})
    (note,) = load(path).notes
    assert "fc.weight, fc.bias left out" in note


def test_loaded_tensors_own_their_memory(tmp_path):
    base = torch.randn(4, 4)
    state = tiny_state() | {"bn1.weight": base[0], "bn1.bias": base[0]}
    loaded = load(saved(tmp_path / "a.pth", state)).tensors
    loaded["bn1.weight"].zero_()
    assert torch.equal(loaded["bn1.bias"], base[0])


def test_files_that_are_none_are_refused(tmp_path):
    refusal(tmp_path / "missing.pth", "does not exist")
    refusal(tmp_path, "is a folder")
    for name, content, says in [
        ("empty.pth", b"", "is empty"),
        ("text.pth", b"a letter to the editor", "neither"),
        ("page.pth", b"<html><body>404</body></html>", "neither"),
        ("short.pth", b"PK", "neither"),
        ("zip.pth", b"PK\x03\x04" + bytes(60), "damaged"),
        ("pickle.pth", b"\x80\x02}q\x00.", "damaged"),
        ("noise.safetensors", (10**9).to_bytes(8, "little") + b'{"a":', "not a readable safetensors"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        refusal(path, says)
    fifo = tmp_path / "fifo.pth"
    os.mkfifo(fifo)
    refusal(fifo, "not a regular file")


class Dangerous:
    """Runs a command when a careless reader unpickles it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_a_pickle_never_runs_its_code(tmp_path):
    marker = tmp_path / "marker"
    raw = tmp_path / "raw.pth"
    raw.write_bytes(pickle.dumps({WEIGHT: Dangerous(marker)}, protocol=2))
    files = [
        raw,
        saved(tmp_path / "zip.pth", {WEIGHT: Dangerous(marker)}),
        saved(tmp_path / "legacy.pth", Dangerous(marker), _use_new_zipfile_serialization=False),
        saved(tmp_path / "beside.pth", {"state_dict": tiny_state(), "meta": Dangerous(marker)}),
    ]
    for path in files:
        refusal(path, "")
        assert not marker.exists()
    assert "system" in refusal(files[1], "refused it with weights_only", "tsmfeat convert ").message
    pickle.loads(raw.read_bytes())
    assert marker.exists(), "the bait does work"


@pytest.mark.parametrize(
    ("extra", "culprit"),
    [
        ({"args": argparse.Namespace(lr=0.1)}, "argparse.Namespace"),
        ({"best_prec1": np.float64(71.2)}, "numpy"),
        ({"model": torch.nn.Linear(2, 2)}, "torch.nn.modules.linear.Linear"),
    ],
)
def test_harmless_python_objects_are_refused_by_name_with_a_way_on(tmp_path, extra, culprit):
    path = saved(tmp_path / "a.pth", {"state_dict": tiny_state(), **extra})
    assert culprit in refusal(path, "refused it with weights_only", "tsmfeat convert ").message


@pytest.mark.parametrize("content", [[1, 2], {}, torch.zeros(3), "text", None, {"state_dict": {}}])
def test_files_without_a_state_dict_are_refused(tmp_path, content):
    refusal(saved(tmp_path / "a.pth", content), "holds no state dict")


@pytest.mark.parametrize("legacy", [False, True])
def test_truncated_files_are_refused_in_one_line(tmp_path, legacy):
    whole = saved(tmp_path / "whole.pth", tiny_state(), _use_new_zipfile_serialization=not legacy).read_bytes()
    path = tmp_path / "cut.pth"
    for size in range(4, len(whole) - 1, 97):
        path.write_bytes(whole[:size])
        refusal(path, "")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_byte_is_refused_or_changes_the_identity(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    path = saved(folder / "flipped.pth", tiny_state(), _use_new_zipfile_serialization=data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        loaded = load(path)
    except CheckpointError:
        refusal(path, "")
        return
    assert all(torch.isfinite(value).all() for value in loaded.tensors.values())
    assert loaded.file_sha256 == hashlib.sha256(content).hexdigest()
    same = all(torch.equal(loaded.tensors[n], v) for n, v in tiny_state().items() if not n.endswith("tracked"))
    assert same == (loaded.digest == expected_digest(tiny_state()))


def test_a_flipped_byte_of_a_tensor_is_seen_whatever_the_name(tmp_path):
    """The archive holds a checksum of every tensor, which torch.load does not compare."""
    path = saved(tmp_path / "a.pth", tiny_state())
    content = path.read_bytes()
    place = content.index(tiny_state()[WEIGHT].numpy().tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert not torch.equal(torch.load(path)[WEIGHT], tiny_state()[WEIGHT])
    refusal(path, "has changed, its checksum is another", "copy the checkpoint again")


def test_a_flipped_weight_byte_is_seen_where_the_name_states_the_digest(tmp_path):
    content = saved(tmp_path / "a.pth", tiny_state() | {"fc.bias": torch.zeros(1)}).read_bytes()
    # Digits alone may be a date, so make the file one whose digest has a letter among its first eight digits.
    digest = hashlib.sha256(content).hexdigest()
    while digest[:8].isdecimal():
        content = saved(tmp_path / "a.pth", tiny_state() | {"fc.bias": torch.rand(1)}).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
    named = tmp_path / f"tiny-{digest[:8]}.pth"
    named.write_bytes(content)
    assert load(named).file_sha256 == digest
    place = content.index(tiny_state()[WEIGHT].numpy().tobytes())
    named.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    refusal(named, "its name says " + digest[:8], "download it again")
    dated = tmp_path / "tiny-20240131.pth"
    dated.write_bytes(content)
    assert load(dated).file_sha256 == digest


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (WEIGHT, torch.zeros(4, 3, 3, 1), "conv1.weight: shape (4, 3, 3, 1); expected (4, 3, 3, 3)"),
        (WEIGHT, torch.zeros(1).expand(4, 3, 3, 3), "not contiguous"),
        (WEIGHT, torch.zeros(3, 4, 3, 3).transpose(0, 1), "not contiguous"),
        ("bn1.bias", torch.zeros(1).expand(10**12), "shape (1000000000000,); expected (4,)"),
        ("bn1.bias", torch.zeros(4, dtype=torch.int32), "dtype torch.int32"),
        ("bn1.bias", torch.zeros(4, dtype=torch.complex64), "dtype torch.complex64"),
        ("bn1.bias", torch.tensor([0, 0, 0, float("nan")]), "NaN or infinity"),
        ("bn1.bias", torch.tensor([0, 0, 0, float("-inf")]), "NaN or infinity"),
        ("bn1.bias", torch.tensor([0, 0, 0, 1e300], dtype=torch.float64), "NaN or infinity"),
        ("bn1.bias", torch.zeros(4).to_sparse(), "not a plain tensor"),
        ("bn1.bias", torch.zeros(4, device="meta"), "not a plain tensor"),
        ("bn1.bias", [0.0, 0.0, 0.0, 0.0], "list is not a plain tensor"),
        ("bn1.bias", {"a": 1}, "dict is not a plain tensor"),
    ],
)
def test_values_that_cannot_be_parameters_are_refused(tmp_path, name, value, says):
    refusal(saved(tmp_path / "a.pth", tiny_state() | {name: value}), says)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_become_float32(tmp_path, dtype):
    state = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tiny_state().items()}
    loaded = load(saved(tmp_path / "a.pth", state)).tensors
    assert torch.equal(loaded[WEIGHT], state[WEIGHT].float())
    assert loaded[WEIGHT].dtype == torch.float32


def test_missing_and_unused_keys_are_listed_with_counts(tmp_path):
    state = {name: value for name, value in tiny_state().items() if name not in ("bn1.bias", WEIGHT)}
    extra = {f"layer5.{i}.weight": torch.zeros(1) for i in range(7)}
    error = refusal(saved(tmp_path / "a.pth", state | extra), "does not fit tiny")
    assert "missing conv1.weight, bn1.bias;" in error.message
    assert "not used layer5.0.weight, layer5.1.weight, layer5.2.weight and 4 more" in error.message
    refusal(saved(tmp_path / "b.pth", state), "not used nothing")
    refusal(saved(tmp_path / "c.pth", tiny_state() | {"fcn.weight": torch.zeros(1)}), "not used fcn.weight")


def test_own_files_round_trip(tmp_path):
    trunk = build_trunk("resnet18", num_frames=2, checkpoint="random:4")
    path = tmp_path / "trunk.safetensors"
    save_trunk(path, trunk, {"trunk": "resnet18", "note": "é"})
    again = build_trunk("resnet18", num_frames=2, checkpoint=str(path))
    assert again.checkpoint_digest == trunk.checkpoint_digest
    assert again.checkpoint_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    frames = torch.randn(1, 2, 3, 32, 32)
    assert torch.equal(again(frames), trunk(frames))
    pth = saved(tmp_path / "trunk.pth", trunk.state_dict())
    assert build_trunk("resnet18", num_frames=8, checkpoint=str(pth)).checkpoint_digest == trunk.checkpoint_digest
    with pytest.raises(CheckpointError, match="'resnet18', not of 'resnet34'"):
        build_trunk("resnet34", checkpoint=str(path))
    with pytest.raises(CheckpointError, match=r"does not fit resnet34: missing layer1\.2\.conv1\.weight"):
        build_trunk("resnet34", checkpoint=str(pth))


def test_own_format_is_checked(tmp_path):
    arrays = {name: value.numpy() for name, value in tiny_state().items() if not name.endswith("tracked")}
    path = tmp_path / "a.safetensors"

    def write(header, **changes):
        save_tensors(path, arrays | changes, {"kind": "trunk", "version": 1, "trunk": "tiny"} | header)
        return path

    assert load(write({})).digest == expected_digest(tiny_state())
    refusal(write({"kind": "heads"}), "holds 'heads'")
    refusal(write({"version": 2}), "version 2")
    refusal(write({"trunk": "other"}), "'other', not of 'tiny'")
    refusal(write({}, extra=np.zeros(1, np.float32)), "not used extra")
    refusal(write({}, **{WEIGHT: np.full((4, 3, 3, 3), np.inf, np.float32)}), "NaN or infinity")
    save_file(arrays, path)
    refusal(path, "without a tsmfeat header")
    save_file(arrays, path, metadata={"tsmfeat": "{broken"})
    refusal(path, "header")
    whole = write({}).read_bytes()
    for size in range(9, len(whole), 101):
        path.write_bytes(whole[:size])
        refusal(path, "")


def test_own_files_are_known_whatever_the_length_of_their_header(tmp_path):
    """Its first byte may be that of a pickle."""
    arrays = {name: value.numpy() for name, value in tiny_state().items() if not name.endswith("tracked")}
    first = set()
    for length in range(0, 256, 8):
        path = tmp_path / f"{length}.safetensors"
        save_tensors(path, arrays, {"kind": "trunk", "version": 1, "trunk": "tiny", "note": "x" * length})
        assert load(path).digest == expected_digest(tiny_state())
        first.add(path.read_bytes()[0])
    assert 0x80 in first


def test_content_decides_the_format_not_the_name(tmp_path):
    arrays = {name: value.numpy() for name, value in tiny_state().items() if not name.endswith("tracked")}
    save_tensors(tmp_path / "own.pth", arrays, {"kind": "trunk", "version": 1, "trunk": "tiny"})
    foreign = saved(tmp_path / "foreign.safetensors", tiny_state())
    assert load(tmp_path / "own.pth").digest == load(foreign).digest


def test_random_weights_follow_the_formula():
    state = load_state("random:7", "tiny", tiny_shapes()).tensors
    generator = np.random.default_rng([7, zlib.crc32(b"conv1.weight")])
    expected = generator.standard_normal((4, 3, 3, 3), dtype=np.float32) * np.float32(np.sqrt(2 / (4 * 9)))
    assert np.array_equal(state[WEIGHT].numpy(), expected)
    assert state["bn1.weight"].tolist() == state["bn1.running_var"].tolist() == [1, 1, 1, 1]
    assert state["bn1.bias"].tolist() == state["bn1.running_mean"].tolist() == [0, 0, 0, 0]


def test_random_weights_depend_on_the_seed_alone():
    first, again, other = (build_trunk("resnet18", checkpoint=f"random:{seed}") for seed in (0, 0, 1))
    assert first.checkpoint_digest == again.checkpoint_digest != other.checkpoint_digest
    assert first.checkpoint_sha256 == ""
    weights = [value for name, value in first.state_dict().items() if "conv" in name]
    assert len({float(weight.flatten()[0]) for weight in weights}) == len(weights)


def test_random_weights_of_the_deepest_trunk_fit_float16():
    trunk = build_trunk("resnet152", num_frames=1, checkpoint="random:0")
    largest = float(trunk(torch.randn(2, 1, 3, 32, 32)).abs().max())
    assert 0.01 < largest < 1000

"""Training files through the inert reader: tensors come out exactly, nothing of the file is ever run."""

import argparse
import copyreg
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict, defaultdict, deque
from pathlib import Path

import numpy as np
import pytest
import torch
from factories_trunk import tiny_state
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import CheckpointError
from tsmfeat.trunk.reading import read_torch_file
from tsmfeat.trunk.training_files import read_inert, read_training_file
from tsmfeat.trunk.unpickling import InertUnpickler

WEIGHT = "conv1.weight"
LEGACY = pytest.mark.parametrize("legacy", [False, True])


def saved(path, content, legacy=False, **options):
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, **options)
    return path


def zipped(path, pickled, **storages):
    """A file in torch's zip format around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", sys.byteorder)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key.removeprefix('s')}", data)
    return path


def refusal(path, says=""):
    return refusal_of(read_training_file, path, says)


def refusal_of(read, path, says=""):
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert says in caught.value.message
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return caught.value


class HistoryBuffer:
    """As mmengine's: numpy arrays and methods in a dict of its own."""

    def __init__(self):
        self.history = np.arange(5.0)
        self.functions = {"mean": np.mean}

    def __eq__(self, other):
        return False

    __hash__ = None


class Config(dict):
    """As mmengine's: a dict of its own kind with attributes."""


def training_file(state):
    """What trainers leave beside a state dict: every one of these makes torch.load refuse with weights_only."""
    config = Config(model=Config(type="TSM"), lr=0.1)
    config.filename = "tsm.py"
    return {
        "meta": {"cfg": config, "path": Path("/data"), "types": [int, torch.nn.Linear], "set": {1, 2}},
        "state_dict": state,
        "message_hub": {"scalars": OrderedDict(loss=HistoryBuffer()), "more": defaultdict(list, a=[1])},
        "best_prec1": np.float64(71.2),
        "array": np.ones((2, 2)),
        "args": argparse.Namespace(lr=0.1, gpus=[0, 1]),
        "queue": deque([1, 2]),
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]},
        "scaler": torch.Size([1, 2]),
        "dtype": torch.float32,
        "sparse": torch.ones(2).to_sparse(),
    }


# ---------------------------------------------------------------- what is read


def varied_state():
    """Tensors of every kind that a state dict may hold, views of one storage among them."""
    base = torch.randn(6, 4)
    return OrderedDict(
        tiny_state()
        | {
            "first": base[0],
            "column": base[:, 1],
            "turned": base.t(),
            "half": torch.randn(3).half(),
            "bfloat": torch.randn(3).bfloat16(),
            "double": torch.randn(3).double(),
            "whole": torch.arange(3),
            "bool": torch.tensor([True, False]),
            "parameter": torch.nn.Parameter(torch.randn(2)),
            "scalar": torch.tensor(1.5),
            "empty": torch.zeros(0, 3),
            "last": torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last),
        }
    )


@LEGACY
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_tensor_comes_out_exactly(tmp_path, legacy, protocol):
    state = varied_state()
    path = saved(tmp_path / "a.pth", training_file(state), legacy, pickle_protocol=protocol)
    with pytest.raises(CheckpointError, match="tsmfeat convert"):
        read_torch_file(path)
    for found in (read_training_file(path), read_inert(path)):
        assert list(found) == list(state)
        for name, value in state.items():
            assert torch.equal(found[name], value), name
            assert (found[name].dtype, found[name].stride()) == (value.dtype, value.stride()), name


@LEGACY
def test_state_dicts_of_modules_with_metadata_and_clean_files_are_read(tmp_path, legacy):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    path = saved(tmp_path / "a.pth", module.state_dict(), legacy)
    for read in (read_inert, read_training_file):
        found = read(path)
        assert all(torch.equal(found[name], value) for name, value in module.state_dict().items())
        assert len(found) == 7


def test_both_readers_agree_on_every_clean_file(tmp_path):
    state = varied_state()
    for legacy in (False, True):
        path = saved(tmp_path / "a.pth", {"epoch": 1, "model": state}, legacy)
        ours, theirs = read_inert(path), read_torch_file(path)
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@LEGACY
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_whole_pickled_module_is_refused_by_name(tmp_path, legacy, wrapped):
    module = torch.nn.Linear(2, 2)
    path = saved(tmp_path / "a.pth", {"model": module} if wrapped else module, legacy)
    if wrapped:
        found = read_inert(path)
        assert found["model"].asked_for == "torch.nn.modules.linear.Linear"
    else:
        refusal(path, "a whole pickled object (torch.nn.modules.linear.Linear), not a state dict")


@pytest.mark.parametrize("content", [[1], {}, 5, "text", {"state_dict": {}}, argparse.Namespace(state_dict={})])
def test_files_without_a_state_dict_are_refused(tmp_path, content):
    refusal(saved(tmp_path / "a.pth", content))


def test_other_values_are_left_for_the_accounting(tmp_path):
    path = saved(tmp_path / "a.pth", {"fn": np.float64(1), "size": torch.Size([1]), "n": 3})
    found = read_training_file(path)
    assert found["n"] == 3
    assert type(found["fn"]).__mro__[1].__name__ == "Inert"


# ---------------------------------------------------------------- what never runs


class Call:
    """A pickle that calls a function of its choice."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Build:
    """A pickle that hands a state to whatever it has made: ``__setstate__``, ``__dict__`` or attributes."""

    def __init__(self, made, state):
        self.made, self.state = made, state

    def __reduce__(self):
        return (*self.made, self.state)


def baits(marker):
    """Pickles that make a file when a careless reader reads them."""
    touch = f"open({str(marker)!r}, 'w').close()"
    command = f"touch {marker}"
    return {
        "system": Call(os.system, command),
        "exec": Call(exec, touch),
        "eval": Call(eval, f"__import__('os').system({command!r})"),
        "popen": Call(subprocess.Popen, ["touch", str(marker)]),
        "nested": {"a": [({"b": Call(exec, touch)},)]},
        "argument": Call(list, Call(exec, touch)),
        "partial": Call(map, exec, [touch]),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "state": Build((object, ()), {"a": Call(exec, touch)}),
        "setstate": Build((argparse.Namespace, ()), {"__setstate__": exec, "a": touch}),
        "slots": Build((argparse.Namespace, ()), (None, {"__class__": Call(exec, touch)})),
        "ordered": Build((OrderedDict, ([("a", Call(exec, touch))],)), {"__reduce__": exec}),
        "reconstructor": Call(copyreg._reconstructor, argparse.Namespace, object, Call(exec, touch)),
        "rebuild": Call(torch._utils._rebuild_tensor_v2, Call(exec, touch), 0, (1,), (1,), False, OrderedDict()),
        "hooks": Call(torch._utils._rebuild_parameter, torch.ones(1), True, OrderedDict(a=Call(exec, touch))),
        "numpy": Call(np.load, io.BytesIO(b""), None, True),
        "legacy": Call(torch.load, str(marker)),
    }


NAMES = list(baits("x"))


@LEGACY
@pytest.mark.parametrize("name", NAMES)
def test_no_pickle_ever_runs_anything(tmp_path, legacy, name):
    marker = tmp_path / "marker"
    for place, content in enumerate([{"state_dict": tiny_state(), "meta": baits(marker)[name]}, baits(marker)[name]]):
        path = saved(tmp_path / f"{place}.pth", content, legacy)
        try:
            found = read_inert(path)
        except CheckpointError:
            refusal(path)
        else:
            if not place:
                assert torch.equal(found[WEIGHT], tiny_state()[WEIGHT])
        assert not marker.exists()
    assert exec.__name__ == "exec"


@pytest.mark.parametrize("name", ["system", "exec", "eval", "nested", "argument", "state", "slots", "rebuild"])
def test_the_baits_do_work(tmp_path, name):
    marker = tmp_path / "marker"
    try:
        pickle.loads(pickle.dumps(baits(marker)[name]))
    except Exception:  # noqa: BLE001 - the bait has been taken before
        pass
    assert marker.exists()


def test_no_module_is_imported_for_a_name_in_a_file(tmp_path):
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w').close()\nclass Trap: pass\n")
    path = zipped(tmp_path / "a.pth", b"\x80\x02}X\x01\x00\x00\x00actrap\nTrap\n)\x81s.")
    code = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
from pathlib import Path
from tsmfeat.trunk.training_files import read_inert
print(read_inert(Path({str(path)!r}))["a"].asked_for, "trap" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["trap.Trap", "False"]
    assert not (tmp_path / "marker").exists()


def load_raw(opcodes):
    return InertUnpickler(io.BytesIO(opcodes)).load()


GLOBALS = {
    "stand-in": b"cevil\nThing\n",
    "mapping": b"ccollections\nOrderedDict\n",
    "rebuild": b"ctorch._utils\n_rebuild_tensor_v2\n",
    "storage": b"ctorch\nFloatStorage\n",
}


@pytest.mark.parametrize("name", GLOBALS)
def test_a_pickle_cannot_change_what_it_is_given(name):
    """BUILD on a class or function would set its attributes for every later file."""
    before = load_raw(b"\x80\x02" + GLOBALS[name] + b".")
    for state in (
        b"}X\x01\x00\x00\x00aK\x01s",
        b"N}X\x01\x00\x00\x00aK\x01s\x86",
        b"N}X\x08\x00\x00\x00__call__K\x01s\x86",
    ):
        try:
            load_raw(b"\x80\x02" + GLOBALS[name] + state + b"b.")
        except (pickle.UnpicklingError, TypeError):
            continue
    after = load_raw(b"\x80\x02" + GLOBALS[name] + b".")
    assert not hasattr(before, "a")
    assert not hasattr(after, "a")
    assert type(after).__dict__.get("__call__") != 1


@pytest.mark.parametrize(
    "opcodes",
    [
        b"\x82\x01.",  # an entry of copyreg's table of extensions
        b"\x96" + (1 << 40).to_bytes(8, "little") + b".",  # a bytearray of a terabyte
        b"\x97.",  # a buffer from elsewhere
        b"Pkey\n.",  # a reference in text
        b"]K\x01K\x02s.",  # items for a list
        b"}]K\x01s.",  # an unhashable key
        b"}((K\x01tK\x02ts.",
        b"(K\x01K\x02K\x03d.",  # a key without a value
        b"cbuiltins\neval\nK\x01Q.",  # a reference that is no tuple
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"ctorch\nFloatStorage\n)R.",
        b"K\x01(K\x02tR.",  # a number, called
        b"h\x05.",
        b"X\xff\xff\xff\x7fabc.",
        b"I" + b"9" * 5000 + b"\n.",
        b"",
        b"\x80\x09.",
    ],
)
def test_instructions_that_no_checkpoint_holds_are_refused(tmp_path, opcodes):
    with pytest.raises((pickle.UnpicklingError, EOFError, TypeError, ValueError, LookupError, AttributeError)):
        load_raw(opcodes)
    refusal(zipped(tmp_path / "a.pth", opcodes), "damaged")


def tensor_pickle(size, stride, offset=0, count=4, hooks=b"N"):
    """A state dict of one tensor, in hand-written instructions."""

    def whole(number):
        return b"\x8a\x08" + number.to_bytes(8, "little", signed=True)

    def several(numbers):
        return b"(" + b"".join(whole(number) for number in numbers) + b"t"

    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + whole(count) + b"tQ"
    )
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + whole(offset) + several(size) + several(stride)
    return b"\x80\x02}X\x0c\x00\x00\x00conv1.weight" + call + b"\x89" + hooks + b"tRs."


def test_the_hand_written_tensor_is_one(tmp_path):
    values = np.arange(4, dtype="<f4")
    path = zipped(tmp_path / "a.pth", tensor_pickle([2, 2], [2, 1]), s0=values.tobytes())
    assert read_inert(path)[WEIGHT].tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    "view",
    [
        {"size": [5], "stride": [1]},
        {"size": [4], "stride": [1], "offset": 1},
        {"size": [2, 2], "stride": [2]},
        {"size": [-1], "stride": [1]},
        {"size": [2], "stride": [-1], "offset": 3},
        {"size": [1], "stride": [1], "offset": -1},
        {"size": [1 << 61, 1 << 61], "stride": [1, 1]},
        {"size": [1] * 100, "stride": [1] * 100},
        {"size": [4], "stride": [1], "count": 5},
        {"size": [1], "stride": [1], "count": -1},
        {"size": [1], "stride": [1], "count": 1 << 61},
    ],
)
def test_views_beyond_their_numbers_are_refused(tmp_path, view):
    refusal(zipped(tmp_path / "a.pth", tensor_pickle(**view), s0=bytes(16)), "damaged")


HOSTILE = """
import json, resource, sys, time
from pathlib import Path
from tsmfeat.errors import CheckpointError
from tsmfeat.trunk import reading, training_files
from tsmfeat.trunk.checkpoint import fit_state
from tsmfeat.trunk.state_files import read_state_file
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 30),) * 2)
for line in sys.stdin:
    path = Path(line.rstrip())
    for read in (reading.read_torch_file, training_files.read_training_file, training_files.read_inert):
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
        before, began = peak(), time.process_time()
        try:
            fit_state(read_state_file(path, read), "tiny", {"conv1.weight": (2, 2)})
            said = "read"
        except CheckpointError as error:
            said = str(error)
        cost = [peak() - before, time.process_time() - began]
        print(json.dumps([line.rstrip(), read.__name__, said, *cost]), flush=True)
"""


def hostile_files(folder):
    """Small files that ask for much: each must be refused in a second and 200 MB."""
    nested = b"K\x01" + b"\x85" * 200_000
    with zipfile.ZipFile(folder / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", tensor_pickle([2, 2], [2, 1], count=1 << 28))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(1 << 28))
    with zipfile.ZipFile(folder / "pickle-bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"]" * (1 << 27) + b".")
        archive.writestr("archive/version", "3\n")
    laughs = b"\x80\x02](q\x00" + b"".join(b"(" + b"h%c" % n * 9 + b"lq%c" % (n + 1) for n in range(60)) + b"."
    return {
        "size of 1e12 with stride 0": zipped(folder / "a.pth", tensor_pickle([10**12], [0]), s0=bytes(16)),
        "a storage of 2^60": zipped(folder / "b.pth", tensor_pickle([10**12], [0], count=1 << 60), s0=bytes(16)),
        "compressed numbers": folder / "bomb.pth",
        "compressed pickle": folder / "pickle-bomb.pth",
        "memo of 2^31": zipped(folder / "c.pth", b"\x80\x02]r\xff\xff\xff\x7f."),
        "deep tuples": zipped(folder / "d.pth", b"\x80\x02}" + nested + b"K\x01s."),
        "deep tuples as pairs": zipped(
            folder / "e.pth", b"\x80\x02ccollections\nOrderedDict\n((" + nested + b"K\x01tl\x85R."
        ),
        "deep lists": zipped(folder / "f.pth", b"\x80\x02" + b"(" * 60_000 + b"l" * 60_000 + b"."),
        "lists of lists of lists": zipped(folder / "g.pth", laughs),
        "text of 2^60": zipped(folder / "h.pth", b"\x80\x04\x8d" + (1 << 60).to_bytes(8, "little") + b"a."),
        "a frame of 2^40": zipped(folder / "i.pth", b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"a."),
        "a thousand classes": zipped(
            folder / "j.pth", b"\x80\x02" + b"".join(b"ca\nb%d\n0" % n for n in range(20_000)) + b"K\x01."
        ),
    }


HOSTILE_NAMES = [
    "size of 1e12 with stride 0", "a storage of 2^60", "compressed numbers", "compressed pickle", "memo of 2^31",
    "deep tuples", "deep tuples as pairs", "deep lists", "lists of lists of lists", "text of 2^60", "a frame of 2^40",
    "a thousand classes",
]  # fmt: skip


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    """What every reader says of every hostile file, with kilobytes and seconds, measured in one process of its own."""
    files = hostile_files(tmp_path_factory.mktemp("hostile"))
    assert list(files) == HOSTILE_NAMES
    assert all(path.stat().st_size < 2 << 20 for path in files.values())
    listing = "".join(f"{path}\n" for path in files.values())
    done = subprocess.run([sys.executable, "-c", HOSTILE], input=listing, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: [row[1:] for row in found if row[0] == str(path)] for name, path in files.items()}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_small_files_that_ask_for_much_are_refused_cheaply(costs, name):
    assert [row[0] for row in costs[name]] == ["read_torch_file", "read_training_file", "read_inert"]
    for _, said, kilobytes, seconds in costs[name]:
        assert said != "read"
        assert "\n" not in said
        assert kilobytes < 200_000, said
        assert seconds < 10, said


# ---------------------------------------------------------------- damage


@LEGACY
def test_truncated_files_are_refused_in_one_line(tmp_path, legacy):
    whole = saved(tmp_path / "whole.pth", training_file(tiny_state()), legacy).read_bytes()
    path = tmp_path / "cut.pth"
    for size in range(4, len(whole) - 1, 211):
        path.write_bytes(whole[:size])
        refusal(path)


def test_a_cut_after_the_last_weight_is_refused_too(tmp_path):
    # The older format orders storages by their addresses: among so many, the last is hardly ever a weight.
    content = training_file(tiny_state()) | {"moments": [torch.ones(3) for _ in range(200)]}
    whole = saved(tmp_path / "whole.pth", content, True).read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[:-1])
    refusal(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_byte_is_refused_or_gives_other_values_not_another_error(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    path = saved(folder / "flipped.pth", training_file(tiny_state()), data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        assert isinstance(read_inert(path), dict)
    except CheckpointError:
        refusal_of(read_inert, path)


def test_a_flipped_byte_of_a_weight_is_seen_in_the_zip_format(tmp_path):
    """The archive keeps a checksum of every entry, which torch.load does not compare."""
    path = saved(tmp_path / "a.pth", training_file(tiny_state()))
    content = path.read_bytes()
    place = content.index(tiny_state()[WEIGHT].numpy().tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    refusal(path, "damaged")


@LEGACY
def test_numbers_of_another_byte_order_are_refused(tmp_path, legacy):
    path = saved(tmp_path / "a.pth", training_file(tiny_state()), legacy)
    if legacy:
        content = path.read_bytes()
        place = content.index(b"little_endian")
        place = content.index(b"\x88", place)
        path.write_bytes(content[:place] + b"\x89" + content[place + 1 :])
    else:
        pickled = zipfile.ZipFile(path).read("a/data.pkl")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", pickled)
            archive.writestr("a/byteorder", "big")
    with pytest.raises(CheckpointError, match="another byte order"):
        read_inert(path)


@pytest.mark.parametrize("names", [[], ["a/data.pkl", "b/data.pkl"], ["data.pkl"], ["a/b/data.pkl"]])
def test_archives_of_other_programs_are_refused(tmp_path, names):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/zip")
        for name in names:
            archive.writestr(name, pickle.dumps(json.loads('{"a": 1}')))
    refusal(path, "damaged")

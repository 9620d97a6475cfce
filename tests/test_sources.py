"""Which files an argument stands for, and what each video is called."""

import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.video.options import VIDEO_SUFFIXES
from tsmfeat.workflows.sources import VideoSource, find_videos


@pytest.fixture
def folder(tmp_path):
    """A folder as people have them: videos here and there, and much else."""
    names = (
        "b.mp4",
        "a.MKV",
        "cam1/walk.avi",
        "cam2/walk.avi",
        "cam2/deep/er/run.webm",
        "README.txt",
        "notes.md",
        "a.mp4.part",
        ".hidden.mp4",
        ".cache/x.mp4",
        "cam1/.thumbs/y.mp4",
        "cover.jpg",
        "mp4",
    )
    for name in names:
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "videos" / "folder.mp4").mkdir()
    return tmp_path / "videos"


def names(found, root):
    return {source.video_id: source.path.relative_to(root).as_posix() for source in found}


def test_a_folder_gives_its_videos_and_passes_over_the_rest(folder):
    (folder / "cam2" / "walk.avi").unlink()
    found = find_videos([str(folder)])
    assert names(found, folder) == {
        "a": "a.MKV",
        "b": "b.mp4",
        "walk": "cam1/walk.avi",
        "run": "cam2/deep/er/run.webm",
    }
    assert found == sorted(found, key=lambda source: source.path)


def test_every_video_suffix_counts_in_any_case(tmp_path):
    for index, suffix in enumerate(VIDEO_SUFFIXES):
        (tmp_path / f"{index}{suffix}").touch()
        (tmp_path / f"upper{index}{suffix.upper()}").touch()
    assert len(find_videos([str(tmp_path)])) == 2 * len(VIDEO_SUFFIXES)


def test_a_file_is_taken_whatever_its_suffix_and_cut_at_the_last_dot(tmp_path):
    for name in ("a.b.mp4", "clip.dat", "noend", ".mp4"):
        (tmp_path / name).touch()
    found = find_videos([str(tmp_path / name) for name in ("a.b.mp4", "clip.dat", "noend", ".mp4")])
    assert [source.video_id for source in found] == ["a.b", "clip", "noend", ".mp4"]


def test_two_files_of_one_name_are_refused_with_the_remedy_that_works(folder):
    with pytest.raises(ConfigurationError, match=r"cam1/walk.avi and .*cam2/walk.avi .* video 'walk'") as caught:
        find_videos([str(folder)])
    assert "--id path" in caught.value.hint
    found = find_videos([str(folder)], "path")
    assert names(found, folder) == {
        "a": "a.MKV",
        "b": "b.mp4",
        "cam1/walk": "cam1/walk.avi",
        "cam2/walk": "cam2/walk.avi",
        "cam2/deep/er/run": "cam2/deep/er/run.webm",
    }


def test_same_name_and_folder_but_another_suffix_is_refused_either_way(tmp_path):
    for name in ("a.mp4", "a.mkv"):
        (tmp_path / name).touch()
    for rule in ("stem", "path"):
        with pytest.raises(ConfigurationError, match="both be video 'a'"):
            find_videos([str(tmp_path)], rule)


def test_a_file_named_twice_counts_once(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folder / "cam1")
    again = ["videos/b.mp4", "videos/../videos/b.mp4", str(folder / "b.mp4"), "./videos/b.mp4"]
    assert find_videos(again) == [VideoSource("b", Path("videos/b.mp4"))]
    assert len(find_videos(["videos/cam1", "link", "link/walk.avi"])) == 1


def test_links_to_files_are_followed_and_links_to_folders_are_not(folder):
    (folder / "linked.mp4").symlink_to(folder / "b.mp4")
    (folder / "broken.mp4").symlink_to(folder / "gone.mp4")
    (folder / "loop").symlink_to(folder)
    (folder / "cam2" / "walk.avi").unlink()
    assert set(names(find_videos([str(folder)]), folder)) == {"a", "b", "walk", "run", "linked", "broken"}


def test_a_pattern_gives_videos_and_folders_and_passes_over_the_rest(folder):
    assert names(find_videos([f"{folder}/*.mp4"]), folder) == {"b": "b.mp4"}
    (folder / "cam2" / "walk.avi").unlink()
    assert set(names(find_videos([f"{folder}/*"]), folder)) == {"a", "b", "walk", "run"}
    assert set(names(find_videos([f"{folder}/**/*.webm"]), folder)) == {"run"}
    with pytest.raises(ConfigurationError, match="no video"):
        find_videos([f"{folder}/*.md"])
    with pytest.raises(InputError, match=r"zzz\*: no file or folder matches"):
        find_videos([str(folder / "b.mp4"), f"{folder}/zzz*"])


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    (tmp_path / "a[1].mp4").touch()
    (tmp_path / "a1.mp4").touch()
    assert find_videos([str(tmp_path / "a[1].mp4")])[0].video_id == "a[1]"


def test_a_list_names_files_relative_to_itself(folder, tmp_path):
    outside = tmp_path / "else.mp4"
    outside.touch()
    listing = folder / "todo.txt"
    text = f"\ufeff# a comment\r\nb.mp4\r\n\r\n  cam1/walk.avi  \ncam2/deep\n{outside}\nmissing.mp4"
    listing.write_bytes(text.encode())
    found = find_videos([str(listing)])
    assert [source.video_id for source in found] == ["b", "walk", "run", "else", "missing"]
    assert found[0].path == folder / "b.mp4"
    assert found[3].path == outside


def test_a_list_may_be_named_by_path_too(folder):
    (folder / "todo.lst").write_text("cam1/walk.avi\ncam2/walk.avi\n")
    with pytest.raises(ConfigurationError, match="--id path"):
        find_videos([str(folder / "todo.lst")])
    found = find_videos([str(folder / "todo.lst")], "path")
    assert [source.video_id for source in found] == ["cam1/walk", "cam2/walk"]


def test_stdin_is_a_list_relative_to_the_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"b.mp4\ncam1/walk.avi\n")))
    assert names(find_videos(["-"]), Path()) == {"b": "b.mp4", "walk": "cam1/walk.avi"}


@pytest.mark.parametrize(
    "name", ["a,b;c.mp4", "käse \u2013 1.mp4", "-x.mp4", "a'b\"c.mp4", "100% real.mp4", "日本.mp4"]
)
def test_odd_names_are_names(tmp_path, name):
    (tmp_path / name).touch()
    assert find_videos([str(tmp_path)])[0].video_id == name[:-4]


@pytest.mark.parametrize("name", [b"a\nb.mp4", b"tab\t.mp4", b"latin-\xe4.mp4", b"x" * 200 + b"\x7f.mp4"])
def test_names_that_cannot_be_stored_are_refused_with_the_file(tmp_path, name):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    with pytest.raises(InputError, match="control character or a lone surrogate") as caught:
        find_videos([str(tmp_path)])
    caught.value.message.encode()
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint == "rename the file"


def test_a_list_in_another_encoding_finds_the_files_it_means(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe4"))
    folder.mkdir()
    (folder / "a.mp4").touch()
    (tmp_path / "list.txt").write_bytes(b"\xe4/a.mp4\n")
    (found,) = find_videos([str(tmp_path / "list.txt")])
    assert found.path.exists()


def test_what_does_not_exist_is_refused(tmp_path):
    for missing in ("nowhere.mp4", "list.txt", "folder/"):
        with pytest.raises(InputError, match="no such file or folder"):
            find_videos([str(tmp_path / missing)])


def test_nothing_to_read_is_refused_naming_the_suffixes(tmp_path):
    (tmp_path / "list.txt").write_text("# nothing\n")
    for inputs in ([], [str(tmp_path)], [str(tmp_path / "list.txt")]):
        with pytest.raises(ConfigurationError, match=r"no video in .*\.mp4 \.m4v"):
            find_videos(inputs)


def test_a_folder_that_cannot_be_listed_is_refused(folder, monkeypatch):
    real = os.scandir

    def scandir(path):
        if str(path).endswith("cam1"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match="cam1: cannot be listed"):
        find_videos([str(folder)])

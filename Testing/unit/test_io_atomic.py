"""Files and folders appear whole or not at all, whatever happens on the way."""

import errno
import json
import os
from pathlib import Path

import pytest

from jssr.errors import InputError
from jssr.io.atomic import OutputFolder, leftovers, make_folder, whole_file, write_json
from sample_scans import forbidden


def _tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_folder_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    umask = os.umask(0)
    os.umask(umask)
    with OutputFolder(target) as folder:
        (folder / "one.txt").write_text("1")
        assert not target.exists()
        assert folder.stat().st_mode & 0o777 == 0o777 & ~umask, "others read the disk's rest too"
    assert _tree(tmp_path) == {"a", "a/b", "a/b/one.txt"}
    assert target.stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_after_an_exception(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), OutputFolder(tmp_path / "a" / "b") as folder:
        (folder / "one.txt").write_text("1")
        raise error
    assert _tree(tmp_path) == set()


def test_an_existing_output_is_refused_and_kept(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(InputError, match="already holds files; add --overwrite"):
        OutputFolder(target).__enter__()
    assert _tree(tmp_path) == {"out", "out/old.txt"}


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with OutputFolder(tmp_path / "out") as folder:
        (folder / "one.txt").write_text("1")
    assert _tree(tmp_path) == {"out", "out/one.txt"}


def test_a_link_to_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    with OutputFolder(tmp_path / "out") as folder:
        (folder / "one.txt").write_text("1")
        assert folder.parent == tmp_path / "out", "the folder may be a disk of its own"
    assert _tree(tmp_path) == {"disk", "disk/one.txt", "out"}


def test_what_a_killed_process_left_is_no_output(tmp_path: Path) -> None:
    lost = OutputFolder(tmp_path / "out")
    (tmp_path / "out").mkdir()
    lost.__enter__()
    assert len(leftovers(tmp_path / "out")) == 1
    with OutputFolder(tmp_path / "out") as folder:
        (folder / "one.txt").write_text("1")
    assert (tmp_path / "out" / "one.txt").exists()


def test_what_another_output_left_is_told_apart_whatever_the_names(tmp_path: Path) -> None:
    for name in ("out[1]", "out1"):
        lost = OutputFolder(tmp_path / name)
        lost.__enter__()
    (own,) = leftovers(tmp_path / "out[1]")
    assert own.name.startswith(".out[1]-part-")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("file")
    with pytest.raises(InputError, match="is a file; give a folder"):
        OutputFolder(tmp_path / "out", overwrite=True).__enter__()


def _old_output(tmp_path: Path) -> Path:
    target = tmp_path / "out"
    target.mkdir()
    for name in ("same.txt", "stale.txt", "mine.txt"):
        (target / name).write_text("old")
    return target


def test_overwriting_replaces_own_files_and_leaves_others(tmp_path: Path) -> None:
    target = _old_output(tmp_path)
    with OutputFolder(target, overwrite=True, owned=("same.txt", "stale.txt")) as folder:
        (folder / "same.txt").write_text("new")
        (folder / "more").mkdir()
    assert _tree(tmp_path) == {"out", "out/same.txt", "out/more", "out/mine.txt"}
    assert (target / "same.txt").read_text("utf-8") == "new"
    assert (target / "mine.txt").read_text("utf-8") == "old"


def test_a_failed_overwrite_keeps_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = _old_output(tmp_path)
    replace = os.replace

    def fail_on_last(source: Path, destination: Path) -> None:
        if Path(destination) == target / "z.txt":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, destination)

    with (
        pytest.raises(InputError, match="no space left"),
        OutputFolder(target, overwrite=True, owned=("stale.txt",)) as folder,
    ):
        for name in ("added.txt", "same.txt", "z.txt"):
            (folder / name).write_text("new")
        monkeypatch.setattr(os, "replace", fail_on_last)
    assert _tree(tmp_path) == {"out", "out/same.txt", "out/stale.txt", "out/mine.txt"}
    assert {path.read_text("utf-8") for path in target.iterdir()} == {"old"}


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="no space left to write"),
        OutputFolder(tmp_path / "out") as folder,
    ):
        (folder / "part").write_text("1")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert _tree(tmp_path) == set()


def test_an_output_inside_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    for path in (tmp_path / "file" / "out", tmp_path / "file" / "more" / "out"):
        with pytest.raises(InputError, match="would lie inside a file"):
            OutputFolder(path).__enter__()
    assert _tree(tmp_path) == {"file"}


def test_the_hidden_folder_is_never_named(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="no space left") as caught,
        OutputFolder(tmp_path / "out") as folder,
        whole_file(folder / "warped.nii.gz"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert f"'{tmp_path / 'out' / 'warped.nii.gz'}'" in str(caught.value)
    assert _tree(tmp_path) == set()


@pytest.mark.parametrize("call", ["exists", "iterdir", "mkdir"])
def test_a_folder_that_must_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(Path, call, forbidden)
    with pytest.raises(InputError, match="out' cannot be written for want of permission"):
        OutputFolder(tmp_path / "out").__enter__()


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (errno.EACCES, "for want of permission; choose another"),
        (errno.EROFS, "for want of permission; choose another"),
        (errno.ENOSPC, "no space left"),
        (errno.EIO, r"\(Input/output error\); check its name and its disk"),
    ],
)
def test_what_keeps_a_file_from_being_made_is_told_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, part: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)  # as on a read-only disk
    with (
        pytest.raises(InputError, match=rf"{part}") as caught,
        whole_file(tmp_path / "one.nrrd"),
    ):
        pytest.fail("there is nothing to write to")
    assert f"'{tmp_path / 'one.nrrd'}'" in str(caught.value)


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="a' is too long; choose a shorter one"),
        whole_file(tmp_path / ("a" * 250)),
    ):
        pytest.fail("there is nothing to write to")
    for path in (tmp_path / ("ä" * 128), tmp_path / "new" / ("a" * 256), tmp_path / ("a/" * 3000)):
        for make in (make_folder, lambda path: OutputFolder(path).__enter__()):
            with pytest.raises(InputError, match="' is too long; choose a shorter one"):
                make(path)
    with (
        pytest.raises(InputError, match="one' is too long; choose a shorter one"),
        whole_file(tmp_path / ("a" * 256) / "one"),
    ):
        pytest.fail("there is nothing to write to")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has such a folder")
@pytest.mark.parametrize("place", ["/proc/x", "/proc/x/y"])
def test_a_folder_where_the_system_lets_none_be_made_is_refused(place: str) -> None:
    for make in (make_folder, lambda path: OutputFolder(path).__enter__()):
        with pytest.raises(InputError, match=rf"'{place}' cannot be written \(No such file .*disk"):
            make(Path(place))


@pytest.mark.parametrize("call", ["is_dir", "open", "unlink"])
def test_a_file_that_must_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(Path, call, forbidden)
    with (
        pytest.raises(InputError, match=r"one\.txt' cannot be written for want of permission"),
        whole_file(tmp_path / "one.txt") as part,
    ):
        part.open("w")
        forbidden()


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "one.nii.gz"
    with whole_file(target) as part:
        part.write_text("1")
        assert part.name.endswith(".nii.gz")
        assert not target.exists()
    assert _tree(tmp_path) == {"one.nii.gz"}


def test_a_broken_off_file_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "one.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(target) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text("utf-8") == "old"
    assert _tree(tmp_path) == {"one.txt"}


@pytest.mark.parametrize("place", ["no", "file"])
def test_a_file_without_its_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="does not exist"), whole_file(tmp_path / place / "x"):
        pass


def test_json_appears_whole_and_readable(tmp_path: Path) -> None:
    content = {"name": "Müller", "values": [1.5, None, "a"]}
    write_json(tmp_path / "one.json", content)
    text = (tmp_path / "one.json").read_text("utf-8")
    assert json.loads(text) == content and text.startswith('{\n "name"') and text.endswith("}\n")
    assert _tree(tmp_path) == {"one.json"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_json_does_not_have_leaves_the_old_file(tmp_path: Path, value: object) -> None:
    write_json(tmp_path / "one.json", [1])
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "one.json", [value])
    assert json.loads((tmp_path / "one.json").read_text("utf-8")) == [1]
    assert _tree(tmp_path) == {"one.json"}

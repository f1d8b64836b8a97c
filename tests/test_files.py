import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp.errors import ModelFolderError, OptionError, StorageError
from offramp.files import (
    check_folder_readable,
    check_writable,
    is_there,
    locked,
    read_json,
    replacing,
    storage_errors,
    write_json,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: "\\ud" not in json.dumps(value))


def killed(path, code):
    """A process that does something while it replaces a path, and is killed before it is done."""
    program = f"""
import os, pathlib, signal
from offramp.files import replacing
path = pathlib.Path({str(path)!r})
with replacing(path) as new:
    {code}
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestReplacing:
    def test_a_new_file(self, tmp_path):
        path = tmp_path / "deep" / "er" / "file"
        with replacing(path) as new:
            assert new.name == "file"
            new.write_text("content")
            assert not path.exists()
        assert path.read_text() == "content"
        assert names(path.parent) == ["file"]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_on_an_error_the_old_file_stays(self, error, tmp_path):
        path = tmp_path / "file"
        path.write_text("old")

        def write():
            with replacing(path) as new:
                new.write_text("half of the n")
                raise error

        with pytest.raises(error):
            write()
        assert path.read_text() == "old"
        assert names(tmp_path) == ["file"]

    def test_on_an_error_no_folders_stay_that_were_made_for_it(self, tmp_path):
        def write(path):
            with replacing(path) as new:
                new.mkdir()
                raise KeyboardInterrupt

        (tmp_path / "there").mkdir()
        for path in ("deep/er/model", "there/new/model", "there/model"):
            with pytest.raises(KeyboardInterrupt):
                write(tmp_path / path)
        assert names(tmp_path) == ["there"]
        assert names(tmp_path / "there") == []

    def test_a_folder_replaces_a_folder_as_a_whole(self, tmp_path):
        path = tmp_path / "model"
        path.mkdir()
        (path / "old").write_text("old")
        with replacing(path) as new:
            new.mkdir()
            (new / "new").write_text("new")
            assert names(path) == ["old"]
        assert names(path) == ["new"]
        assert names(tmp_path) == ["model"]

    @pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
    def test_files_get_the_usual_permissions(self, mask, mode, tmp_path):
        before = os.umask(mask)
        try:
            with replacing(tmp_path / "model") as new:
                (new / "deep").mkdir(parents=True)
                for name in ("weights", "deep/weights"):
                    (new / name).touch(mode=0o600)
            with replacing(tmp_path / "file") as new:
                new.touch(mode=0o600)
        finally:
            os.umask(before)
        for name in ("model/weights", "model/deep/weights", "file"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode

    def test_on_an_error_the_old_folder_stays(self, tmp_path):
        path = tmp_path / "model"
        path.mkdir()
        (path / "old").write_text("old")

        def write():
            with replacing(path) as new:
                new.mkdir()
                raise ValueError("stop")

        with pytest.raises(ValueError, match="stop"):
            write()
        assert names(path) == ["old"]
        assert names(tmp_path) == ["model"]

    def test_a_file_does_not_replace_a_folder(self, tmp_path):
        path = tmp_path / "model"
        path.mkdir()
        (path / "old").write_text("old")
        with pytest.raises(StorageError, match="cannot write"), replacing(path) as new:
            new.write_text("a file")
        assert names(path) == ["old"]
        assert names(tmp_path) == ["model"]

    def test_nothing_made_is_an_error_and_loses_nothing(self, tmp_path):
        path = tmp_path / "model"
        path.mkdir()
        (path / "old").write_text("old")
        with pytest.raises(StorageError), replacing(path):
            pass
        assert names(path) == ["old"]
        assert names(tmp_path) == ["model"]

    def test_a_file_in_the_place_of_a_parent(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match=r"cannot write .*check the path"), replacing(tmp_path / "file" / "x"):
            pytest.fail("it should not come this far")

    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("kind", ["file", "folder"])
    def test_what_a_link_leads_to_is_replaced_and_the_link_stays(self, kind, there, tmp_path):
        target = tmp_path / "disk" / "target"
        target.parent.mkdir()
        if there:
            target.mkdir() if kind == "folder" else target.touch()
        (tmp_path / "link").symlink_to("disk/target")
        (tmp_path / "first").symlink_to("link")
        with replacing(tmp_path / "first") as new:
            assert new.parent.parent == target.parent  # a rename does not lead from one disk to another
            assert new.name == "first"
            new.mkdir() if kind == "folder" else new.touch()
            (new / "new" if kind == "folder" else new).write_text("new")
        assert (tmp_path / "first").readlink().name == "link"
        assert (tmp_path / "link").readlink().name == "target"
        assert (target / "new" if kind == "folder" else target).read_text() == "new"
        assert names(target.parent) == ["target"]
        assert names(tmp_path) == ["disk", "first", "link"]

    def test_a_link_to_itself_is_refused(self, tmp_path):
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to("one")
        with pytest.raises(StorageError, match="a link that leads back to itself"), replacing(tmp_path / "one"):
            pytest.fail("it should not come this far")
        assert names(tmp_path) == ["one", "two"]

    def test_what_a_killed_process_left_is_removed_by_the_next(self, tmp_path):
        path = tmp_path / "model"
        killed(path, 'new.mkdir(); (new / "half").touch()')
        (left,) = names(tmp_path)
        assert left.startswith(".model.")
        with replacing(tmp_path / "other") as new:
            new.mkdir()
        assert names(tmp_path) == [left, "other"]
        with replacing(path) as new:
            with replacing(path) as second:  # what is being made stays
                second.mkdir()
            new.mkdir()
            (new / "whole").touch()
        assert names(tmp_path) == ["model", "other"]
        assert names(path) == ["whole"]

    def test_what_was_whole_when_a_process_was_killed_is_not_lost(self, tmp_path):
        path = tmp_path / "model"
        path.mkdir()
        killed(path, 'new.mkdir(); (new / "whole").touch(); path.replace(new.parent / "replaced")')
        assert not path.exists()
        with replacing(path) as new:
            assert names(path) == ["whole"]
            new.mkdir()
        assert names(tmp_path) == ["model"]

    def test_the_last_of_many_writers_wins_whole(self, tmp_path):
        path = tmp_path / "file"

        def write(number):
            with replacing(path) as new:
                new.write_text(str(number) * 1000)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        content = path.read_text()
        assert content in {str(number) * 1000 for number in range(8)}
        assert names(tmp_path) == ["file"]


class TestLocked:
    def test_one_at_a_time(self, tmp_path):
        with locked(tmp_path / "lock"):
            with pytest.raises(OptionError, match="is in use by another run"), locked(tmp_path / "lock"):
                pytest.fail("it should not come this far")
            with locked(tmp_path / "other"):
                pass
        with locked(tmp_path / "lock"):
            pass

    def test_a_disk_without_locks_keeps_nobody_out(self, tmp_path, monkeypatch):
        def unsupported(*_):
            raise OSError(errno.ENOTSUP, "Operation not supported")

        monkeypatch.setattr("fcntl.flock", unsupported)
        with locked(tmp_path / "lock"), locked(tmp_path / "lock"):
            pass

    def test_no_place(self, tmp_path):
        with pytest.raises(StorageError, match="cannot write"), locked(tmp_path / "nowhere" / "lock"):
            pytest.fail("it should not come this far")


class TestLooking:
    def test_what_is_there(self, tmp_path):
        (tmp_path / "link").symlink_to("nowhere")
        assert [is_there(tmp_path / name) for name in (".", "link", "none", "./none/below", "a" * 999, "a\0b")] == [
            True,
            *[False] * 5,
        ]

    def test_where_nobody_may_look_is_an_error_and_not_nothing(self, tmp_path, monkeypatch):
        def forbidden(*_, **__):
            raise PermissionError(errno.EACCES, "Permission denied")

        check_folder_readable(tmp_path)
        monkeypatch.setattr(os, "stat", forbidden)
        for check in (is_there, check_folder_readable):
            with pytest.raises(StorageError, match=f"cannot read {tmp_path}: Permission denied; check its permissions"):
                check(tmp_path)


class TestStorageErrors:
    @pytest.mark.parametrize(
        ("number", "cure"),
        [
            (errno.ENOSPC, "No space left on device; free some space and run the command again"),
            (errno.EACCES, "Permission denied; choose a path that you may write to"),
            (errno.EROFS, "Read-only file system; choose a path on a writable disk"),
            (errno.ENAMETOOLONG, "File name too long; check the path"),
        ],
    )
    def test_cures(self, number, cure, tmp_path):
        with pytest.raises(StorageError) as caught, storage_errors(tmp_path):
            raise OSError(number, os.strerror(number))
        assert str(caught.value) == f"cannot write {tmp_path}: {cure}"
        assert isinstance(caught.value.__cause__, OSError)

    def test_other_errors_pass(self, tmp_path):
        with pytest.raises(KeyError), storage_errors(tmp_path):
            raise KeyError
        for error in (
            BrokenPipeError(),
            ConnectionError("the tracker is down"),
            TimeoutError(),
            OSError("no such model"),
        ):
            with pytest.raises(type(error)) as caught, storage_errors(tmp_path):
                raise error
            assert caught.value is error

    def test_safetensors_words_for_a_full_disk(self, tmp_path):
        message = "Error while serializing: I/O error: No space left on device (os error 28)"
        with pytest.raises(StorageError, match="No space left on device; free some space"), storage_errors(tmp_path):
            raise RuntimeError(message)


class TestCheckWritable:
    def test_leaves_nothing(self, tmp_path):
        check_writable(tmp_path / "not" / "yet" / "there.json")
        (tmp_path / "old").write_text("old")
        check_writable(tmp_path / "old")
        assert names(tmp_path) == ["old"]
        assert (tmp_path / "old").read_text() == "old"

    def test_what_is_no_file(self, tmp_path):
        with pytest.raises(OptionError, match="is not a file; name one that can be replaced, or a new one"):
            check_writable(tmp_path)

    def test_a_file_in_the_place_of_a_folder(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match="cannot write"):
            check_writable(tmp_path / "file" / "x.json")


class TestJson:
    @settings(max_examples=30)
    @given(value=st.dictionaries(st.text(), JSON, max_size=4).filter(lambda value: "\\ud" not in json.dumps(value)))
    def test_round_trip(self, value, tmp_path_factory):
        path = tmp_path_factory.getbasetemp() / "round-trip.json"
        write_json(path, value)
        assert read_json(path) == value

    def test_it_is_for_people_too(self, tmp_path):
        write_json(tmp_path / "a.json", {"größe": [1, 2.5]})
        assert (tmp_path / "a.json").read_text(encoding="utf-8") == ('{\n  "größe": [\n    1,\n    2.5\n  ]\n}\n')

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_numbers_that_json_does_not_have(self, value, tmp_path):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "a.json", {"x": value})
        assert names(tmp_path) == []

    @pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1,}', b"\xff\xfe", b"[]", b"null", b"3", b'"x"'])
    def test_damaged(self, content, tmp_path):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(
            ModelFolderError, match=r"a\.json is damaged .*; restore it or train the model again"
        ) as caught:
            read_json(tmp_path / "a.json")
        assert "\n" not in str(caught.value)

    def test_missing(self, tmp_path):
        with pytest.raises(ModelFolderError, match=r"has no a\.json: it is not a complete offramp model"):
            read_json(tmp_path / "a.json")

    def test_unreadable(self, tmp_path):
        with pytest.raises(StorageError, match="Is a directory"):
            read_json(tmp_path)

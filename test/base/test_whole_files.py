"""Files that are there whole or not at all, on full and locked disks and beside links."""

import os
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from small_disk import small_disk

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import LinesFile, naming_file, new_file, new_folder, write_file


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_file_is_replaced_whole_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_file(path, "grün")
    assert path.read_text(encoding="utf-8") == "grün"
    write_file(path, b"\x00bytes", inside=tmp_path)
    assert path.read_bytes() == b"\x00bytes"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask, "readable by whom the user lets"
    assert names(tmp_path) == {"new", "new/file.txt"}


def test_an_error_keeps_what_was_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), new_file(path) as unfinished:
        unfinished.write_text(f"half {1 / 0}")
    assert path.read_text() == "old"
    assert names(tmp_path) == {"file"}


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_text("half")
    write_file(tmp_path / "file", "whole")
    (tmp_path / "folder.partial" / "folder").mkdir(parents=True)
    (tmp_path / "folder.partial" / "folder" / "half").touch()
    with new_folder(tmp_path / "folder") as folder:
        write_file(folder / "folder.txt", "whole")
    assert names(tmp_path) == {"file", "folder", "folder/folder.txt"}


def fill(lines: LinesFile) -> None:
    for number in range(100_000):
        lines.add(f"line {number}")


# Writes the file anew again and again, which a reader must never see.
WRITER = """
import sys
from rgbt_seg_ros.base.whole_files import write_file
print("ready", flush=True)
while True:
    for letter in b"ab":
        write_file(sys.argv[1], bytes([letter]) * 3_000_000, synced=False)
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for delay_s in (0.0, 0.003, 0.011, 0.027):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        while not path.exists():
            assert writer.poll() is None
        threading.Event().wait(delay_s)
        writer.kill()
        writer.communicate()
        content = path.read_bytes()
        assert len(content) == 3_000_000
        assert len(set(content)) == 1
    write_file(path, "next")
    assert names(tmp_path) == {"file"}


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for folder in (outside, inside):
        folder.mkdir()
    (outside / "precious").write_text("precious")
    for name in ("file", "file.partial", "lines"):
        (inside / name).symlink_to(outside / "precious")
    write_file(inside / "file", "ours", inside=inside)
    lines = LinesFile(inside / "lines", keep=True)
    lines.add("ours")
    lines.close()
    assert not (inside / "file").is_symlink()
    assert (inside / "file").read_text() == "ours"
    assert (inside / "lines").read_text() == "ours\n"
    (inside / "masks").symlink_to(outside)
    with pytest.raises(UserError, match=r"inside/masks is a link to elsewhere"):
        write_file(inside / "masks" / "1.png", "ours", inside=inside)
    (inside / "bag.partial").symlink_to(outside)
    with pytest.raises(UserError, match=r"bag\.partial is in the way"), new_folder(inside / "bag"):
        pass
    assert names(outside) == {"precious"}
    assert (outside / "precious").read_text() == "precious"


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    write_file(pipe, "through")
    assert reader.communicate()[0] == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    code = "from rgbt_seg_ros.base.whole_files import write_file; write_file('/dev/stdout', 'said')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"said"
    with (tmp_path / "redirected").open("w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "redirected").read_text() == "said"
    assert Path("/dev/stdout").is_symlink()


def test_a_full_disk_is_named_with_its_free_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        write_file(disk / "file", "old")
        with pytest.raises(UserError) as caught:
            write_file(disk / "file", bytes(100_000))
        sentence = (
            rf"cannot write {disk}/file \(No space left on device\): there are 0\.\d MB free in {disk}, free"
        )
        assert re.match(sentence, str(caught.value)), str(caught.value)
        assert (disk / "file").read_text() == "old"
        assert names(disk) == {"file"}

        lines = LinesFile(disk / "lines")
        with pytest.raises(UserError, match=r"cannot write .*lines \(No space left on device\)"):
            fill(lines)
        lines.close()
        text = (disk / "lines").read_text()
        assert text.endswith("\n"), "no half line is left"
        assert text.splitlines() == [f"line {number}" for number in range(text.count("\n"))]

        with (
            pytest.raises(UserError, match=r"No space left on device"),
            new_folder(disk / "folder") as folder,
        ):
            write_file(folder / "file", bytes(100_000))
        assert names(disk) == {"file", "lines"}


def test_a_locked_disk_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        write_file(disk / "file", "old")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(
            UserError, match=rf"cannot write {disk}/file \(Read-only file system\): there are"
        ):
            write_file(disk / "file", "new")
        with pytest.raises(UserError, match=rf"cannot write to {disk}/new/folder \(Read-only file system\)"):
            refused(disk / "new" / "folder")
        assert names(disk) == {"file"}


def refused(path: Path) -> None:
    with new_folder(path):
        pytest.fail("a folder was made on a disk that is locked")


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path, reason in (
        (tmp_path / "folder", "Is a directory"),
        (tmp_path / "file" / "below", "File exists|Not a directory"),
        (Path("/proc/no/file"), "No such file or directory"),
        (tmp_path / ("long" * 100), "File name too long"),
    ):
        with pytest.raises(
            UserError, match=rf"cannot write {path} \(({reason})\): there are \d+\.\d MB free in"
        ):
            write_file(path, "text")
    with pytest.raises(UserError, match="cannot write /nowhere/file"), naming_file("/nowhere/file"):
        os.stat("/nowhere/file")


def test_a_limit_of_the_process_is_an_error_and_no_signal(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from rgbt_seg_ros.base.whole_files import write_file; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); write_file(sys.argv[1], bytes(2000))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")], capture_output=True, text=True
    )
    assert done.returncode != -signal.SIGXFSZ
    assert "UserError: cannot write" in done.stderr
    assert "(File too large)" in done.stderr
    assert names(tmp_path) == set()


def test_lines_go_on_after_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    for keep, text in ((False, "first"), (True, "second")):
        lines = LinesFile(path, keep)
        lines.add(text)
        lines.close()
        lines.close()
    assert path.read_text() == "first\nsecond\n"
    LinesFile(path).close()
    assert path.read_text() == ""

"""Files are written whole or not at all."""

import errno
import gzip
import os
import select
import stat
import subprocess
import sys

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.files import (
    file_checksum,
    read_json,
    read_pairs,
    read_record,
    write_bytes,
    write_json,
    write_lines,
    write_text,
)


def test_round_trips(tmp_path):
    path = tmp_path / "a" / "b" / "c.json"
    content = {"name": "Köln", "values": [1, 2.5, None], "inner": {"x": True}}
    write_json(path, content)
    assert read_json(path) == content
    write_text(path, "GRÜẞE\n")
    assert path.read_bytes() == "GRÜẞE\n".encode()
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    write_lines(path, (f"u{i} {i}" for i in range(3)))
    assert read_pairs(path) == {"u0": "0", "u1": "1", "u2": "2"}
    assert os.listdir(path.parent) == ["c.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("content", [b"", b"{", b'[{"a": 1}]', b'"a"', b"7", b"\xff"])
def test_a_damaged_record_counts_as_none(tmp_path, content):
    record = tmp_path / "done.json"
    assert read_record(record) == {}
    write_json(record, {"inputs": {"a": 1}})
    assert read_record(record) == {"inputs": {"a": 1}}
    record.write_bytes(content)
    assert read_record(record) == {}


@pytest.mark.parametrize("step", ["fdopen", "replace"])
def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    real = getattr(os, step)

    def full(*args, **kwargs):
        if step == "fdopen":
            os.close(args[0])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(UserError, match="a.txt: No space left on device.*Free some"):
        write_text(path, "new")
    monkeypatch.setattr(os, step, real)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_interruption_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(UserError, match="cannot write"):
        write_text(tmp_path / "a" / "b", "new")


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"wer": float("nan")})
    assert not os.listdir(tmp_path)


def test_read_json_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="a.json is missing: run the stage"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(UserError, match="is not JSON .*delete it"):
        read_json(tmp_path / "a.json")


def test_read_pairs(tmp_path):
    path = tmp_path / "text"
    path.write_text("b  TWO  WORDS \n\na\nc\tX Y\n")
    assert read_pairs(path) == {"b": "TWO  WORDS", "a": "", "c": "X Y"}
    assert list(read_pairs(path)) == ["b", "a", "c"]
    with pytest.raises(UserError, match="other is missing"):
        read_pairs(tmp_path / "other")
    path.write_text("a X\nb Y\na Z\n")
    with pytest.raises(UserError, match="text:3: 'a' is listed twice"):
        read_pairs(path)
    path.write_bytes(b"a \xff\n")
    with pytest.raises(UserError, match="is not UTF-8"):
        read_pairs(path)


def test_a_second_process_waits_for_the_first(tmp_path):
    code = (
        "import sys, time\n"
        "from espnet_plugin.files import locked\n"
        f"with locked({str(tmp_path)!r}):\n"
        "    print('in', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    options = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first = subprocess.Popen([sys.executable, "-c", code], **options)
    assert first.stdout.readline() == "in\n"
    second = subprocess.Popen([sys.executable, "-c", code], **options)
    readable, _, _ = select.select([second.stdout], [], [], 1.0)
    assert not readable  # it waits
    first.kill()  # and a kill leaves no lock behind
    assert second.stdout.readline() == "in\n"
    second.communicate("\n", timeout=10)
    first.communicate(timeout=10)


def test_a_checksum_of_what_is_there_or_missing(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert file_checksum(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")
    with pytest.raises(UserError, match="b is missing: bring it back, or delete"):
        file_checksum(tmp_path / "b")


@pytest.mark.parametrize(
    "content, way_out",
    [
        ("u1 caf\xe9\n".encode("latin-1"), "iconv -f LATIN1"),
        ("u1 ONE\n".encode("utf-16"), "iconv -f UTF-16"),
        (gzip.compress(b"u1 ONE\n", mtime=0), "compressed by gzip"),
    ],
)
def test_the_way_to_utf_8(tmp_path, content, way_out):
    path = tmp_path / "text"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path} is not UTF-8 text: .*{way_out}"):
        read_pairs(path)


def test_a_link_to_a_file_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/R.md").write_text("old")
    (tmp_path / "R.md").symlink_to("real/R.md")
    write_text(tmp_path / "R.md", "new")
    assert (tmp_path / "R.md").is_symlink()
    assert (tmp_path / "real/R.md").read_text() == "new"
    (tmp_path / "none.md").symlink_to("real/none.md")
    write_text(tmp_path / "none.md", "new")
    assert (tmp_path / "real/none.md").read_text() == "new"


@pytest.mark.parametrize("mask, new", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_the_umask_or_of_the_old_file(tmp_path, mask, new):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "new", "a")
        write_text(tmp_path / "old", "a")
        (tmp_path / "old").chmod(0o640)
        write_text(tmp_path / "old", "b")
        assert os.umask(mask) == mask  # not changed
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "old")]
    assert modes == [new, 0o640]

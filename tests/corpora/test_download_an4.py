"""AN4: the download, from a server on this machine."""

import http.server
import tarfile
import threading

import pytest
from an4_corpus import copy_recipe, make_corpus, run_data_sh

from espnet_plugin.bin import prepare_an4
from espnet_plugin.corpora import archive
from espnet_plugin.corpora.an4 import download_an4
from espnet_plugin.errors import UserError


class Server(http.server.BaseHTTPRequestHandler):
    """Serves ``content``, with ranges, or what a test wants instead."""

    content = b""
    cut_after = None
    ranges = True
    asked: list = []

    def do_GET(self):
        wanted = self.headers.get("Range")
        type(self).asked.append(wanted)
        start = int(wanted[len("bytes=") : -1]) if wanted and self.ranges else 0
        if start >= len(self.content) > 0:
            self.send_error(416)
            return
        body = self.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut_after])

    def log_message(self, *args):
        pass


@pytest.fixture
def recipe(tmp_path):
    return copy_recipe(tmp_path)


@pytest.fixture
def server(tmp_path):
    make_corpus(tmp_path / "served/an4", "flac")
    archive = tmp_path / "served/an4_sphere.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "served/an4", "an4")
    handler = type("Handler", (Server,), {"content": archive.read_bytes(), "asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    handler.url = f"http://127.0.0.1:{running.server_address[1]}/an4_sphere.tar.gz"
    yield handler
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def test_download_and_no_second_one(server, tmp_path):
    corpus = download_an4(tmp_path / "downloads", [server.url])
    assert (corpus / "etc/an4_train.fileids").is_file()
    download_an4(tmp_path / "downloads", [server.url])
    assert len(server.asked) == 1
    cmd = ["--an4", f"{corpus}", "--output_dir", f"{tmp_path}/data"]
    assert prepare_an4.main([*cmd, "--dev_speakers", "2"]) == 0


@pytest.mark.parametrize("ranges", [True, False])
def test_download_goes_on(server, tmp_path, ranges):
    server.cut_after, server.ranges = 1000, ranges
    with pytest.raises(UserError, match="1000 of"):
        download_an4(tmp_path / "downloads", [server.url])
    server.cut_after = None
    corpus = download_an4(tmp_path / "downloads", [server.url])
    assert server.asked == [None, "bytes=1000-"]
    assert (corpus / "etc/an4_test.fileids").is_file()


def test_a_part_as_long_as_the_file_is_fetched_anew(server, tmp_path):
    path = tmp_path / "an4.tar.gz"
    path.with_name("an4.tar.gz.part").write_bytes(b"x" * (len(server.content) + 5))
    archive.fetch(server.url, path)
    assert path.read_bytes() == server.content


def test_the_second_address_serves_when_the_first_does_not(server, tmp_path):
    dead = "http://127.0.0.1:9/an4_sphere.tar.gz"
    corpus = download_an4(tmp_path / "downloads", [dead, server.url])
    assert corpus.is_dir()


def test_a_page_instead_of_the_archive_is_refused(server, tmp_path):
    server.content = b"<html>log in first</html>"
    with pytest.raises(UserError, match="not the archive"):
        download_an4(tmp_path / "downloads", [server.url])
    assert not list((tmp_path / "downloads").iterdir())


def test_a_damaged_archive_is_fetched_again_next_time(server, tmp_path):
    whole = server.content
    server.content = whole[: len(whole) // 2]
    with pytest.raises(UserError, match="damaged"):
        download_an4(tmp_path / "downloads", [server.url])
    server.content = whole
    assert download_an4(tmp_path / "downloads", [server.url]).is_dir()


@pytest.mark.parametrize("kind", ["parent", "link"])
def test_an_archive_cannot_write_elsewhere(tmp_path, kind):
    evil, inner = tmp_path / "evil.tar.gz", tmp_path / "inner"
    inner.write_text("x")
    with tarfile.open(evil, "w:gz") as tar:
        if kind == "parent":
            tar.add(inner, "an4/../../escaped")
        else:
            link = tarfile.TarInfo("an4/link")
            link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
            tar.addfile(link)
            tar.add(inner, "an4/link/escaped")
    (tmp_path / "downloads").mkdir()
    with pytest.raises(UserError, match="safely"):
        archive.unpack(evil, tmp_path / "downloads/an4", "an4")
    assert not list(tmp_path.rglob("escaped"))
    assert not list((tmp_path / "downloads").iterdir())


def test_offline_says_what_to_do(recipe):
    # A proxy that refuses stands for no network, whatever network there is.
    nowhere = "http://127.0.0.1:9"
    result = run_data_sh(
        recipe, http_proxy=nowhere, https_proxy=nowhere, no_proxy="", NO_PROXY=""
    )
    assert result.returncode == 2
    for wanted in ('--local_data_opts "--an4 DIR"', "AN4=DIR in db.sh", "huggingface"):
        assert wanted in result.stderr
    assert "Traceback" not in result.stderr
    assert not (recipe / "data").exists()

"""What the page is assembled from, and what is refused."""

import tarfile

import pytest
import torch
from tiny_asr import build_tiny_asr
from tiny_stream import supernet

from espnet_plugin.bin import export, web
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.web.exports import Exported, exported
from espnet_plugin.web.folder import build_page, check_page_folder
from espnet_plugin.web.models import web_models
from espnet_plugin.web.runtime import ARCHIVE_VARIABLE, VERSION, runtime_files


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no archive."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ARCHIVE_VARIABLE, raising=False)
    return tmp_path / "cache" / "espnet_plugin" / f"onnxruntime-web-{VERSION}"


def fake_npm(folder, monkeypatch, script):
    """Put a program of that name before all others."""
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def refused():
    with pytest.raises(UserError) as error:
        runtime_files()
    return str(error.value)


def test_without_npm_the_way_out_is_said(cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    message = refused()
    assert "npm" in message and "install Node.js" in message
    assert f"npm pack onnxruntime-web@{VERSION}" in message
    assert f"{ARCHIVE_VARIABLE}=FILE.tgz" in message


def test_nothing_is_exported_for_a_page_that_cannot_be(
    cache, tiny_asr_model, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("PATH", "/nonexistent")
    for command, name in ((export, "--web"), (web, "--output_dir")):
        folder = tmp_path / f"{name}_page"
        assert command.main([str(tiny_asr_model.dir), name, str(folder)]) == 2
        assert caplog.text.count("install Node.js") == 1 and not folder.exists()
        caplog.clear()
    assert not (tiny_asr_model.dir / "export").exists()


def test_without_a_network_npm_is_quoted(cache, tmp_path, monkeypatch):
    fake_npm(tmp_path / "bin", monkeypatch, "echo getaddrinfo ENOTFOUND >&2; exit 1")
    message = refused()
    assert "ENOTFOUND" in message and ARCHIVE_VARIABLE in message
    assert not cache.exists()


def test_another_archive_is_refused(cache, tmp_path, monkeypatch):
    script = 'for folder; do :; done; echo no > "$folder/onnxruntime-web.tgz"'
    fake_npm(tmp_path / "bin", monkeypatch, script)
    assert "SHA-512 differs" in refused()
    monkeypatch.setenv(ARCHIVE_VARIABLE, str(tmp_path / "none.tgz"))
    assert "the file does not exist" in refused()
    other = tmp_path / "other.tgz"
    with tarfile.open(other, "w:gz") as tar:
        tar.add(__file__, "package/dist/ort.wasm.bundle.min.mjs")
    monkeypatch.setenv(ARCHIVE_VARIABLE, str(other))
    assert str(other) in refused() and not cache.exists()


def test_what_was_fetched_is_not_fetched_again(cache, monkeypatch):
    cache.mkdir(parents=True)
    for name in ("ort.js", "ort.wasm"):
        (cache / name).write_text("fetched before")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert runtime_files() == [cache / "ort.js", cache / "ort.wasm"]


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    check_page_folder(tmp_path)  # empty
    check_page_folder(tmp_path / "new")
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UserError, match="holds files that do not belong"):
        build_page([], tmp_path)
    with pytest.raises(UserError, match="a file of that name"):
        check_page_folder(tmp_path / "index.html")
    (tmp_path / "models.json").write_text("{}")
    check_page_folder(tmp_path)


@pytest.mark.parametrize(
    "options", [["--target", "sherpa-onnx"], ["--features"]], ids=" ".join
)
def test_a_page_needs_a_model_that_takes_audio(tmp_path, options, caplog):
    page = tmp_path / "page"
    assert export.main([str(tmp_path), *options, "--web", str(page)]) == 2
    assert " ".join(options) in caplog.text and "--target onnx" in caplog.text
    assert not page.exists()


def test_models_of_the_same_name_are_told_apart(cache, tmp_path):
    pytest.importorskip("onnxruntime")
    cache.mkdir(parents=True)
    for name in ("ort.js", "ort.wasm"):
        (cache / name).write_text("fetched before")
    folders = [build_tiny_asr(tmp_path / str(seed), seed=seed).dir for seed in (0, 1)]
    assert export.main([*map(str, folders), "--web", str(tmp_path / "page")]) == 0
    models = read_json(tmp_path / "page/models.json")["models"]
    assert [one["label"] for one in models] == ["asr_tiny", "asr_tiny (2)"]
    (tmp_path / "page/.git").mkdir()
    (tmp_path / "page/CNAME").write_text("a.user")
    for one, folder in zip(models, folders):
        copied = tmp_path / "page" / one["files"]["model"]
        assert copied.read_bytes() == (folder / "export/onnx/model.onnx").read_bytes()
    # With one model only, and what a user has put there.
    build_page([Exported(folders[1] / "export/onnx")], tmp_path / "page")
    assert (tmp_path / "page/.git").is_dir()
    assert (tmp_path / "page/CNAME").read_text() == "a.user"
    assert [path.name for path in (tmp_path / "page/models").iterdir()] == ["0"]


def test_a_streaming_model_in_eight_bits_is_an_entry_of_its_own(tmp_path):
    pytest.importorskip("onnxruntime")
    tiny = supernet(tmp_path)
    options = ["--dev", str(tiny.data_dir), "--int8", "--max_wer_loss", "1000"]
    assert export.main([str(tiny.dir), *options]) == 0
    found = web_models(tiny.dir / "export/onnx", "models/0")
    assert [one.label for one in found] == [
        "asr_tiny, streaming",
        "asr_tiny, streaming, 8 bits",
    ]
    assert found[1].files["chunk"] == "models/0/chunk.int8.onnx"
    assert found[1].bytes < found[0].bytes


def test_an_export_of_an_earlier_checkpoint_is_not_published(tmp_path):
    """As bin/export says; a page would have the old model otherwise."""
    model = build_tiny_asr(tmp_path)
    assert export.main([str(model.dir)]) == 0
    assert exported(model.dir).folder == model.dir / "export/onnx"
    (checkpoint,) = model.dir.glob("*.pth")
    state = torch.load(checkpoint, weights_only=True)
    state["ctc.ctc_lo.bias"] += 0.1
    torch.save(state, checkpoint)
    with pytest.raises(
        UserError, match="from another .*with the same options .*bin.export "
    ):
        exported(model.dir)
    assert export.main([str(model.dir)]) == 0
    assert exported(model.dir).folder == model.dir / "export/onnx"

"""What is measured on an export is right, and stands in the report."""

import json
import time
from dataclasses import replace

import jiwer
import numpy as np
import pytest
from report_cells import Page, paragraphs, results_block
from result_folders import make_model

from espnet_plugin.bin import report
from espnet_plugin.bin.export import main
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.exported import ExportedFile, read_exports
from espnet_plugin.export.timing.measure import Workload, measure_file
from espnet_plugin.export.timing.others import OtherWork
from espnet_plugin.files import file_checksum, read_json, write_json

# A recogniser whose speed, memory and start are known.
SCRIPT = """
import sys, time
class Recogniser:
    def __init__(self, folder, model, num_threads):
        assert model == "some.onnx" and num_threads == 1
    def text(self, samples):
        time.sleep(0.02 * len(samples) / 1000)
    def reset(self):
        self.count = 0
    def accept(self, samples, last=False):
        time.sleep(0 if last else 0.01)
if __name__ == "__main__":
    print(sys.argv[1] + "\\t", flush=True)
    held = bytearray(150_000_000)
    time.sleep(0.4)
    print(sys.argv[1] + "\\tWORDS", flush=True)
"""


@pytest.fixture
def work(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    samples = np.zeros(10000, np.float32)
    return Workload(tmp_path / "script.py", samples, samples[:2000], 1000, 1000)


def test_times_and_memory_are_those_of_the_script(work):
    timed = measure_file("some.onnx", work)
    for found in (timed.rtf_1s, timed.rtf_3s, timed.rtf_10s):
        assert 0.02 <= found < 0.2  # on a machine with other work, too
    assert timed.chunk_ms is None
    assert 0.4 <= timed.first_word_s < 60  # not the line without a word
    assert 150 < timed.process_mb < 200  # and not what this process holds
    streaming = measure_file("some.onnx", replace(work, block=500))
    assert 10 <= streaming.chunk_ms < 100
    assert 0.02 <= streaming.rtf_10s < 0.2


def test_a_script_that_fails_is_named(work):
    work.script.write_text("raise SystemExit('no licence')")
    with pytest.raises(UserError, match="no licence"):
        measure_file("some.onnx", work)


def test_work_of_others_is_not_ones_own():
    others = OtherWork()
    begun, own = time.perf_counter(), time.process_time()
    while time.perf_counter() < begun + 1.0:
        pass
    own = (time.process_time() - own) / (time.perf_counter() - begun)
    found = others.cores()
    if found is None:
        pytest.skip("no /proc/stat")
    # What this process did is taken off: others had what was left at most.
    assert 0.0 <= found <= len(read_cpus()) - own + 0.15


def read_cpus():
    with open("/proc/stat") as stat:
        return [line for line in stat if line.startswith("cpu")][1:]


@pytest.fixture(scope="module")
def exported(tiny_asr_model, tmp_path_factory):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("measured") / "onnx"
    options = ["--dev", str(tiny_asr_model.data_dir), "--output_dir", str(folder)]
    options += ["--int8", "--max_wer_loss", "1000", "--measure"]
    assert main([str(tiny_asr_model.dir), *options]) == 0
    return folder


def test_every_file_has_its_figures(exported, tiny_asr_model):
    measured = read_json(exported / "meta.json")["measured"]
    assert list(measured) == ["model.onnx", "model.int8.onnx"]
    lines = (tiny_asr_model.data_dir / "text").read_text().splitlines()
    words = [len(line.split()) - 1 for line in lines]
    for name, one in measured.items():
        assert one["file_bytes"] == (exported / name).stat().st_size
        # Real ones, of a tiny model: within what any machine would say.
        assert all(0 < one[f"rtf_{n}s"] < 1 for n in (1, 3, 10))
        assert 20 < one["process_mb"] < 500 and 0 < one["first_word_s"] < 60
        assert one["words_by_unit"] == words
        rate = 100 * sum(one["errors_by_unit"]) / sum(words)
        assert one["wer"] == pytest.approx(rate)
        low, high = one["wer_ci95"]
        assert low <= rate <= high


def test_error_rate_is_that_of_what_the_script_says(exported, tiny_asr_model):
    from espnet_plugin.export.dev import read_dev
    from espnet_plugin.export.timing.probe import script_of

    dev = read_dev(tiny_asr_model.data_dir, 16000, 100)
    measured = read_json(exported / "meta.json")["measured"]
    for name, one in measured.items():
        recogniser = script_of(exported / "recognise.py").Recogniser(exported, name)
        said = [recogniser.text(samples) for samples in dev.audio.values()]
        rate = 100 * jiwer.wer(list(dev.text.values()), said)
        assert one["wer"] == pytest.approx(rate)


def export_of(folder, seed, wrong, sha=None):
    """Write the figures of an export of a hand-made model."""
    (folder / "model.pth").write_bytes(b"weights of " + folder.name.encode())
    meta = read_json(folder / "meta.json")
    write_json(folder / "meta.json", {**meta, "checkpoint": "model.pth"})
    figures = {
        "file_bytes": 3_400_000,
        "rtf_1s": 0.004,
        "rtf_10s": 0.01 * seed,
        "process_mb": 80.0 + seed,
        "others_cores": 0.1 * seed,
        "threads": 1,
        "cpu": "An old processor",
        "wer": 100 * wrong / 20,
        "wer_ci95": [0.0, 30.0],
        "wer_set": "dev",
        "errors_by_unit": [wrong, 0, 0, 0, 0],
        "words_by_unit": [4] * 5,
    }
    export = {
        "format": 1,
        "target": "onnx",
        "model": {"checkpoint_sha256": sha or file_checksum(folder / "model.pth")},
        "measured": {"model.onnx": figures},
    }
    write_json(folder / "export" / "onnx" / "meta.json", export)
    return str(folder)


def run(tmp_path, *folders):
    out = [tmp_path / name for name in ("results.json", "RESULTS.md", "report.html")]
    options = zip(("--results_json", "--markdown", "--html"), map(str, out))
    command = [*folders, "--corpus", "m", *(one for pair in options for one in pair)]
    assert report.main(command) == 0
    block = paragraphs(results_block(out[1].read_text()))
    return read_json(out[0]), block, Page(out[2].read_text())


def table_with(tables, header):
    return [t for t in tables if isinstance(t, list) and header in t[0]]


def test_the_report_has_a_line_a_file(tmp_path):
    exp = tmp_path / "exp"
    models = [make_model(exp, f"s{seed}", seed=seed) for seed in (1, 2)]
    folders = [export_of(one, seed, seed) for seed, one in enumerate(models, 1)]
    folders.append(str(make_model(exp, "four", layers=4)))
    content, block, page = run(tmp_path, *folders)
    first = content["rows"][0]["exports"][0]
    assert (first["target"], first["file"]) == ("onnx", "model.onnx")
    assert first["rtf_10s"] == 0.01
    assert "exports" not in next(r for r in content["rows"] if r["layers"] == 4)
    for tables in (block, page.tables):
        (table,) = table_with(tables, "RTF 10 s")
        (line,) = [dict(zip(table[0], cells)) for cells in table[1:]]
        assert line["layers"] == "6" and line["exported for"] == "onnx"
        assert line["seed"] == "1 2" and line["file (MB)"] == "3.40"
        # Means over seeds; the highest of the others' work.
        assert line["RTF 10 s"] == "0.0150" and line["process (MB)"] == "82"
        assert line["others (cores)"] == "0.2"
        # Errors pooled over seeds: 1.5 of 20 words, in one of five utterances.
        assert line["WER % [95 %]"].startswith("7.5 [0.0, ")
        assert "ms a chunk" not in table[0] and "RTF 3 s" not in table[0]
    notes = " ".join(str(one) for one in block)
    assert "1 thread on An old processor" in notes
    # Drawn again from results.json alone, and a report of nothing exported has none.
    assert run(tmp_path)[0]["rows"][0]["exports"] == content["rows"][0]["exports"]
    _, block, _ = run(tmp_path / "other", folders[-1])
    assert not table_with(block, "exported for")


def test_an_export_of_another_checkpoint_is_left_out(tmp_path, caplog):
    folder = export_of(make_model(tmp_path / "exp", "a"), 1, 0, sha="0" * 64)
    content, block, _ = run(tmp_path, folder)
    assert "exports" not in content["rows"][0]
    assert "belongs to a different checkpoint" in caplog.text


def test_values_that_are_no_numbers_are_refused(tmp_path):
    folder = make_model(tmp_path / "exp", "a")
    export_of(folder, 1, 0)
    path = folder / "export" / "onnx" / "meta.json"
    meta = json.loads(path.read_text())
    meta["measured"]["model.onnx"]["rtf_10s"] = "fast"
    write_json(path, meta)
    with pytest.raises(UserError, match="rtf_10s is 'fast'"):
        read_exports(folder / "export", file_checksum(folder / "model.pth"))
    one = ExportedFile.from_json({"rtf_1s": float("nan"), "wer": 3}, path)
    assert one.rtf_1s is None and one.not_finite == ("rtf_1s",) and one.wer == 3

"""How well confidence is calibrated stands in the report, where it was measured."""

from report_cells import Page, paragraphs, results_block
from result_folders import make_model

from espnet_plugin.bin import report
from espnet_plugin.files import file_checksum, read_json, write_json


def calibrated(folder, sha=None, **figures):
    """Give a hand-made model a checkpoint and a calibration."""
    (folder / "model.pth").write_bytes(folder.name.encode())
    meta = read_json(folder / "meta.json")
    write_json(folder / "meta.json", {**meta, "checkpoint": "model.pth"})
    sha = sha or file_checksum(folder / "model.pth")
    content = {"temperature": 1.5, "aggregate": "min", "words": 100, "correct": 90}
    content.update(checkpoint_sha256=sha, **figures)
    write_json(folder / "confidence.json", content)
    return str(folder)


def run(tmp_path, *folders):
    out = [tmp_path / name for name in ("results.json", "RESULTS.md", "report.html")]
    options = zip(("--results_json", "--markdown", "--html"), map(str, out))
    command = [*folders, "--corpus", "m", *(one for pair in options for one in pair)]
    assert report.main(command) == 0
    block = paragraphs(results_block(out[1].read_text()))
    tables = [one for one in block if isinstance(one, list)]
    return read_json(out[0]), tables, Page(out[2].read_text()).tables


def lines(tables):
    (table,) = [one for one in tables if "dev ECE" in one[0]]
    return [dict(zip(table[0], cells)) for cells in table[1:]]


def test_mean_over_the_seeds_that_have_one(tmp_path):
    exp = tmp_path / "exp"
    dev = [dict(ece_before=0.1 * n, ece_after=0.02 * n) for n in (1, 2)]
    test = dict(test_ece_before=0.3, test_ece_after=0.06)
    models = [make_model(exp, f"s{seed}", seed=seed) for seed in (1, 2, 3)]
    folders = [calibrated(models[0], **dev[0], **test), calibrated(models[1], **dev[1])]
    folders += [str(models[2]), str(make_model(exp, "four", layers=4))]
    content, *both = run(tmp_path, *folders)
    for tables in both:
        (line,) = lines(tables)
        assert line["layers"] == "6" and line["seeds"] == "2"
        assert line["dev ECE"] == "0.150" and line["calibrated"] == "0.030"
        assert line["test ECE"] == "0.300" and line["test calibrated"] == "0.060"
        assert line["temperature"] == "1.50" and line["dev words"] == "100"
    rows = {(row["layers"], row["seed"]): row for row in content["rows"]}
    assert rows[6, 1]["dev_ece"] == 0.1 and rows[6, 1]["test_ece"] == 0.3
    # Rows without one are as they were.
    assert "dev_ece" not in rows[6, 3] and "dev_ece" not in rows[4, 1]
    # From results.json alone.
    assert lines(run(tmp_path)[1]) == lines(both[0])


def test_of_another_checkpoint_it_is_left_out(tmp_path, caplog):
    model = make_model(tmp_path / "exp", "a")
    folder = calibrated(model, "0" * 64, ece_before=0.1, ece_after=0.1)
    content, tables, _ = run(tmp_path, folder)
    assert "dev_ece" not in content["rows"][0]
    assert not any("dev ECE" in one[0] for one in tables)
    assert "confidence.json belongs to a different checkpoint" in caplog.text

"""A metric is one entry of the table: it is then in results.json, markdown and HTML."""

import pytest
from report_cells import Page, paragraphs, results_block
from result_folders import make_model, make_shared

from espnet_plugin.bin import report
from espnet_plugin.files import read_json, write_json
from espnet_plugin.results import metrics
from espnet_plugin.results.cell_text import figure, fixed, paid
from espnet_plugin.results.metric import COST, QUALITY, Column, FileValue, Metric

ENERGY = Metric(
    "energy_joule",
    FileValue("rtf", "energy_joule"),
    (Column(COST, "energy (kJ)", figure(fixed(1)), 1e3, True, "Energy: measured."),),
    ranged=True,
)


def add(monkeypatch, *entries):
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS, *entries))


def measure(folder, file, **figures):
    write_json(folder / file, {**read_json(folder / file), **figures})
    return str(folder)


def run(tmp_path, *folders):
    options = {"results_json": "results.json", "markdown": "RESULTS.md"}
    options["html"] = "report.html"  # without pictures, which take a while
    for name, file in options.items():
        folders += (f"--{name}", str(tmp_path / file))
    assert report.main([*folders, "--corpus", "m"]) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    block = [p for p in paragraphs(results_block(text)) if p != ""]
    return (
        read_json(tmp_path / "results.json"),
        block,
        Page((tmp_path / "report.html").read_text()),
    )


def columns(tables, name):
    return [
        [line[table[0].index(name)] for line in table[1:]]
        for table in tables
        if name in table[0]
    ]


def test_a_metric_of_a_file_is_one_entry(tmp_path, monkeypatch):
    add(monkeypatch, ENERGY)
    exp = tmp_path / "exp"
    folders = [
        measure(make_model(exp, f"s{seed}", seed=seed), "rtf.json", energy_joule=joule)
        for seed, joule in ((1, 1000.0), (2, 4000.0))
    ]
    folders.append(str(make_model(exp, "four", layers=4)))
    content, block, page = run(tmp_path / "out", *folders)
    assert [row["energy_joule"] for row in content["rows"]] == [1000.0, 4000.0, None]
    six, four = content["aggregates"]
    keys = [f"energy_joule_{kind}" for kind in ("mean", "min", "max")]
    assert [six[key] for key in keys] == [2500.0, 1000.0, 4000.0]
    assert [four[key] for key in keys] == [None] * 3
    tables = [part for part in block if isinstance(part, list)]
    assert columns(tables, "energy (kJ)") == [["2.5", "?"]]
    assert columns(page.tables, "energy (kJ)") == [["2.5", "?"]]
    (notes,) = (one for one in block if str(one).startswith("Each cost is"))
    assert notes.endswith(". Energy: measured.")
    # Drawn again, from results.json alone.
    assert run(tmp_path / "out")[0]["aggregates"] == content["aggregates"]
    # Who does not know the metric keeps what was measured.
    monkeypatch.undo()
    content, block, page = run(tmp_path / "out")
    assert [row["energy_joule"] for row in content["rows"]] == [1000.0, 4000.0, None]
    assert "energy_joule_mean" not in content["aggregates"][0]
    assert not columns(page.tables, "energy (kJ)")


def test_a_column_that_nothing_is_known_for_is_left_out_with_its_note(
    tmp_path, monkeypatch
):
    add(monkeypatch, ENERGY)
    folder = str(make_model(tmp_path / "exp", "a"))
    content, block, page = run(tmp_path / "out", folder)
    assert content["aggregates"][0]["energy_joule_mean"] is None
    assert not columns(page.tables, "energy (kJ)")
    assert not any("Energy" in part for part in block if isinstance(part, str))


def test_a_cost_is_added_up_with_that_of_the_shared_run(tmp_path, monkeypatch):
    source = FileValue("cost", "kwh")
    column = Column(COST, "kWh", paid, optional=True)
    add(monkeypatch, Metric("energy_kwh", source, (column,), is_cost=True))
    exp = tmp_path / "exp"
    folders = [measure(make_shared(exp), "cost.json", kwh=2.0)]
    folders += [
        measure(
            make_model(exp, f"e{n}", "encrl", n, shared="main"), "cost.json", kwh=0.5
        )
        for n in (6, 4)
    ]
    content, _, page = run(tmp_path / "out", *folders)
    assert content["shared"][0]["energy_kwh"] == 2.0
    assert content["aggregates"][0]["whole_cost_mean"]["energy_kwh"] == 2.5
    assert content["families"][0]["whole_cost"]["energy_kwh"] == 3.0
    assert columns(page.tables, "kWh") == [["0.50 + 2.00 = 2.50"] * 2]


def test_a_metric_may_be_a_field_of_the_rows(tmp_path, monkeypatch):
    shown = Column(QUALITY, "threads", figure(fixed(0)))
    entry = Metric("threads", "running.rtf_threads", (shown,), average=max)
    add(monkeypatch, entry)
    _, block, page = run(tmp_path / "out", str(make_model(tmp_path / "exp", "a")))
    assert columns(page.tables, "threads") == [["1"]]


def test_names_are_unique():
    names = [metric.name for metric in metrics.METRICS]
    assert len(set(names)) == len(names)
    with pytest.raises(KeyError, match="no_metric"):
        metrics.find_metric("no_metric")

"""What the page's picture is made of: axes from the metrics, facts from the tables."""

import json

import pytest
from result_folders import make_results

from espnet_plugin.report.chart_data import chart_data
from espnet_plugin.report.html import report_html
from espnet_plugin.report.tables import cost_table, quality_table
from espnet_plugin.results import metrics
from espnet_plugin.results.cell_text import figure, fixed
from espnet_plugin.results.metric import COST, Axis, Column, FileValue, Metric


def make_row(method, layers, wer, **more):
    return {
        "method": method,
        "variant": "",
        "layers": layers,
        "seed": 1,
        "params": layers * 200_000,
        "test_wer": wer,
        "wer_ci95": None if wer is None else [0.8 * wer, 1.2 * wer],
        "train_seconds": 60.0 * layers,
        "audio_seconds": 3600.0,
        "train_flops": 1e14 * layers,
        "teacher_flops": 1e14,
        "encoder_rtf": 0.002 * layers,
        **more,
    }


ROWS = [
    make_row("reference", 12, 8.0),
    make_row("encrl", 6, 9.0),
    make_row("encrl", 6, 10.0, seed=2),
    make_row("scratch", 6, None),
]


def across(data):
    return {one["name"]: one for one in data["across"]}


def test_axes_are_the_metrics_with_a_figure():
    data = chart_data(make_results(ROWS))
    axes = across(data)
    assert axes["params"]["values"] == pytest.approx([2.4, 1.2])
    assert axes["params"]["label"] == "parameters (million)"
    # The teacher's operations count; minutes, as in the table of costs.
    assert axes["train_flops"]["values"] == pytest.approx([1.3, 0.7])
    assert axes["train_seconds"]["label"] == "training time, wall clock (min)"
    assert axes["train_seconds"]["values"] == pytest.approx([12.0, 6.0])
    assert "file_bytes" not in axes and "test_wer" not in axes
    (rate,) = data["upwards"]
    assert rate["name"] == "test_wer" and rate["values"] == pytest.approx([8.0, 9.5])
    assert rate["intervals"][0] == pytest.approx([6.4, 9.6])


def test_a_metric_is_an_axis_as_soon_as_it_is_in_the_table(monkeypatch):
    source = FileValue("rtf", "energy_joule")
    columns = (Column(COST, "energy (kJ)", figure(fixed(1)), 1e3, True),)
    plain = Metric("energy_joule", source, columns)
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS, plain))
    rows = [make_row("encrl", 6, 9.0, energy_joule=2500.0), make_row("x", 6, 9.0)]
    axis = across(chart_data(make_results(rows)))["energy_joule"]
    assert axis["label"] == "energy (kJ)" and axis["front"]
    assert axis["values"] == [2.5, None]
    named = Metric("energy_joule", source, columns, axis=Axis("life", None, False))
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS[:-1], named))
    axis = across(chart_data(make_results(rows)))["energy_joule"]
    assert axis["label"] == "life" and not axis["front"]


def test_facts_are_the_cells_of_the_tables():
    results = make_results(ROWS)
    data = chart_data(results)
    for point, group in zip(data["points"], results.groups):
        facts = dict(zip(data["headers"], point["facts"]))
        for table in (quality_table(results), cost_table(results)):
            line = next(one for one in table.lines if one[0] == group.method)
            cells = dict(zip(table.header, line))
            shared = set(cells) & {name for name, text in facts.items() if text}
            assert shared and {n: facts[n] for n in shared} == {
                n: cells[n] for n in shared
            }
    assert [one["seeds"] for one in data["points"]] == [[1], [1, 2]]


def test_sizes_with_a_width_are_sizes_of_their_own():
    rows = [
        make_row("encrl", 4, 9.0, width=72),
        make_row("encrl", 4, 8.0),
        make_row("scratch", 4, 9.5, width=72),
        make_row("width", 12, 9.0, size=4, variant="as 4 layers"),
        make_row("espnet", 0, 7.0),
    ]
    data = chart_data(make_results(rows))
    # What the page offers, the largest first; a point is drawn with its shape.
    assert data["shapes"] == ["4", "4x72", "?"]
    points = {(p["name"], p["size"], p["shape"]) for p in data["points"]}
    assert points == {
        ("encrl", "4x72", "4x72"),
        ("encrl", "4", "4"),
        ("scratch", "4x72", "4x72"),
        ("width", "12 as 4", "4"),
        ("espnet", "?", "?"),
    }
    assert {p["mark"] for p in data["points"] if p["name"] == "encrl"} == {"4x72", "4"}


def test_names_stay_text_in_the_page():
    rows = [make_row("</script><script>alert(1)</script>", 6, 9.0, variant="<!--&")]
    page = report_html(make_results(rows))
    assert "<script>alert" not in page and "<!--&" not in page
    begin = page.index('id="data">') + len('id="data">')
    data = json.loads(page[begin : page.index("</script>", begin)])
    assert data["points"][0]["name"] == "</script><script>alert(1)</script> <!--&"


def test_without_a_score_there_are_tables_alone():
    page = report_html(make_results([make_row("x", 6, None)]))
    assert "Quality and size" in page and 'id="chart"' not in page

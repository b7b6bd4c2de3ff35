"""The report's page in Chromium: what it shows is what results.json says."""

import json
from pathlib import Path

import pytest
from browser import chromium, served
from result_folders import make_results, read_results

from espnet_plugin.report.html import write_html

AN4 = Path(__file__).parents[2] / "egs2/an4/encrl1/earlier/results.json"
START = {
    *("reference", "encrl", "scratch", "scratch 9 epochs"),
    *("layer_prune", "layer_copy first"),
}
POINTS = """
    return [...document.querySelectorAll("#chart .point")].map((node) => {
        const [x, y] = node.getAttribute("transform").match(/-?[0-9.]+/g).map(Number);
        return [node.getAttribute("aria-label").split(". ")[0], x, y];
    });"""
# Move the mouse onto a point, which is found by the beginning of its label.
HOVER = """
    const node = [...document.querySelectorAll("#chart .point")].find((one) =>
        one.getAttribute("aria-label").startsWith(arguments[0]));
    const { x, y, width, height } = node.getBoundingClientRect();
    const place = { clientX: x + width / 2, clientY: y + height / 2, bubbles: true };
    node.dispatchEvent(new PointerEvent("pointermove", place));
    const tip = document.getElementById("tip");
    const texts = (tag) => [...tip.querySelectorAll(tag)].map((one) => one.innerText);
    return { title: tip.querySelector("strong").innerText, hidden: tip.hidden,
             names: texts("dt"), values: texts("dd") };"""
CHOOSE = """
    const list = document.querySelector(arguments[0]);
    list.value = arguments[1];
    list.dispatchEvent(new Event("change"));"""
SWITCH = """
    const label = [...document.querySelectorAll("#methods label")].find((one) =>
        one.querySelector("span").firstChild.data === arguments[0]);
    label.click();
    return label.querySelector("input").checked;"""
CELLS = """
    return [...document.querySelectorAll(arguments[0])]
        .filter((row) => !row.hidden)
        .map((row) => [...row.cells].map((cell) => cell.innerText.trim()));"""
AXIS = "return document.querySelector('#chart .axis-name').textContent"
TICKS = """
    return [...document.querySelectorAll("#chart .tick.middle")].map((one) =>
        [Number(one.textContent), Number(one.getAttribute("x"))]);"""
KEY = """
    document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", { key: arguments[0], bubbles: true }));
    return document.activeElement.getAttribute("aria-label");"""
QUALITY = "#section-1 tbody tr"


@pytest.fixture(scope="module")
def content():
    return json.loads(AN4.read_text())


@pytest.fixture(scope="module")
def tab(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("page")
    write_html(folder / "report.html", read_results(content))
    with served(folder) as (address, asked), chromium() as tab:
        tab.address = address + "report.html"
        tab.resize(1400, 900)
        yield tab
        # It fetched nothing, and had nothing to complain of.
        assert set(asked) == {"/report.html"}
        assert tab.console() == []


@pytest.fixture
def page(tab):
    tab.resize(1400, 900)
    tab.open(tab.address)
    return tab


def aggregate(content, method, variant, size):
    return next(
        one
        for one in content["aggregates"]
        if (one["method"], one["variant"], one["size"]) == (method, variant, size)
    )


def named(content):
    """Aggregates by the page's name of the model; in some several amounts."""
    return {
        (f"{one['method']} {one['variant']}".strip(), str(one["size"])): one
        for one in content["aggregates"]
    }


def test_pointing_at_a_model_shows_its_figures(page, content):
    shown = page.run(HOVER, "encrl, 4 layers")
    assert shown["title"] == "encrl, 4 layers" and not shown["hidden"]
    facts = dict(zip(shown["names"], shown["values"]))
    one = aggregate(content, "encrl", "", 4)
    low, high = one["wer_ci95"]
    wer = f"{one['test_wer_mean']:.1f} [{low:.1f}, {high:.1f}]"
    assert facts["test WER % [95 %]"] == wer
    assert facts["seeds"] == ", ".join(map(str, one["seeds"]))
    whole = one["whole_cost_mean"]
    flops = (whole["train_flops"] + whole["teacher_flops"]) / 1e15
    assert f"= {flops:.4f} " in facts["PFLOP (teacher)"]
    rtf = facts["encoder RTF (load)"].split()[0]
    assert float(rtf) == pytest.approx(one["encoder_rtf_mean"], rel=5e-3)
    rows = [row for row in content["rows"] if row["method"] == "encrl"]
    params = next(row["params"] for row in rows if row["layers"] == 4)
    assert facts["params (M)"] == f"{params / 1e6:.2f}"


def test_methods_and_sizes_are_switched_on_and_off(page):
    before = [name for name, *_ in page.run(POINTS)]
    assert {name.split(",")[0].removesuffix(" ‡") for name in before} == START
    assert page.run(SWITCH, "encrl") is False
    without = [name for name, *_ in page.run(POINTS)]
    assert sorted(set(before) - set(without)) == [
        f"encrl, {size} layers" for size in (2, 4, 6)
    ]
    assert page.run(SWITCH, "ctc_kd first layers") is True
    assert "ctc_kd first layers, 6 layers" in [one for one, *_ in page.run(POINTS)]
    page.run("""[...document.querySelectorAll("#options label")]
            .find((one) => one.innerText.trim() === "6").click()""")
    assert not any(" 6 layers" in name for name, *_ in page.run(POINTS))
    page.run("document.querySelectorAll('#methods button')[1].click()")
    assert len({one.rsplit(",", 1)[0] for one, *_ in page.run(POINTS)}) > 20


def test_the_axis_is_chosen_and_points_stand_at_their_values(page, content):
    assert page.run(AXIS) == "parameters (million)"
    page.run(CHOOSE, "#across", "encoder_rtf")
    assert page.run(AXIS).startswith("speed")
    (v0, x0), *_, (v1, x1) = page.run(TICKS)
    places = {name: (x, y) for name, x, y in page.run(POINTS)}
    for method, size in (("reference", 12), ("encrl", 6), ("encrl", 2)):
        one = aggregate(content, method, "", size)
        x = places[f"{method}, {size} layers"][0]
        value = v0 + (x - x0) / (x1 - x0) * (v1 - v0)
        # Equal ones stand side by side, within some pixels.
        slack = 50 * (v1 - v0) / (x1 - x0)
        assert value == pytest.approx(one["encoder_rtf_mean"], abs=slack)
    rates = {
        name: one["test_wer_mean"]
        for name, one in (
            (f"encrl, {size} layers", aggregate(content, "encrl", "", size))
            for size in (6, 4, 2)
        )
    }
    lower = sorted(rates, key=rates.get)
    assert sorted(rates, key=lambda name: -places[name][1]) == lower


def test_the_front_is_what_no_other_model_beats(page, content):
    page.run(CHOOSE, "#across", "encoder_rtf")
    known = named(content)
    shown = {}
    for label, *_ in page.run(POINTS):
        name, size = label.removesuffix(" layers").replace(" ‡", "").rsplit(", ", 1)
        one = known[name, size]
        shown[name, size] = (one["encoder_rtf_mean"], one["test_wer_mean"])
    expected = {
        key
        for key, (x, y) in shown.items()
        if not any(a <= x and b <= y and (a, b) != (x, y) for a, b in shown.values())
    }
    rows = page.run(CELLS, "#front tbody tr")
    assert {(row[0].removesuffix(" ‡"), row[1]) for row in rows} == expected
    for row in rows:
        mean = known[row[0].removesuffix(" ‡"), row[1]]["test_wer_mean"]
        assert row[2].split()[0] == f"{mean:.1f}"


def test_tables_are_sorted_and_filtered(page, content):
    heads = page.run(CELLS, "#section-1 thead tr")[0]
    column = next(n for n, one in enumerate(heads) if one.startswith("test WER"))
    everything = page.run(CELLS, QUALITY)
    press = f"#section-1 th:nth-child({column + 1}) button"
    page.click(press)
    rates = [float(row[column].split()[0]) for row in page.run(CELLS, QUALITY)]
    expected = [round(one["test_wer_mean"], 1) for one in content["aggregates"]]
    assert rates == sorted(expected)
    page.click(press)
    rates = [float(row[column].split()[0]) for row in page.run(CELLS, QUALITY)]
    assert rates == sorted(expected, reverse=True)
    page.click(press)
    assert page.run(CELLS, QUALITY) == everything
    page.run(CHOOSE, "#section-1 .filter select", "layer_copy")
    kept = page.run(CELLS, QUALITY)
    assert kept == [row for row in everything if row[0] == "layer_copy"]
    page.type("#section-1 .filter input", "spaced")
    assert [row[1] for row in page.run(CELLS, QUALITY)] == ["spaced"] * 3
    assert page.text("#section-1 .count") == f"3 of {len(everything)} rows"


def test_the_arrow_keys_go_from_model_to_model(page):
    page.run("document.querySelector('#chart .point').focus()")
    assert page.run(KEY, "End").startswith("reference, 12 layers")
    assert not page.run("return document.getElementById('tip').hidden")
    places = {name: x for name, x, _ in page.run(POINTS)}
    names = [page.run(KEY, "ArrowLeft").split(". ")[0] for _ in range(3)]
    passed = sorted(places, key=places.get, reverse=True)[1:4]
    assert names == passed
    page.run(KEY, "Escape")
    assert page.run("return document.getElementById('tip').hidden")
    # One stop of the tabulator for the whole picture.
    stops = page.run(
        "return document.querySelectorAll('#chart [tabindex=\"0\"]').length"
    )
    assert stops == 1


def test_a_phone_needs_no_sideways_scrolling(page):
    page.resize(390, 844)
    page.open(page.address)
    sizes = "return [document.documentElement.scrollWidth, innerWidth]"
    assert page.run(sizes) == [390, 390]
    page.run("document.querySelector('#chart .point').focus()")
    assert page.run(sizes) == [390, 390]
    box = page.run(
        """const box = document.getElementById("tip").getBoundingClientRect();
        return [box.left, box.right, box.bottom];"""
    )
    assert box == [0, 390, 844]


def test_a_table_that_is_cut_says_so(page, tmp_path):
    """A shadow at the right edge, until the table is scrolled to its end."""
    page.resize(390, 844)
    page.open(page.address)
    assert page.cut_edge("#section-1 .wide") == (True, False)
    page.resize(1400, 900)
    row = {"method": "encrl", "layers": 6, "seed": 1, "params": 10, "test_wer": 9.0}
    page.open(write_html(tmp_path / "one.html", make_results([row])).as_uri())
    assert page.cut_edge("#section-1 .wide") is None


def test_the_caution_about_a_busy_machine_stands_at_the_speed(tab, tmp_path):
    tab.resize(1400, 900)
    row = {"method": "encrl", "seed": 1, "encoder_rtf": 0.01, "rtf_cores": 2}
    rows = [
        {**row, "layers": layers, "params": layers, "test_wer": 9.0, "rtf_load": load}
        for layers, load in ((6, 7.5), (4, 1.0))
    ]
    tab.open(write_html(tmp_path / "busy.html", make_results(rows)).as_uri())
    hidden = "return document.getElementById('caution').hidden"
    assert tab.run(hidden) is True
    tab.run(CHOOSE, "#across", "encoder_rtf")
    assert tab.run(hidden) is False
    said = "Measured on a busy machine: the speed (RTF) of encrl 6"
    assert tab.text("#caution").startswith(said)
    assert tab.text("#section-2 .caution").startswith(said)
    tab.run(CHOOSE, "#across", "params")
    assert tab.run(hidden) is True


TICK_BOXES = """
    return [...document.querySelectorAll("#chart .tick.middle")].map((one) => {
        const { left, right } = one.getBoundingClientRect();
        return [left, right];
    });"""


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e5, 1e7, 1e9, 1e12])
def test_labels_of_ticks_do_not_overlap(tab, tmp_path, scale):
    """Costs of very small trainings, far below a PFLOP."""
    tab.resize(390, 844)
    row = {"method": "encrl", "seed": 1, "teacher_flops": 0.0}
    rows = [
        {**row, "layers": n, "params": n, "test_wer": 9.0, "train_flops": flops * scale}
        for n, flops in ((6, 73.0), (4, 41.0), (2, 8.0))
    ]
    tab.open(write_html(tmp_path / "small.html", make_results(rows)).as_uri())
    tab.run(CHOOSE, "#across", "train_flops")
    boxes = sorted(tab.run(TICK_BOXES))
    assert len(boxes) >= 2
    assert all(left[1] < right[0] for left, right in zip(boxes, boxes[1:]))


def test_names_are_never_run(tab, tmp_path):
    tab.resize(1400, 900)
    name = "<img src=x onerror='window.ran=1'><script>window.ran=1</script>"
    row = {"method": name, "layers": 6, "seed": 1, "params": 10, "test_wer": 9.0}
    file = write_html(tmp_path / "odd.html", make_results([row], corpus=name))
    tab.open(file.as_uri())
    assert tab.run(HOVER, name)["title"] == f"{name}, 6 layers"
    assert tab.text("#methods label").startswith(name)
    assert tab.run("return window.ran === undefined")
    assert tab.run(CELLS, QUALITY)[0][0] == name
    entries = "return performance.getEntriesByType('resource').length"
    assert tab.run(entries) == 0

"""Trainings that serve several models: found, counted once, and missed."""

import pytest
from gathered_results import merged, updated
from result_folders import make_model, make_shared

from espnet_plugin.files import write_json


@pytest.mark.parametrize("name", ["main", "encrl_main", "exp/encrl_main"])
def test_shared_run_is_found_and_counted_once(tmp_path, name):
    folders = [
        make_shared(tmp_path),
        make_model(tmp_path, "e6", "encrl", 6, shared=name),
        make_model(tmp_path, "e4", "encrl", 4, shared=name),
    ]
    content = merged(None, folders)
    assert [row["shared"] for row in content["rows"]] == ["encrl_main"] * 2
    assert content["rows"][0]["train_flops"] == 2e15
    shared = content["shared"][0]
    assert shared["name"] == "encrl_main" and shared["serves"] == [6, 4, 2]
    assert shared["train_flops"] == 3e15 and shared["teacher_flops"] == 1e15
    family = content["families"][0]
    assert family["layers"] == [6, 4] and family["sets"] == 1
    assert family["own_cost"]["train_flops"] == 4e15
    assert family["shared_cost"]["train_flops"] == 3e15
    assert family["whole_cost"]["train_flops"] == 7e15
    one = content["aggregates"][0]
    assert one["own_cost_mean"]["train_seconds"] == 60
    assert one["whole_cost_mean"]["train_seconds"] == 180


def test_a_run_that_goes_on_from_another_costs_both_but_once(tmp_path, caplog):
    make_shared(tmp_path)
    together = tmp_path / "asr_e_family"
    meta = {"method": "encrl_finetune", "serves": [6, 4], "seed": 1}
    write_json(together / "meta.json", {**meta, "after": "encrl_main"})
    cost = {"train_seconds": 5.0, "audio_seconds": 7.0, "teacher_flops": 0, "epochs": 2}
    write_json(together / "cost.json", {**cost, "flops": 5e14})
    rows = [
        make_model(tmp_path, f"e{n}", "encrl", n, shared=together.name, flops=n * 1e13)
        for n in (6, 4)
    ]
    content = updated(tmp_path / "r.json", [*rows, together], corpus="an4")
    missing = content["rows"][0]["missing"]
    assert missing == ["cost of the shared run encrl_main"]
    assert content["families"][0]["shared_cost"]["train_flops"] is None
    main = tmp_path / "encrl_main"
    content = updated(tmp_path / "r.json", [main])
    assert content["rows"][0]["missing"] == []
    assert [entry.get("after") for entry in content["shared"]] == ["encrl_main", None]
    (family,) = content["families"]
    assert family["shared_cost"]["train_flops"] == 3e15 + 5e14
    whole = family["whole_cost"]["train_flops"]
    assert whole == pytest.approx(3e15 + 5e14 + 10e13)
    six = content["aggregates"][0]
    whole = six["whole_cost_mean"]
    assert whole["train_flops"] == pytest.approx(3e15 + 5e14 + 6e13)
    assert whole["teacher_flops"] == 1e15


def test_shared_run_that_is_not_there_is_noted_until_it_is(tmp_path, caplog):
    file = tmp_path / "results.json"
    row = make_model(tmp_path, "e6", "encrl", shared="main")
    content = updated(file, [row], "mini")
    assert content["rows"][0]["missing"] == ["cost of the shared run main"]
    assert content["aggregates"][0]["whole_cost_mean"]["train_flops"] is None
    assert "whose folder is not given" in caplog.text
    content = updated(file, [make_shared(tmp_path)])
    assert content["rows"][0]["missing"] == []
    assert content["aggregates"][0]["whole_cost_mean"]["train_flops"] == 5e15


def test_sizes_that_keep_all_layers_are_one_family(tmp_path):
    folders = [
        make_model(
            *(tmp_path, f"m{size}", "magnitude", 12),
            variant=f"late as {size} layer{'s' * (size > 1)}",
            size=size,
            flops=size * 1e15,
        )
        for size in (6, 1)
    ]
    content = merged(None, folders)
    names = [(r["variant"], r["layers"], r["size"]) for r in content["rows"]]
    assert names == [("late", 12, 6), ("late", 12, 1)]
    (family,) = content["families"]
    assert (family["variant"], family["layers"]) == ("late", [6, 1])
    assert family["whole_cost"]["train_flops"] == 7e15
    # What an earlier version wrote is the same row, and is replaced.
    old = {**content, "rows": [dict(row) for row in content["rows"]]}
    for row in old["rows"]:
        row["variant"] += f" as {row.pop('size')} layers"
    again = merged(old, folders[:1])
    assert [(r["variant"], r["size"]) for r in again["rows"]] == [
        ("late", 6),
        ("late", 1),
    ]


def test_every_training_of_a_chain_is_missed(tmp_path):
    for name, after in (("late", "early"), ("early", "first")):
        meta = {"method": "dual_mode", "serves": [6], "seed": 1, "after": after}
        write_json(tmp_path / name / "meta.json", meta)
        write_json(tmp_path / name / "cost.json", {"flops": 5e14})
    row = make_model(tmp_path, "e6", "dual_mode", 6, shared="late", flops=0)
    note = "cost of the shared run"
    for folders, lacking in (
        ([row], ["late"]),
        ([row, tmp_path / "late"], ["early"]),
        ([row, tmp_path / "late", tmp_path / "early"], ["first"]),
    ):
        missing = merged(None, folders)["rows"][0]["missing"]
        assert [m for m in missing if m.startswith(note)] == [
            f"{note} {name}" for name in lacking
        ]


def test_what_is_built_on_one_run_in_two_ways_pays_for_it_once(tmp_path):
    together = tmp_path / "asr_e_family"
    meta = {"method": "encrl_finetune", "serves": [6], "seed": 1, "after": "encrl_main"}
    write_json(together / "meta.json", meta)
    write_json(together / "cost.json", {"flops": 5e14})
    folders = [
        make_shared(tmp_path),
        together,
        make_model(tmp_path, "e6", "encrl", 6, shared=together.name, flops=0),
        make_model(tmp_path, "e4", "encrl", 4, shared="encrl_main", flops=0),
    ]
    (family,) = merged(None, folders)["families"]
    assert family["shared_cost"]["train_flops"] == 3e15 + 5e14

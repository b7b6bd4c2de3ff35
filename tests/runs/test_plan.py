"""Jobs of a plan: their order, their options, and what is refused."""

import pytest
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.runs.plan import make_jobs
from espnet_plugin.runs.spec import read_spec

PLAN = {
    "seeds": [1, 2],
    "rows": {
        # Not in the order in which they have to run.
        "encrl": {
            "options": "--stage 5 --seed {seed} --variant 'a b {seed}'",
            "after": ["reference"],
            "leaves": ["asr_encrl_s{seed}_*"],
        },
        "reference": {"options": "--stage 4 --reference_seed {seed}"},
        "ablation": {
            "options": "--stage 5 --objectives '{name}' --seed {first}",
            "group": "ablations",
            "after": ["reference"],
            "seeds": "first",
            "each": {"name": ["clip kl", "mse"]},
            "expdir": "exp/ablations",
        },
        "control": {
            "options": "--stage 8 --seed {seed}",
            "group": "other",
            "after": ["ablation"],
        },
    },
    "tables": {},
}


def spec(tmp_path, **changes):
    path = tmp_path / "experiments.yaml"
    path.write_text(yaml.safe_dump({**PLAN, **changes}, sort_keys=False))
    return read_spec(path)


def test_a_seed_is_finished_before_the_next_and_needs_come_first(tmp_path):
    jobs = make_jobs(spec(tmp_path))
    assert [job.name for job in jobs] == [
        *("reference_s1", "encrl_s1", "reference_s2", "encrl_s2"),
    ]
    assert jobs[3].words == ("--stage", "5", "--seed", "2", "--variant", "a b 2")
    assert jobs[3].after == ("reference_s2",)
    assert jobs[3].leaves == ("asr_encrl_s2_*",)


def test_a_group_brings_what_it_needs(tmp_path):
    jobs = make_jobs(spec(tmp_path), ["other"], [7, 9])
    names = [job.name for job in jobs]
    assert names == [
        *("reference_s7", "ablation_clip_kl_s7", "ablation_mse_s7", "control_s7"),
        *("reference_s9", "control_s9"),
    ]
    by_name = {job.name: job for job in jobs}
    assert by_name["ablation_clip_kl_s7"].words == (
        *("--stage", "5", "--objectives", "clip kl", "--seed", "7"),
    )
    assert str(by_name["ablation_mse_s7"].expdir) == "exp/ablations"
    # Of a row with one seed there is no other to wait for.
    assert by_name["control_s9"].after == ("ablation_clip_kl_s7", "ablation_mse_s7")
    for n, job in enumerate(jobs):
        assert set(job.after) <= set(names[:n])


@pytest.mark.parametrize(
    ("row", "facts"),
    [
        ({"options": "--tag {tag}"}, ("rows.new", "{tag}", "seed")),
        ({"options": "--tag {"}, ("rows.new",)),
        ({"options": "--seed 1", "afterwards": []}, ("rows.new.afterwards", "after")),
        (
            {"options": "--seed 1", "after": ["nothing"]},
            ("rows.new.after", "'nothing'"),
        ),
        ({"options": "--seed 1", "after": ["new"]}, ("circle", "new -> new")),
        ({"options": 3}, ("rows.new.options", "3")),
        ({}, ("rows.new", "options")),
        ({"options": "", "seeds": "all"}, ("rows.new.seeds", "'all'")),
        ({"options": "", "seeds": []}, ("rows.new.seeds []", "one or more")),
        ({"options": "", "seeds": [1, -1]}, ("rows.new.seeds [1, -1]",)),
        ({"options": "", "seeds": [2**32]}, ("rows.new.seeds", "to 4294967295")),
        ({"options": "{seed}", "group": " "}, ("rows.new.group ' '", "--rows")),
        ({"options": "--x {'a' {seed}"}, ("rows.new", "write {{ and }}")),
        ({"options": "--tag 'it"}, ("rows.new.options", "close the quotation mark")),
        ({"options": "--expdir exp/x"}, ("rows.new.options: --expdir", "the key")),
        ({"options": "--expdir=exp/x"}, ("rows.new.options: --expdir", "the key")),
        # Text would be taken letter by letter, and YAML reads on as true.
        ({"options": "{n}", "each": {"n": "kl"}}, ("rows.new.each.n 'kl'", "list")),
        ({"options": "{n}", "each": {"n": []}}, ("rows.new.each.n []",)),
        ({"options": "{n}", "each": {"n": ["a", True]}}, ("each.n True", "quotes")),
        ({"options": "{n}", "each": {"n": [None]}}, ("each.n None", "quotes")),
        ({"options": "{n}", "each": {"n": [["a"]]}}, ("each.n ['a']",)),
        ({"options": "{seed}", "each": {"seed": [4]}}, ("each.seed", "key seeds")),
        ({"options": "{seed}", "leaves": ["/a/*"]}, ("rows.new.leaves '/a/*'",)),
        ({"options": "{seed}", "leaves": ["../a"]}, ("rows.new.leaves '../a'",)),
        ({"options": "{seed}", "leaves": [""]}, ("rows.new.leaves ''",)),
        # One training, started several times.
        ({"options": "--tag x"}, ("new_s1 and new_s2", "--tag x", "{seed}")),
        (
            {"options": "--seed {seed}", "each": {"n": ["x", "y"]}},
            ("new_x_s1 and new_y_s1 make the same call",),
        ),
    ],
)
def test_a_wrong_row_is_named(tmp_path, row, facts):
    with pytest.raises(UserError) as error:
        make_jobs(spec(tmp_path, rows={**PLAN["rows"], "new": row}))
    for fact in facts:
        assert fact in str(error.value)


def test_an_unknown_group_is_refused(tmp_path):
    with pytest.raises(UserError, match="--rows mian: .*ablations, main, other"):
        make_jobs(spec(tmp_path), ["mian"])


def test_jobs_of_one_name_are_refused(tmp_path):
    rows = {"a": {"options": "{n}", "each": {"n": ["x y", "x_y"]}}}
    with pytest.raises(UserError, match="a_x_y_s1"):
        make_jobs(spec(tmp_path, rows=rows))


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"default": ["mian"]}, "'mian'"),
        ({"tables": {"T": {"options": "", "groups": ["x"]}}}, "tables.T.groups 'x'"),
        (
            {"tables": {"T": {"options": "", "groups": [], "compare": [["a"]]}}},
            "tables.T.compare",
        ),
        ({"rows": {}}, "rows"),
        ({"rows": 3}, "rows"),
        ({"speed": 3}, "speed"),
        ({"seeds": []}, "seeds []"),
        ({"seeds": [-1]}, "seeds [-1]"),
        ({"prepare": "--stage '1"}, "prepare"),
        (
            {"tables": {"T": {"options": "--stage '9", "groups": []}}},
            "tables.T.options",
        ),
        (
            {
                "tables": {
                    "T": {"options": "", "groups": [], "compare": [["a {siz}", "b"]]}
                }
            },
            "{siz}",
        ),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, change, fact):
    with pytest.raises(UserError) as error:
        spec(tmp_path, **change)
    assert fact in str(error.value) and "experiments.yaml" in str(error.value)


def test_what_the_plan_is_called_in_messages(tmp_path):
    for text in "", "rows: {a: 1, a: 2}":
        (tmp_path / "experiments.yaml").write_text(text)
        with pytest.raises(UserError, match="the plan .*experiments.yaml") as error:
            read_spec(tmp_path / "experiments.yaml")
        assert "--config" not in str(error.value)

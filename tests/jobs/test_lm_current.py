"""Stages 6 to 8 of lmprune.sh alone, each input of the models changed once: a table."""

import argparse
import json
import shutil
from dataclasses import asdict, replace

import pytest
import yaml
from tiny_lm import write_text, write_tokens

from espnet_plugin.bin import lm_report, lm_text
from espnet_plugin.bin.lm_models import chosen_models
from espnet_plugin.errors import UserError
from espnet_plugin.files import file_checksum, write_json
from espnet_plugin.jobs.lm_current import measured_from
from espnet_plugin.jobs.lm_text import LMText
from espnet_plugin.jobs.requests import LMRequest
from espnet_plugin.jobs.trainer import use_trainer
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.lm.record import Decoded, LMCost, LMRecord, Measured, SetFigures
from espnet_plugin.lm.rows import read_row

ROWS = {
    "cut": dict(method="structured", keep=[0.7, 0.4], epochs=2),
    "more": dict(method="further", epochs=1),
    "scratch": dict(method="scratch", like="cut", keep=0.4),
}
# Folder: row, keep, step, and the folder that the model is made from.
MODELS = {
    "lm_dense_s3": ("dense", 1.0, 0, None),
    "lm_cut_k70_s3": ("cut", 0.7, 0, "lm_dense_s3"),
    "lm_cut_k40_s3": ("cut", 0.4, 1, "lm_cut_k70_s3"),
    "lm_more_s3": ("more", 1.0, 0, "lm_dense_s3"),
    "lm_scratch_k40_s3": ("scratch", 0.4, 0, None),
}
MADE = [name for name in MODELS if name != "lm_dense_s3"]
CUT = [name for name in MADE if "cut" in name]


class Recipe:
    """Finished stages 3 to 7, with files in the place of trainings."""

    def __init__(self, root):
        self.root, self.exp = root, root / "exp"
        self.text = LMText(self.exp / "lm_text")
        write_tokens(root / "tokens.txt")
        for name in ("train", "dev", "test"):
            write_text(root / name)
        self.stage_3()
        for name in MODELS:
            self.train(name)
        for folder in (*MODELS, "no_lm"):
            self.decode(folder)

    def stage_3(self):
        words = ["--output_dir", str(self.text.folder), "--token_list"]
        words += [f"{self.root}/tokens.txt", "--train_text", f"{self.root}/train"]
        words += ["--valid_text", f"{self.root}/dev", "--test_text"]
        words += [f"{name}={self.root}/test" for name in ("test", "other")]
        assert lm_text.main(words) == 0

    def train(self, name, weights="", **config):
        """Train a model and measure it, as stages 4, 5 and 6 do."""
        row, keep, step, source = MODELS[name]
        folder = self.exp / name
        shutil.rmtree(folder, ignore_errors=True)
        digest = source and file_checksum(self.exp / source / "x.pth")
        content = {"lm": "transformer", **config, **self.text.config()}
        fields = {}
        if row != "dense":
            (self.root / f"{row}.yaml").write_text(yaml.safe_dump(ROWS[row]))
            fields = asdict(read_row(self.root / f"{row}.yaml"))
        request = LMRequest(content, self.text.options(), fields, step, digest)

        def trainer(task, cmd):
            (folder / "x.pth").write_text(f"{name} {digest} {weights}")
            (folder / "config.yaml").write_text("lm: transformer\n")

        with use_trainer(trainer):
            with trained(folder, Training("a:B", request, request.options)):
                pass
        method = ROWS[row]["method"] if row in ROWS else row
        cost = LMCost(1, 1, 1.0)
        LMRecord(
            *(row, method, "", "", "", keep, 3, True, "x.pth", 1, cost, cost)
        ).write(folder)
        self.measure(name)

    def measure(self, name):
        sets = {
            one: SetFigures(2.0, ["u1", "u2"], [1.0, 2.0], [2, 3])
            for one in ("valid", "test", "other")
        }
        made_of = measured_from(self.exp / name, self.text, list(sets))
        Measured(sets, None, 9, made_of=made_of).write(self.exp / name)

    def decode(self, name, **changes):
        """Write what stage 7 leaves."""
        folder = self.exp / name
        facts = {"recogniser": "1" * 64, "config": "2" * 64, "audio": "a"}
        facts |= {"lm": None, "reference": "3" * 64, "test_set": "test", "beam": 2}
        facts |= changes
        if name != "no_lm":
            facts["lm"] = file_checksum(folder / "x.pth")
        scored = {"inputs": {"reference": facts.pop("reference")}}
        found = Decoded(
            *("asr", facts.pop("beam"), 0.5, {"0.5": 9.0}, 9.0, (8.0, 10.0)),
            *(facts.pop("test_set"), "decode/test/score.json"),
        )
        found.write(folder)
        write_json(folder / "decode/test/decoded.json", facts)
        write_json(folder / "decode/test/scored.json", scored)

    def left(self, text=True):
        """Return the models that stages 6 and 7 take."""
        args = argparse.Namespace(exp_dir=self.exp, seeds=[], text_dir=None)
        if text:
            args.text_dir = self.text.folder
        return [path.name for path in chosen_models(args)]

    def report(self, *options):
        """Run stage 8; return its table, or None if it refuses."""
        words = ["--exp_dir", str(self.exp), "--text_dir", str(self.text.folder)]
        words += ["--markdown", f"{self.root}/R.md", "--results_json"]
        if lm_report.main([*words, f"{self.root}/r.json", *options]) != 0:
            return None
        return (self.root / "R.md").read_text()


@pytest.fixture
def recipe(tmp_path):
    return Recipe(tmp_path)


def other_text(name):
    def change(recipe):
        write_text(recipe.root / name, {"u1": "A BAD BED", "u2": "FED"})
        recipe.stage_3()

    return change


def dense_again(recipe):
    recipe.train("lm_dense_s3", max_epoch=9, weights="others")
    recipe.decode("lm_dense_s3")


def step_again(recipe):
    recipe.train("lm_cut_k70_s3", weights="others")
    recipe.decode("lm_cut_k70_s3")


def all_again(recipe):
    for name in MODELS:
        recipe.train(name, weights="others")
        recipe.decode(name)


def comment_in_a_configuration(recipe):
    path = recipe.exp / "lm_dense_s3/config.yaml"
    path.write_text(f"# mine\n{path.read_text()}")


def without_inputs(recipe):
    """Records as earlier versions wrote them."""
    for path in recipe.exp.glob("*/request.json"):
        content = json.loads(path.read_text())
        del content["inputs"]
        path.write_text(json.dumps(content))


def without_inputs_and_dense_again(recipe):
    without_inputs(recipe)
    dense_again(recipe)


def damaged_request(recipe):
    (recipe.exp / "lm_more_s3/request.json").write_text("")


def moved(recipe):
    shutil.move(recipe.exp, recipe.root / "moved")
    recipe.exp = recipe.root / "moved"
    recipe.text = LMText(recipe.exp / "lm_text")


ALL = [*MODELS]
TABLE = {
    "nothing": (lambda recipe: None, []),
    "the dense model": (dense_again, MADE),
    "a step of a row": (step_again, ["lm_cut_k40_s3", "lm_scratch_k40_s3"]),
    "all models": (all_again, []),
    "the text of training": (other_text("train"), ALL),
    "the text of dev": (other_text("dev"), ALL),
    "a comment": (comment_in_a_configuration, []),
    "records of an earlier version": (without_inputs, []),
    "the same, and the dense model": (without_inputs_and_dense_again, MADE),
    "an empty record": (damaged_request, []),
    "where the experiments lie": (moved, []),
}


@pytest.mark.parametrize("what", TABLE)
def test_each_input_changed_once(recipe, what, caplog):
    change, left_out = TABLE[what]
    change(recipe)
    kept = [name for name in MODELS if name not in left_out]
    if not kept:
        with pytest.raises(UserError, match="no language model is left: .*was .*, is"):
            recipe.left()
        assert recipe.report() is None
        assert sorted(recipe.left(text=False)) == sorted(MODELS)
        return
    assert sorted(recipe.left()) == sorted(kept)
    for name in left_out:
        assert f"{name} is left out: " in caplog.text
    table = recipe.report()
    assert [one for one in MODELS if f"* {one}: " in table] == [
        one for one in MODELS if one in left_out
    ]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if "|" in line]
    assert rows.count("cut") == sum(name in kept for name in CUT)


def test_the_first_difference_and_the_way_out(recipe):
    before = file_checksum(recipe.exp / "lm_dense_s3/x.pth")[:12]
    dense_again(recipe)
    now = file_checksum(recipe.exp / "lm_dense_s3/x.pth")[:12]
    table = recipe.report()
    said = f"another {recipe.exp}/lm_dense_s3: checkpoint (was {before}, is {now})"
    assert f"* lm_cut_k70_s3: it was made from {said}" in table
    assert "delete the folder and run stage 5 again" in table
    assert "* lm_scratch_k40_s3: " in table


def stage_7_again(**changes):
    def change(recipe):
        recipe.decode("lm_cut_k40_s3", **changes)

    return change


def weights_after_stage_7(recipe):
    path = recipe.exp / "lm_more_s3/x.pth"
    path.write_text("others")
    recipe.measure("lm_more_s3")


def weights_after_stage_6(recipe):
    path = recipe.exp / "lm_more_s3/x.pth"
    path.write_text("others")
    recipe.decode("lm_more_s3")


@pytest.mark.parametrize(
    "change, said",
    [
        (other_text("test"), "perplexities are of other inputs: test (was "),
        (weights_after_stage_6, "perplexities are of other inputs: checkpoint (was "),
        (weights_after_stage_7, "error rates are those of another model: checkpoint "),
        (stage_7_again(recogniser="9" * 64), "not decoded alike: recogniser is 9999"),
        (stage_7_again(config="9" * 64), "not decoded alike: config is 9999"),
        (stage_7_again(audio="b"), "not decoded alike: audio is b and a"),
        (stage_7_again(beam=9), "not decoded alike: beam is 9 and 2"),
        (stage_7_again(reference="9" * 64), "not decoded alike: transcripts is 9999"),
        (stage_7_again(test_set="other"), "are those of the set other, not of test"),
    ],
)
def test_figures_of_stages_6_and_7_that_do_not_fit(recipe, caplog, change, said):
    change(recipe)
    caplog.clear()
    assert recipe.report() is None
    assert said in caplog.text and "again, with all --seeds" in caplog.text


def test_the_table_of_another_set(recipe, caplog):
    """Stage 6 measures all sets, but stage 7 decodes one."""
    assert recipe.report("--test_set", "other") is None
    assert "error rates are those of the set test, not of other" in caplog.text


def test_a_record_of_stage_6_of_an_earlier_version(recipe):
    folder = recipe.exp / "lm_more_s3"
    replace(Measured.read(folder), made_of={}).write(folder)
    other_text("test")(recipe)
    for name in MODELS:
        if name != "lm_more_s3":
            recipe.measure(name)
    assert "| more |" in recipe.report()

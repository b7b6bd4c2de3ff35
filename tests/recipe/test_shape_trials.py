"""Trials of shapes for a budget: which are made, which wins, what is written down."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from espnet_plugin.bin import shapes as command
from espnet_plugin.errors import UserError
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.estimate.candidates import list_shapes
from espnet_plugin.jobs.trainer import use_trainer
from espnet_plugin.recipe.chosen_shapes import (
    Trial,
    TrialRule,
    chosen_sizes,
    find_chosen,
    read_chosen,
)
from espnet_plugin.recipe.shape_trials import best_trial, choose_shapes
from espnet_plugin.shape import Shape


class Trainer:
    """Leaves a log as ESPnet writes it; better, the deeper the model is."""

    def __init__(self, error=0.9):
        self.made, self.error, self.fail = [], error, "nothing"

    def __call__(self, task, cmd):
        folder = Path(cmd[cmd.index("--output_dir") + 1])
        layers = int(cmd[cmd.index("--student_num_layers") + 1])
        if self.fail in str(folder):
            raise KeyboardInterrupt
        self.made.append(folder.name)
        epochs = int(cmd[len(cmd) - cmd[::-1].index("--max_epoch")])
        lines = [
            f"{epoch}epoch results: [train] loss=9, time=3 seconds, [valid] "
            f"loss=5, cer_ctc={self.error / layers + 0.1 / epoch}, loss_ctc={layers}, "
            "time=1 second\n"
            for epoch in range(1, epochs + 1)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train.log").write_text("".join(lines))
        (folder / "cost.json").write_text('{"train_seconds": 3.0}')


def _depths_below(limit, candidates):
    """How many depths there are among those that use 90 % of a limit."""
    fitting = [c for c in candidates if 0.9 * limit <= c.params <= limit]
    return len({c.shape.layers for c in fitting})


@pytest.fixture
def trials(tiny_asr_model, tmp_path):
    """Choose shapes of the tiny reference, made wide enough to have several."""
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config["encoder_conf"].update(num_blocks=5, output_size=32)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "encrl.yaml").write_text("max_epoch: 9\n")
    options = ["--reference_config", str(tmp_path / "config.yaml"), "--ngpu", "0"]

    counted = list_shapes(config, {}, len(config["token_list"]))
    several = [one.params for one in counted if _depths_below(one.params, counted) > 1]
    both = f"{max(several)} {min(several)}"

    def choose(trainer, budgets=both, number=2, epochs=2, more=()):
        limits = tuple(map(Budget.parse, budgets.split()))
        rule = TrialRule(limits, number, epochs)
        with use_trainer(trainer):
            made = choose_shapes(
                tmp_path / "out",
                rule,
                tmp_path / "encrl.yaml",
                [*options, *more],
                config,
                seed=1,
            )
        return rule, made, tmp_path / "out/shapes.json"

    return choose


def test_the_best_on_dev_is_written_down(trials):
    trainer = Trainer()
    rule, choices, file = trials(trainer)
    content = json.loads(file.read_text())
    assert (content["trials"], content["trial_epochs"]) == (2, 2)
    for choice, entry in zip(choices, content["budgets"]):
        limit = choice.budget.amount
        assert all(0.9 * limit <= trial.params <= limit for trial in choice.tried)
        deepest = max(choice.tried, key=lambda one: Shape.parse(one.size).layers)
        assert choice.chosen == entry["chosen"] == deepest.size
        layers = Shape.parse(deepest.size).layers
        # The lower of the two epochs.
        assert deepest.dev_cer == pytest.approx(100 * (0.9 / layers + 0.05))
        assert (deepest.dev_loss, deepest.train_seconds) == (layers, 3.0)
        assert entry["by"] == "character error rate on dev"
        assert {t["size"] for t in entry["tried"]} <= set(entry["candidates"])
    assert read_chosen(file, rule) == tuple(choices)
    sizes = chosen_sizes(choices)
    assert set(sizes) == {Shape.parse(one.chosen) for one in choices}
    assert len(set(sizes)) == len(sizes)
    for one in choices:
        line = one.in_words()
        assert line.startswith(f"{one.budget.text}: {one.chosen}, by the character")
        best = next(trial for trial in one.tried if trial.size == one.chosen)
        assert f"{one.chosen} {best.dev_cer:.1f} %" in line


def test_what_is_finished_is_not_repeated_and_what_was_stopped_is(trials):
    trainer = Trainer()
    _, choices, file = trials(trainer)
    made, text = list(trainer.made), file.read_text()
    assert len(made) == len({t.folder for c in choices for t in c.tried}) > 1
    trials(trainer)
    assert trainer.made == made and file.read_text() == text
    # Other epochs are other trials; one is interrupted, and made the next time alone.
    again = Trainer()
    again.fail = made[-1].replace("_e2", "_e1")
    with pytest.raises(KeyboardInterrupt):
        trials(again, epochs=1)
    before = list(again.made)
    again.fail = "nothing"
    trials(again, epochs=1)
    assert again.made[len(before) :] == [made[-1].replace("_e2", "_e1")]


def test_a_wrong_budget_costs_no_training(trials):
    trainer = Trainer()
    with pytest.raises(UserError, match="--budget 1k: no shape"):
        trials(trainer, "1k")
    assert not trainer.made


@pytest.mark.parametrize(
    ("conf", "more"),
    [
        ({"objectives": {"clip": {}}}, []),
        ({"objectives": {"kl": {}, "clip": {}}}, ["--objectives", "clip"]),
    ],
)
def test_an_untrained_ctc_layer_decides_nothing(trials, tmp_path, conf, more):
    trainer = Trainer()
    (tmp_path / "encrl.yaml").write_text(yaml.safe_dump({"model_conf": conf}))
    with pytest.raises(UserError, match="--objectives clip: does not train"):
        trials(trainer, more=more)
    assert not trainer.made
    # CTC in the same steps trains it.
    conf = {"model_conf": {**conf, "ctc_loss_weight": 1.0}}
    (tmp_path / "encrl.yaml").write_text(yaml.safe_dump(conf))
    trials(trainer, more=more)
    assert trainer.made


def trial(size, dev_cer, dev_loss):
    return Trial(size, 1, 1.0, dev_cer, dev_loss, 1.0, f"encrl_{size}")


def test_the_loss_decides_where_nothing_is_recognised():
    worse, better = trial("4x8", 97.0, 50.0), trial("2x24", 99.0, 40.0)
    assert best_trial([worse, better]) == (better, "loss on dev")
    learnt = trial("3x16", 89.0, 60.0)
    assert best_trial([worse, better, learnt])[0] == learnt
    # Without transcripts there is only the loss.
    unlabelled = trial("4x8", None, 3.0), trial("2x24", None, 2.0)
    assert best_trial(unlabelled)[0] == unlabelled[1]
    equal = trial("4x8", 20.0, 2.0), trial("2x24", 20.0, 1.0)
    assert best_trial(equal)[0] == equal[0]
    with pytest.raises(UserError, match="encrl_4x8 have no loss on dev"):
        best_trial([trial("4x8", None, None)])


def test_the_recipe_reads_what_was_chosen(trials):
    rule, choices, file = trials(Trainer())
    texts = [budget.text for budget in rule.budgets]
    one_alone = f"--budget {' '.join(texts)}, not {texts[0]}"
    assert find_chosen(file, rule) == tuple(choices)
    for changed, said in (
        (replace(rule, budgets=rule.budgets[:1]), one_alone),
        (replace(rule, trials=3), "--trials 2, not 3"),
        (replace(rule, epochs=1), "--trial_epochs 2, not 1"),
    ):
        with pytest.raises(UserError, match=re.escape(f"made with {said}")):
            read_chosen(file, changed)
        assert find_chosen(file, changed) is None
    file.unlink()
    with pytest.raises(UserError, match=r"run that first \(--stage 5\)"):
        read_chosen(file, rule)
    assert find_chosen(file, rule) is None


def test_candidates_are_printed(tiny_asr_model, capsys, caplog):
    assert command.main(["--reference", str(tiny_asr_model.dir)]) == 2
    assert "--budget is needed" in caplog.text
    asked = ["--reference_config", str(tiny_asr_model.config), "--budget"]
    assert command.main([*asked, "15k", "1GMAC/s"]) == 2
    assert "1GMAC/s: no shape" in caplog.text
    assert command.main([*asked, "15k", "--encrl_config", "no.yaml"]) == 2
    assert "--encrl_config no.yaml is missing" in caplog.text
    assert not capsys.readouterr().out
    assert command.main([*asked, "15k"]) == 0
    title, header, *lines = capsys.readouterr().out.splitlines()
    assert title == "15k:" and header.split()[:2] == ["layers", "width"]
    # The whole reference, whose tensors can be counted; buffers are no parameters.
    state = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    kept = ("encoder.", "ctc.")
    params = sum(
        value.numel()
        for name, value in state.items()
        if name.startswith(kept) and "running" not in name and "num_batches" not in name
    )
    assert [line.split()[:3] for line in lines] == [["3", "16", f"{params / 1e6:.3f}"]]

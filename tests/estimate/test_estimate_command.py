"""The dry run's command: what it reads, assumes and prints."""

import re
from pathlib import Path

import pytest
import soundfile
import torch
import yaml

from espnet_plugin.bin import estimate as command
from espnet_plugin.errors import UserError
from espnet_plugin.estimate.arithmetic import estimate
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.estimate.device_speed import find_speed
from espnet_plugin.estimate.sets import read_lengths
from espnet_plugin.recipe.chosen_shapes import Choice, TrialRule, write_chosen
from espnet_plugin.shape import Shape

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"


def options(**more):
    given = {
        "reference_config": CONF / "tiny_reference.yaml",
        "encrl_config": CONF / "tiny_encrl.yaml",
        "finetune_config": CONF / "tiny_ctc.yaml",
        "baseline_dir": CONF / "baselines",
        "flops_per_second": 1e9,
        "token_type": "char",
        **more,
    }
    return [w for k, v in given.items() for w in (f"--{k}", *str(v).split())]


def test_the_command(tmp_path, capsys, caplog):
    lengths = tmp_path / "utt2num_samples"
    lengths.write_text("".join(f"u{i} 160000\n" for i in range(36)))
    # Where stage 2 is finished, the corpus is known: 36 times 10 s.
    cmd = options(lengths=lengths, sizes="2 1", baselines="scratch", stop_stage=8)
    with caplog.at_level("INFO"):
        assert command.main(cmd) == 0
    # What ESPnet says of each model that is built does not belong here.
    assert [one.getMessage().split()[0] for one in caplog.records] == ["counting"]
    printed = capsys.readouterr().out
    assert "0.1 h of training audio" in printed and "utterances of 10 s" in printed
    for stage in range(2, 9):
        assert f"\n {stage} " in printed
    assert "nothing is started" in printed and "0.001 TFLOP/s" in printed
    assert list(tmp_path.iterdir()) == [lengths]


@pytest.mark.parametrize(
    "lines, says",
    [
        ("u1 abc\n", "line 1, 'u1 abc': must be an utterance and its number of samp"),
        ("u1 160000\nu2 -5\n", "line 2, 'u2 -5'"),
        ("u1 0\n", "line 1, 'u1 0'"),
        ("u1\n", "line 1, 'u1'"),
        ("", "is empty"),
        (None, "is missing"),
    ],
)
def test_lengths_that_cannot_be_read(tmp_path, caplog, lines, says):
    """They were ignored, and something else was estimated."""
    lengths = tmp_path / "lengths"
    if lines is not None:
        lengths.write_text(lines)
    cmd = options(lengths=lengths, corpus_hours=5, sizes="2 1")
    assert command.main(cmd) == 2
    assert f"--lengths {lengths}" in caplog.text and says in caplog.text


@pytest.mark.parametrize("option", ["segments", "reference"])
def test_files_that_options_name(tmp_path, caplog, option):
    path = tmp_path / "file"
    says = "is missing"
    if option == "reference":
        path.touch()
        says = "is a file: give its folder"
    cmd = options(corpus_hours=5, sizes="2 1", **{option: path})
    assert command.main(cmd) == 2
    assert f"--{option} {path}" in caplog.text and says in caplog.text


@pytest.mark.parametrize(
    "content, says",
    [
        ('{"flops": 5}', "train_seconds None: must be above 0"),
        ('{"flops": 5, "train_seconds": 0}', "train_seconds 0: must"),
        ('{"flops": "x", "train_seconds": 1}', "flops 'x': must be"),
        ("[1]", "flops None: must be above 0"),
    ],
)
def test_a_speed_from_a_wrong_file(tmp_path, content, says):
    path = tmp_path / "cost.json"
    path.write_text('{"flops": 6, "teacher_flops": 2, "train_seconds": 4}')
    assert find_speed(None, path, False, float).flops_per_second == 2
    path.write_text(content)
    with pytest.raises(UserError, match=f"--speed_from {path}: {says}"):
        find_speed(None, path, False, float)


def test_a_table_of_lengths_of_any_name(tmp_path):
    lengths = tmp_path / "lengths"
    lengths.write_text("u1 160000\nu2 320000\n")
    size = read_lengths(lengths, 16000)
    assert (size.hours, size.utterances) == (30 / 3600, 2)


def test_the_commands_fine_tuning():
    def hours(**more):
        cmd = options(corpus_hours=1, sizes="2 1", finetune_epochs=3, **more)
        made, corpus, hardware, _ = command.plan(command.get_parser().parse_args(cmd))
        return {c.stage: c.hours for c in estimate(corpus, hardware, made)}, made

    each, made = hours()
    together, shared = hours(finetune="together", finetune_alone="1:2")
    two, one = (made.models[name] for name in ("2 layers", "1 layer"))
    assert made.finetuned == [(two, 3), (one, 3)]
    assert shared.finetuned == [(two, 3), (one, 2)]
    assert together[6] < each[6] and together[5] == each[5]
    alone, made = hours(alone="1", alone_epochs=4)
    assert made.alone == [(one, 4)] and made.student == two
    frozen, made = hours(freeze="encoder.embed")
    assert frozen[5] < each[5] and frozen[6] < each[6] and frozen[8] == each[8]
    with pytest.raises(
        UserError, match=r"--freeze encoder.embde: .*mean encoder\.embed\?"
    ):
        hours(freeze="encoder.embde")


def planned_corpus(capsys, **more):
    """Return the corpus of a plan, and the lines of its assumptions."""
    cmd = options(sizes="2 1", **more)
    _, corpus, _, words = command.plan(command.get_parser().parse_args(cmd))
    return corpus, "\n".join(words)


def test_sets_are_read_where_they_are(tmp_path, capsys):
    dump, data = tmp_path / "dump/raw", tmp_path / "data"
    for folder in (dump / "train_sp", dump / "dev", data / "test", data / "cut"):
        folder.mkdir(parents=True)
    given = {"dump_dir": dump, "data_dir": data, "train_set": "train"}
    given |= {"dump_train_set": "train_sp", "eval_sets": "dev test cut"}
    given |= {"corpus_hours": 50, "speed_perturb_factors": "0.5"}
    (dump / "dev/utt2num_samples").write_text("a 16000\nb 32000\n")  # 3 s
    (data / "cut/segments").write_text("a r 0.5 2.5\nb r 2.5 6.5\n")  # 6 s
    # 300 files of which 200 or fewer are opened; all have the same length.
    torch.manual_seed(0)
    soundfile.write(data / "one.wav", torch.zeros(8000).numpy(), 8000)  # 1 s
    lines = [f"u{n} {data}/one.wav\n" for n in range(300)]
    (data / "test/wav.scp").write_text("".join(lines))
    corpus, said = planned_corpus(capsys, **given)
    assert corpus.eval_hours == pytest.approx((3 + 6 + 300) / 3600)
    assert corpus.hours == 50 and "50 h of training audio (--corpus_hours" in said
    assert "150 of the 300 files" in said and "assumed for" not in said
    # One that is not there is assumed, and named; of a small corpus it is small.
    given |= {"eval_sets": "dev nowhere", "corpus_hours": 2}
    corpus, said = planned_corpus(capsys, **given)
    assert corpus.eval_hours == pytest.approx(2 + 3 / 3600)
    given["corpus_hours"] = 50
    given["eval_sets"] = "dev nowhere"
    corpus, said = planned_corpus(capsys, **given)
    assert corpus.eval_hours == pytest.approx(5 + 3 / 3600)
    assert "5 h assumed" in said and "nowhere" in said
    given["eval_hours"] = 7
    assert planned_corpus(capsys, **given)[0].eval_hours == 7
    # As they are, 1 h and 2 h at half the speed: an hour of audio.
    lengths = "".join(f"u{n} {3600 * 16000}\n" for n in range(3))
    (dump / "train_sp/utt2num_samples").write_text(lengths)
    corpus, said = planned_corpus(capsys, **given)
    assert corpus.hours == pytest.approx(1) and corpus.epoch_hours == pytest.approx(3)
    assert f"1 h of training audio ({dump}/train_sp/utt2num_samples)" in said


def test_gpus_of_all_nodes_count():
    cmd = options(corpus_hours=1, sizes="2 1", ngpu=4, num_nodes=3)
    _, _, hardware, words = command.plan(command.get_parser().parse_args(cmd))
    assert hardware.devices == 12 and "12 GPUs" in "\n".join(words)


def test_finished_stages_cost_nothing(capsys):
    totals = []
    for finished in ((), (2, 5, 6)):
        more = {"finished": " ".join(map(str, finished))} if finished else {}
        cmd = options(corpus_hours=30, sizes="2 1", stop_stage=7, eval_hours=1, **more)
        assert command.main(cmd) == 0
        lines = capsys.readouterr().out.splitlines()
        rows = {int(one.split()[0]): one for one in lines if re.match(r" ?\d ", one)}
        assert {n for n in rows if rows[n].endswith(" finished")} == set(finished)
        totals.append(next(one for one in lines if "in total" in one))
    made, corpus, hardware, _ = command.plan(
        command.get_parser().parse_args(
            options(corpus_hours=30, sizes="2 1", eval_hours=1)
        )
    )
    costs = {cost.stage: cost for cost in estimate(corpus, hardware, made)}
    left = sum(costs[n].hours for n in (3, 4, 7))
    everything = sum(costs[n].hours for n in range(2, 8))
    for total, hours in zip(totals, (everything, left)):
        number, unit = re.search(r"([\d.]+) (s|min|h|days) ", total).groups()
        seconds = {"s": 1, "min": 60, "h": 3600, "days": 86400}[unit]
        assert float(number) * seconds == pytest.approx(hours * 3600, rel=0.006)


def test_a_budget_of_the_command(tmp_path):
    config = yaml.safe_load((CONF / "tiny_reference.yaml").read_text())
    config["encoder_conf"].update(num_blocks=6, output_size=48)
    wide = tmp_path / "wide.yaml"
    wide.write_text(yaml.safe_dump(config))

    def planned(**more):
        given = {"corpus_hours": 1, "budget": "90k 52k", "trials": 2, **more}
        given["reference_config"] = wide
        # What is said of the recipe's own sizes does not count.
        cmd = options(**given, alone="1", finetune_alone="1:3", encrl_layers=99)
        return command.plan(command.get_parser().parse_args(cmd))

    made, corpus, hardware, words = planned()
    sizes = [Shape.parse(name.split()[0]) for name in made.models]
    assert f"for each limit: {' '.join(map(str, sizes))}" in words[-1]
    assert len(made.trials) > len(sizes) == 2
    for limit, model in zip((90e3, 52e3), made.models.values()):
        assert 0.9 * limit <= model.params <= limit
        tried = [m for m, _ in made.trials if 0.9 * limit <= m.params <= limit]
        assert model.forward == max(m.forward for m in tried)
    assert {epochs for _, epochs in made.trials} == {1}
    longer, *_ = planned(trial_epochs=3)
    assert {epochs for _, epochs in longer.trials} == {3}
    # What stage 5 has chosen is counted instead, if it is of this budget.
    rule = TrialRule((Budget.parse("90k"), Budget.parse("52k")), 2, 1)
    small = str(min(sizes, key=lambda one: one.layers))
    choices = [Choice(one, (small,), (), small, "loss on dev") for one in rule.budgets]
    write_chosen(tmp_path / "shapes.json", rule, choices)
    known, *_, words = planned(chosen=tmp_path / "shapes.json")
    assert list(known.models) == [f"{small} layers"] and not known.trials
    assert f"sizes as in {tmp_path / 'shapes.json'}" in words
    other, *_ = planned(chosen=tmp_path / "shapes.json", trials=3)
    assert len(other.models) == 2 and other.trials


def test_baselines_that_train_nothing_cost_no_epochs():
    def stage_8(*names, **more):
        cmd = options(corpus_hours=1, sizes="2 1", baselines=" ".join(names), **more)
        made, corpus, hardware, _ = command.plan(command.get_parser().parse_args(cmd))
        return next(c for c in estimate(corpus, hardware, made) if c.stage == 8), made

    # The epochs are those of the command line, which say nothing of these either.
    cut, made = stage_8("layer_cut", "magnitude_once", baseline_epochs=4)
    assert cut.hours == 0 and made.num_baselines == 0 and made.num_untrained == 2
    params = sum(model.params for model in made.models.values())
    assert cut.num_bytes == 2 * 4 * params and "2 untrained" in cut.name
    trained, made = stage_8("scratch", baseline_epochs=4)
    assert made.baseline_epochs == 4 and trained.hours > 0
    both, made = stage_8("scratch", "layer_cut", baseline_epochs=4)
    assert both.hours == trained.hours and made.num_untrained == 1
    # Epochs by size, as scratch.yaml says them: 7 for 6 layers, 9 for 2, else the
    # training's.
    config = yaml.safe_load((CONF / "train_ctc.yaml").read_text())
    _, made = stage_8("scratch")
    assert made.baseline_epochs == (9 + config["max_epoch"]) / 2


@pytest.mark.parametrize(
    "more, named",
    [
        ({"data_dir": "/nowhere"}, "--corpus_hours"),
        ({"corpus_hours": 1, "reference": "/nowhere"}, "--reference /nowhere"),
        ({"corpus_hours": 1, "encrl_config": "/nowhere.yaml"}, "--encrl_config"),
        ({"corpus_hours": 1, "baselines": "nothing"}, "nothing.yaml"),
        ({"corpus_hours": 1, "stage": 5, "stop_stage": 4}, "--stop_stage 4"),
    ],
)
def test_what_is_missing_is_named(more, named, caplog):
    assert command.main(options(**more)) == 2
    assert named in caplog.text

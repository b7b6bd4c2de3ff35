"""An option's name cannot be shortened, in any command and in ESPnet's trainings."""

import importlib
import pkgutil

import pytest

from espnet_plugin import bin as commands
from espnet_plugin.bin import check_options
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.dual_mode_ssl import DualModeSSLTask
from espnet_plugin.tasks.lm import CountedLMTask

MODULES = [
    module.name
    for module in pkgutil.iter_modules(commands.__path__)
    if hasattr(importlib.import_module(f"{commands.__name__}.{module.name}"), "main")
]


def refusal(parser, words, capsys):
    """Return what a parser says of words, which it must refuse."""
    for action in parser._actions:
        action.required = False
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", MODULES)
def test_no_command_takes_a_shortened_name(name, capsys):
    module = importlib.import_module(f"{commands.__name__}.{name}")
    if not hasattr(module, "get_parser"):
        assert name == "recipe" or name == "recipe_jobs"  # those have no argparse
        return
    parser = module.get_parser()
    names = {n for a in parser._actions for n in a.option_strings if n[:2] == "--"}
    tried = 0
    for one in sorted(names - {"--help"})[:60]:
        short = one[:-1]
        if short in names or len(short) < 5:
            continue
        said = refusal(parser, [short, "1"], capsys)
        assert f"unknown option {short}" in said and "did you mean --" in said
        tried += 1
    assert tried or len(names) < 4


@pytest.mark.parametrize("task", [CountedASRTask, CountedLMTask, DualModeSSLTask])
def test_no_training_takes_a_shortened_name(task, capsys):
    said = refusal(task.get_parser(), ["--max_ep", "3"], capsys)
    assert "unknown option --max_ep 3; did you mean --max_epoch?" in said


@pytest.mark.parametrize(
    "option, command, words, said",
    [
        ("encrl_args", "encrl_train", "--max_epok 3", "did you mean --max_epoch?"),
        ("encrl_args", "encrl_train", "--student_lay 1", "--student_layers?"),
        ("finetune_args", "train_models", "--accum_grad x", "--accum_grad: invalid"),
        ("train_args", "dual_mode_train", "--batch_binz 9", "--batch_bins?"),
        ("export_opts", "export", "--int", "did you mean --int8?"),
        ("export_opts", "export", "--dtype 7", "unknown option --dtype"),
        ("report_opts", "report", "--compair 1 2", "did you mean --compare?"),
    ],
)
def test_what_a_recipe_passes_on(option, command, words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        check_options.main([option, command, "--", *words.split()])
    message = capsys.readouterr().err
    assert ended.value.code == 2
    assert message.startswith(f"--{option}: ") and said in message
    assert f"(see python -m espnet_plugin.bin.{command} --help)" in message


@pytest.mark.parametrize(
    "command, words",
    [
        ("encrl_train", "--batch_bins 300000 --student_layers 0 2"),
        ("encrl_train", "--student_encoder_conf input_layer=conv2d6"),
        ("train_models", "--accum_grad 2"),
        ("export", "--int8"),
        ("report", "--compare a b"),
    ],
)
def test_right_words_pass(command, words):
    assert check_options.main(["x", command, "--", *words.split()]) == 0

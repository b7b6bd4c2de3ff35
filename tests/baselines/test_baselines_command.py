"""The command for several baselines: its checks before training, and its list."""

from pathlib import Path

import pytest

from espnet_plugin.bin import baselines as command


def test_names_on_the_command_line(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("method: scratch")
    path = str(tmp_path / "a.yaml")
    options = ["--reference_config", "none"]
    assert command.main(["--baselines", path, f"{path}x", *options]) != 0
    assert command.main(["--baselines", path, path, *options]) != 0


def test_a_learning_rate_of_nothing_is_refused(tmp_path, capsys):
    options = ["--baselines", "a.yaml", "--reference_config", "none"]
    for rate in ("0", "-1", "nan", "inf"):
        with pytest.raises(SystemExit):
            command.main([*options, "--max_lr", rate])
        assert f"'{rate}': must be a number above 0" in capsys.readouterr().err


def test_the_list_has_the_models_of_this_call_alone(
    tiny_asr_model, tmp_path, trainer, write
):
    one = write("one", method="scratch")
    two = one, write("two", method="scratch", variant="other")
    config, exp = tiny_asr_model.config, tmp_path / "exp"
    options = ["--reference_config", str(config), "--exp_dir", str(exp)]
    for number, sizes in ((0, ["2", "1"]), (1, ["1"])):
        options[4:] = ["--list", str(tmp_path / f"list{number}"), "--sizes", *sizes]
        assert command.main([*options, "--baselines", *map(str, two)]) == 0
    names = [
        [Path(line).name for line in (tmp_path / f"list{n}").read_text().splitlines()]
        for n in (0, 1)
    ]
    assert names[0] == [
        "asr_one_s1_2l",
        "asr_one_s1_1l",
        "asr_two_s1_2l",
        "asr_two_s1_1l",
    ]
    assert names[1] == ["asr_one_s1_1l", "asr_two_s1_1l"]


def test_other_settings_need_a_file_of_another_name(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    """A learning rate is not in the folder's name; the message says what is."""
    recipe = write("one", method="scratch")
    options = ["--reference_config", str(tiny_asr_model.config), "--sizes", "1"]
    options += ["--exp_dir", str(tmp_path / "exp"), "--baselines"]
    assert command.main([*options, str(recipe)]) == 0
    assert command.main([*options, str(recipe), "--max_lr", "0.5"]) != 0
    assert list(trainer.asked) == ["asr_one_s1_1l"]
    assert "asr_one_s1_1l holds a result with different inputs: " in caplog.text
    assert "optim_conf.lr (was not given, is 0.5)" in caplog.text
    assert "copy the baseline's file under another name in --baseline_dir" in (
        caplog.text
    )
    copy = write("two", method="scratch", variant="fast")
    assert command.main([*options, str(copy), "--max_lr", "0.5"]) == 0
    assert list(trainer.asked) == ["asr_one_s1_1l", "asr_two_s1_1l"]


def test_all_files_are_read_before_the_first_training(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    options = ["--reference_config", str(tiny_asr_model.config), "--sizes", "1"]
    options += ["--exp_dir", str(tmp_path / "exp"), "--baselines"]
    good = str(write("one", method="scratch"))
    assert command.main([*options, good, str(write("bad", method="x"))]) == 2
    # A copy without a variant of its own could not be told from it in the tables.
    assert command.main([*options, good, str(write("two", method="scratch"))]) == 2
    assert "one.yaml and" in caplog.text and "two.yaml both have" in caplog.text
    assert not trainer.asked


def test_a_finished_model_of_the_same_row_is_noticed_before_training(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    options = ["--reference_config", str(tiny_asr_model.config), "--sizes", "2"]
    options += ["--exp_dir", str(tmp_path / "exp"), "--baselines"]
    assert command.main([*options, str(write("one", method="scratch"))]) == 0
    two = str(write("two", method="scratch"))
    assert command.main([*options, two]) == 2
    said = caplog.text
    assert "asr_two_s1_2l would be 'scratch' with 2 layers and seed 1" in said
    assert "asr_one_s1_2l already is" in said and f"give {two} a variant" in said
    assert list(trainer.asked) == ["asr_one_s1_2l"]
    # A learning rate, a seed or a size of its own is another row.
    for more in (["--max_lr", "0.5"], ["--seed", "2"]):
        assert command.main([*options, two, *more]) == 0
    # The file was replaced by one of another method under the same name.
    assert command.main([*options, str(write("one", method="layer_copy"))]) == 2
    assert "asr_one_s1_2l is a model of the method scratch, but layer_copy" in (
        caplog.text
    )
    assert list(trainer.asked) == ["asr_one_s1_2l", "asr_two_s1_2l", "asr_two_s2_2l"]

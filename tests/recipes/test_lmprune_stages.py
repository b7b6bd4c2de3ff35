"""lmprune.sh: the commands of its stages, and what is refused before any of them."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from this_python import write_path_sh

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.lmprune_checks import check_lmprune

ROOT = Path(__file__).parents[2]
RECOGNISER = (
    "{encoder: conformer, encoder_conf: {}, ctc_conf: {}, model_conf: {}, "
    "token_list: [<blank>, <unk>, A, <sos/eos>]}\n"
)
ROWS = (
    "cut_first_order_50 cut_magnitude_50 units_first_order_50 cut_first_order_25 "
    "cut_first_order_steps svd_50 svd_activations_50 svd_first_order_50 "
    "svd_activations_25 svd_activations_steps further_4 further_8 scratch_50 scratch_25"
)
CONFIG = "conf/lmprune/train_lm.yaml"
TUNE = "--fine_tuning_config conf/lmprune/fine_tune.yaml"


def files(rows):
    return " ".join(f"conf/lmprune/rows/{row}.yaml" for row in rows.split())


# Options, and the commands that the shell script of 28 November 2026 ran for them, but
# for the seeds of stages 6 and 7. In front of each: OMP_NUM_THREADS.
CALLS = {
    "as it is, without a recogniser": (
        ["--stage", "3", "--stop_stage", "6"],
        [
            "1 lm_text --output_dir exp/lm_text --token_list "
            "data/token_list/char/tokens.txt --token_type char --train_text "
            "data/train/text --valid_text data/dev/text --test_text "
            "test=data/test/text",
            f"1 lm_train --config {CONFIG} --text_dir exp/lm_text --exp_dir exp "
            "--seed 1",
            f"1 lm_compress --config {CONFIG} --text_dir exp/lm_text --exp_dir exp "
            f"--seed 1 {TUNE} --rows {files(ROWS)}",
            "1 lm_measure --exp_dir exp --text_dir exp/lm_text --speed false "
            "--seeds 1",
        ],
    ),
    "with a recogniser": (
        ["--stage", "7", "--asr_exp", "asr"],
        [
            "1 lm_decode --exp_dir exp --asr_exp asr --text_dir exp/lm_text "
            "--dump_dir dump/raw --dev_set dev --test_set test --lm_weights 0.2 0.4 "
            "0.6 --beam 10 --seeds 1",
            "1 lm_report --exp_dir exp --text_dir exp/lm_text --test_set test "
            "--markdown exp/lm_RESULTS.md --results_json exp/lm_results.json",
        ],
    ),
    "tokens of stage 2": (
        ["--stage", "3", "--stop_stage", "3", "--token_type", "bpe", "--nbpe", "50"]
        + ["--nlsyms", "sym.txt", "--test-sets", ""],
        [
            "1 lm_text --output_dir exp/lm_text --token_list "
            "data/token_list/bpe50/tokens.txt --token_type bpe --bpemodel "
            "data/token_list/bpe50/bpe.model --nlsyms sym.txt --train_text "
            "data/train/text --valid_text data/dev/text --test_text",
        ],
    ),
    "every option": (
        [
            "--stage",
            "3",
            "--seeds",
            "4 2",
            "--epochs",
            "3",
            "--rows",
            "svd_50 further_4",
        ]
        + ["--asr_exp", "asr", "--lm_weights", "0.1 1", "--beam", "4"]
        + ["--speed", "true", "--test_sets", "test other", "--valid_set", "org/dev"]
        + ["--train_set", "tr", "--expdir", "my exp", "--datadir", "d x"]
        + ["--dumpdir", "dmp", "--results", "R.md", "--results_json", "r.json"]
        + ["--num_threads", "3", "--lm_train_text", "book1 book2", "--nj", "3"],
        [
            "3 lm_text --output_dir my exp/lm_text --asr_exp asr --train_text "
            "d x/tr/text book1 book2 --valid_text d x/org/dev/text --test_text "
            "test=d x/test/text other=d x/other/text",
            *(
                line
                for seed in (4, 2)
                for training in (
                    f"--config {CONFIG} --text_dir my exp/lm_text --exp_dir my exp "
                    f"--seed {seed} --max_epoch 3",
                )
                for line in (
                    f"3 lm_train {training}",
                    f"3 lm_compress {training} {TUNE} --rows "
                    + files("svd_50 further_4"),
                )
            ),
            "3 lm_measure --exp_dir my exp --text_dir my exp/lm_text --speed true "
            "--seeds 4 2",
            "3 lm_decode --exp_dir my exp --asr_exp asr --text_dir my exp/lm_text "
            "--dump_dir dmp/raw --dev_set org/dev --test_set test --lm_weights 0.1 1 "
            "--beam 4 --seeds 4 2",
            "3 lm_report --exp_dir my exp --text_dir my exp/lm_text --test_set test "
            "--markdown R.md --results_json r.json",
        ],
    ),
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe whose Python only notes what it is to run."""
    folder = tmp_path_factory.mktemp("corpus") / "lmprune1"
    setup = ROOT / "egs2/TEMPLATE/lmprune1/setup.sh"
    subprocess.run([setup, folder], check=True, capture_output=True)
    write_path_sh(folder)
    note = folder / "note"
    note.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS $*" >> called.txt\n')
    note.chmod(0o755)
    (folder / "asr").mkdir()
    (folder / "asr/config.yaml").write_text(RECOGNISER)
    for name in ("book1", "book2"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("which", CALLS)
def test_the_commands_are_those_of_the_shell_script(recipe, which):
    options, expected = CALLS[which]
    (recipe / "called.txt").unlink(missing_ok=True)
    command = ["./run.sh", "--python", "./note", *options]
    done = subprocess.run(command, cwd=recipe, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    called = (recipe / "called.txt").read_text().splitlines()
    words = [line.replace("-m espnet_plugin.bin.", "", 1).rstrip() for line in called]
    configurations = [word for word in words if " check_configs " in f" {word}"]
    trains = any(word.split()[1] == "lm_train" for word in expected)
    assert len(configurations) == trains
    assert all("lm:--lm_config:" in one for one in configurations)
    assert [word for word in words if word not in configurations] == expected


def refused(*options):
    with pytest.raises(UserError) as error:
        check_lmprune(FAMILIES["lmprune"].read(options).values)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_wrong_options_are_refused_before_any_work(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(recipe)
    assert "--stop_stage 9" in refused("--stop_stage", "9")
    assert "--seeds 1 x: x must be" in refused("--seeds", "1 x")
    assert "--seeds" in refused("--seeds", "")
    assert "--lm_weights 0: 0 must be" in refused("--lm_weights", "0")
    assert "--beam 0" in refused("--beam", "0")
    assert "--asr_exp is not given, but stage 7 needs it" in refused()
    assert "--asr_exp none" in refused("--asr_exp", "none")
    without = tmp_path / "without"
    without.mkdir()
    content = {**yaml.safe_load(RECOGNISER), "token_list": None}
    (without / "config.yaml").write_text(yaml.safe_dump(content))
    assert "config.yaml: token_list is empty" in refused("--asr_exp", str(without))
    six = ("--stop_stage", "6")
    assert "no.txt is missing" in refused(*six, "--lm_train_text", "no.txt")
    assert "no.yaml is missing" in refused(*six, "--lm_config", "no.yaml")
    assert "no.yaml is missing" in refused(*six, "--fine_tuning_config", "no.yaml")
    assert "no_row.yaml is missing; there are cut_f" in refused(
        *six, "--rows", "no_row"
    )
    assert "--rows ''" in refused(*six, "--rows", "")
    assert "--test_sets ''" in refused("--stage", "8", "--test_sets", "")
    # What stages 3 and 8 do not look at may be missing.
    only = FAMILIES["lmprune"].read(["--stage", "8", "--rows", "no_row"]).values
    check_lmprune(only)


def test_a_recurrent_model_and_sparsity_out_of_range(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(recipe)
    (tmp_path / "rnn.yaml").write_text("lm: seq_rnn\n")
    message = refused("--stop_stage", "6", "--lm_config", f"{tmp_path}/rnn.yaml")
    assert "rnn.yaml: lm seq_rnn: only Transformer" in message
    row = {"method": "low_rank", "keep": 1.5, "epochs": 1}
    for keep in (1.5, 1.0, 0.0, -0.5):
        text = yaml.safe_dump({**row, "keep": keep})
        (tmp_path / "much.yaml").write_text(text)
        options = ("--stop_stage", "6", "--row_dir", str(tmp_path), "--rows", "much")
        message = refused(*options)
        assert f"keep [{keep}]" in message and "much.yaml" in message


def test_a_wrong_configuration_is_refused_before_stage_3(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(recipe)
    file = tmp_path / "lm.yaml"
    for text, message in (
        ("max_epochs: 3", "no option max_epochs; did you mean max_epoch?"),
        ("lm_conf: {head: 3, att_unit: 8}", "lm.yaml: lm_conf.head 3"),
    ):
        file.write_text(f"lm: transformer\n{text}\n")
        assert message in refused("--stop_stage", "6", "--lm_config", str(file))
    file.write_text("max_epochs: 3\n")
    assert "--fine_tuning_config" in refused(
        "--stop_stage", "6", "--fine_tuning_config", str(file)
    )
    # The row it is like is neither made nor asked for.
    asked = refused("--stop_stage", "6", "--rows", "scratch_50")
    assert "--rows scratch_50: like" in asked and "name that row" in asked


def test_texts_that_were_changed_after_stage_3_are_named(recipe):
    for name in ("train", "dev", "test"):
        (recipe / "data" / name).mkdir(parents=True)
        (recipe / "data" / name / "text").write_text("u1 A\n")
    for name in ("train", "valid", "test"):
        (recipe / "exp/lm_text" / name).mkdir(parents=True)
        (recipe / "exp/lm_text" / name / "text").write_text("u1 A\n")

    def said(stage):
        stages = ["--stage", f"{stage}", "--stop_stage", "6"]
        command = ["./run.sh", "--python", "true", *stages]
        done = subprocess.run(command, cwd=recipe, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stderr.splitlines() if "WARNING" in line]

    assert said(6) == []
    os.utime(recipe / "data/dev/text", (4e9, 4e9))
    (line,) = said(6)
    assert "data/dev/text is newer than exp/lm_text/valid/text" in line
    assert said(3) == []  # which takes it now

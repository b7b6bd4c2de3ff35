"""Options that encrl.sh and dualmode.sh had as shell scripts are all there still."""

import re
import subprocess
from pathlib import Path

import pytest
from this_python import write_path_sh

from espnet_plugin.recipe.families import FAMILIES

TEMPLATE = Path(__file__).parents[2] / "egs2/TEMPLATE"
# As both scripts declared them on 28 November 2026: name, default, another good value.
BOTH = """
stage|1|9
stop_stage|9|9
nj|2|3
ngpu|0|2
decode_nj|1|2
num_threads|1|2
python|python3|./note
datadir|data|my data
dumpdir|dump|my dump
expdir|exp|exp
corpus||größer
train_set|train|train_960
valid_set|dev|org/dev
test_sets|test|test_clean test_other
local_data_opts||--an4 /corpora/an4
fs|16000|8000
speed_perturb_factors||0.9 1.0 1.1
min_wav_duration|0.1|0.5
max_wav_duration|30|2e1
bad_utterances|error|drop
check_audio|full|header
token_type|char|bpe
nbpe|100|500
nlsyms||symbols.txt
seed|1|4
decoding|best_path|prefix
remeasure_rtf|false|true
results|RESULTS.md|R.md
results_json|results.json|r.json
plot_dir||plots
export_targets|onnx|onnx sherpa-onnx
export_opts||--int8 'a b'
"""
OLD = {
    "encrl": BOTH
    + """
num_nodes|1|2
hosts||a,b
dry_run|false|false
print_option||
corpus_hours||100
estimate_opts||--fs 8000
unlabelled_sets||more other
feats_type|raw|fbank
reference||theirs.zip
reference_model_file||m.pth
reference_config|conf/train_reference.yaml|conf/tiny_reference.yaml
reference_exp||exp/mine
reference_seed|1|3
asr_recipe||
recipe_exp||exp/asr_x
recipe_train_set||tr
recipe_valid_set||dv
recipe_test_sets||a b
recipe_dump||dump/raw
recipe_stats||exp/stats
recipe_token_list||tokens.txt
tag|encrl|kl+mse_0.5
variant||0.5 kl, größer
sizes|6 4 2|6 2
encrl_layers||8
student_init|auto|spaced
objectives||clip mae
family|last|nested
freeze||encoder.embed
alone||2
alone_init|first|last
alone_freeze||encoder.embed ctc
alone_epochs||5
train_jobs|1|2
finetune|each|together
finetune_alone||6:1 2:3
encrl_config|conf/train_encrl.yaml|conf/tiny_encrl.yaml
finetune_config|conf/finetune_ctc.yaml|conf/tiny_ctc.yaml
teacher_cache||exp/cache
encrl_args||--student_output_size 96
finetune_args||--accum_grad 2
encrl_epochs||3
finetune_epochs||0
direct|false|true
baselines|scratch|width scratch
baseline_dir|conf/baselines|conf/baselines
baseline_training||conf/train_ctc.yaml
baseline_epochs||3
baseline_lr||0.004
report_opts||--compare 'a 6' 'b 6'
export_models||exp/other
""",
    "dualmode": BOTH
    + """
pretrain_set||audio
pretrain_config|conf/dualmode/pretrain_wav2vec2.yaml|conf/dualmode/tiny_pretrain.yaml
pretrain_epochs||3
train_config|conf/dualmode/train.yaml|conf/dualmode/tiny.yaml
row_dir|conf/dualmode/rows|conf/dualmode/rows
rows|self_pruned_50|dense_dense full_alone
epochs||4
pretrained||latest.pth
train_args||--accum_grad 2
baselines|full_alone streaming_alone pruned_after_50 dense_dense|full_alone
rivals|full_alone streaming_alone pruned_after_50 dense_dense|full_alone
""",
}


def old_options(family):
    """Return name, default and another good value of every option."""
    lines = OLD[family].split("\n")
    return [line.split("|") for line in lines if line]


@pytest.mark.parametrize("family", OLD)
def test_defaults_are_what_they_were(family):
    texts = FAMILIES[family].read([]).texts
    for name, default, _ in old_options(family):
        if name != "rivals":
            assert texts[name] == default, name


@pytest.mark.parametrize("family", OLD)
def test_every_option_is_taken_by_the_script(family, tmp_path):
    folder = tmp_path / f"corpus/{family}1"
    setup = TEMPLATE / f"{family}1/setup.sh"
    subprocess.run([setup, folder], check=True, capture_output=True)
    write_path_sh(folder)
    (folder / "note").write_text('#!/bin/sh\necho "$*" >> called.txt\n')
    (folder / "note").chmod(0o755)
    (folder / "exp/asr_model_s1_2l").mkdir(parents=True)
    (folder / "exp/asr_model_s1_2l/meta.json").write_text("{}")

    def call(*options):
        return subprocess.run(
            [f"./{family}.sh", *options], cwd=folder, capture_output=True, text=True
        )

    words = [w for n, _, value in old_options(family) for w in (f"--{n}", value)]
    result = call(*words)
    assert result.returncode == 0, result.stderr
    called = (folder / "called.txt").read_text()
    # Stage 9, the only one that was asked for.
    assert "espnet_plugin.bin.report exp/asr_model_s1_2l --corpus größer" in called
    assert "--results_json r.json --markdown R.md --plot_dir plots" in called
    result = call(*words, "--no_such_option", "1")
    assert result.returncode == 2 and "--no_such_option" in result.stderr


# Options that the shell scripts did not have.
NEW = {
    "encrl": {"shape_init", "budget", "trials", "trial_epochs", "expected_warnings"},
    "dualmode": {"reference", "teacher_cache", "expected_warnings", "dry_run"},
}


@pytest.mark.parametrize("family", OLD)
def test_every_option_is_in_the_help(family, tmp_path):
    script = TEMPLATE / f"{family}1/{family}.sh"
    # In a folder that is no recipe.
    help_text = subprocess.run(
        [script, "--help"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    shown = re.findall(r"^  --(\w+) ", help_text, re.MULTILINE)
    old = [name for name, *_ in old_options(family) if name != "rivals"]
    assert sorted(set(shown) - NEW[family]) == sorted(old)
    assert len(set(shown)) == len(shown)

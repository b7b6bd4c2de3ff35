"""The whole table of wrong values, thrown at every option of encrl.sh at once."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/encrl1"

NO_NUMBER = ["", " ", "x", "1x", "0x10", "nan", "inf", "1 2", "1e999", "9" * 40, "-1"]
NO_WHOLE = [*NO_NUMBER, "1.5", "1e3", "+1", "01"]
NO_NAME = ["", " ", "a b", "a/b", "../a", "-a", "a\tb", "a\nb", "ä", "x" * 101, "a;b"]
NO_SET = ["", "a b", "../a", "a/../b", "-a", "/a", "a;b", "$(id)", "x" * 201]
NO_PATH = ["", "-a", "a,b", "a\nb", "x" * 1001]
NO_WORDS = ["a|b", "a\nb", "x" * 101]

WRONG = {
    "stage": [*NO_WHOLE, "0", "11"],
    "stop_stage": [*NO_WHOLE, "0", "11"],
    **{
        name: [*NO_WHOLE, "0"]
        for name in ("nj", "num_nodes", "decode_nj", "num_threads", "fs", "nbpe")
    },
    "ngpu": NO_WHOLE,
    "seed": [*NO_WHOLE, "4294967296"],
    "reference_seed": [*NO_WHOLE, "4294967296"],
    "encrl_epochs": [*NO_WHOLE[1:], "0"],
    "baseline_epochs": [*NO_WHOLE[1:], "0"],
    "finetune_epochs": NO_WHOLE[1:],
    "min_wav_duration": NO_NUMBER,
    "max_wav_duration": [*NO_NUMBER, "0", "0.1", "0.05"],
    "baseline_lr": [*NO_NUMBER[1:], "0", "."],
    "corpus_hours": [*NO_NUMBER[1:], "0"],
    "speed_perturb_factors": ["x", "0", "-1", "0.9 nan", "0.9 100", "1,1"],
    "tag": NO_NAME,
    "train_set": NO_SET,
    "valid_set": NO_SET,
    "test_sets": ["../a", "test -a", "/a", "a;b"],
    "unlabelled_sets": ["../a", "more -a", "/a"],
    "variant": NO_WORDS,
    "corpus": NO_WORDS,
    **{
        name: NO_PATH
        for name in ("datadir", "dumpdir", "expdir", "results", "results_json")
    },
    "plot_dir": NO_PATH[1:],
    "teacher_cache": NO_PATH[1:],
    "baseline_dir": NO_PATH[1:],
    "python": [""],
    "bad_utterances": ["", "mend", "DROP"],
    "feats_type": ["", "mfcc"],
    "token_type": ["", "word"],
    "sizes": ["", "0", "-1", "6 x", "1.5"],
    "encrl_layers": ["0", "x", "-1", "5"],
    "student_init": ["", "lastt"],
    "objectives": ["clop", "clip clop"],
    "family": ["", "lastt"],
    "finetune": ["", "both"],
    "finetune_alone": ["x", "2:-1", "2:0", "2"],
    "freeze": ["a;b", "encoder,embed"],
    "alone": ["x", "-1", "1.5"],
    "check_audio": ["", "yes"],
    "nlsyms": ["no.txt"],
    "alone_init": ["", "lastt"],
    "alone_freeze": ["a;b", "encoder,embed"],
    "alone_epochs": [*NO_WHOLE[1:], "0"],
    "train_jobs": [*NO_WHOLE, "0"],
    "decoding": ["", "beam"],
    "baselines": ["", "scratsh"],
    "export_targets": ["", "tflite"],
    "reference_config": ["", "no.yaml"],
    "encrl_config": ["", "no.yaml"],
    "finetune_config": ["", "no.yaml"],
    "baseline_training": ["no.yaml"],
    "dry_run": ["", "yes", "1"],
    "direct": ["", "yes", "0"],
    "remeasure_rtf": ["", "yes"],
    "print_option": ["no", "a b", "PATH"],
}
# Handed on whole: what reads them checks them; any text or path is possible.
FREE = """
    local_data_opts estimate_opts encrl_args finetune_args report_opts export_opts hosts
    reference reference_model_file reference_exp asr_recipe recipe_exp recipe_train_set
    recipe_valid_set recipe_test_sets recipe_dump recipe_stats recipe_token_list
    export_models
""".split()

# Defaults, then one option after the other in a shell of its own.
SCRIPT = r"""
set -euo pipefail
template=$1
eval "$(sed -n '/^# General/,/^run_args/p' \
    "${template}/encrl.sh" | grep -v '^run_args')"
stop_stage=10
. "${template}/check_options.sh"
. "${template}/check_values.sh"
log() { :; }
die() { echo "$*"; exit 2; }
wanted() { [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]; }
several_nodes() { [ "${num_nodes}" != 1 ]; }
corpus=c reference_exp=exp/asr_reference
while IFS= read -r -d '' option && IFS= read -r -d '' value; do
    status=0
    said=$(
        set -- "--${option}" "${value}"
        help_message=
        . "${template}/parse_options.sh" 2>&1
        check_options
        if [ -n "${print_option}" ]; then
            [[ ${print_option} =~ ^[a-z_]+$ && -n ${!print_option+set} ]] \
                || die "--print_option"
        fi
    ) || status=$?
    printf '%s\0%s\0%s\0%s\0' "${option}" "${value}" "${status}" "${said}"
done
"""


def options():
    """Return the names of all options of encrl.sh."""
    text = (TEMPLATE / "encrl.sh").read_text()
    text = text[text.index("# General") : text.index("run_args=")]
    return re.findall(r"^([a-z_]+)=", text, re.M)


def check(pairs):
    """Return status and message for each option and value."""
    given = "".join(f"{name}\0{value}\0" for name, value in pairs)
    result = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", TEMPLATE],
        cwd=TEMPLATE.parents[1] / "mini_an4/encrl1",
        input=given.encode(),
        capture_output=True,
        check=True,
    )
    fields = result.stdout.decode().split("\0")[:-1]
    return [tuple(fields[i : i + 4]) for i in range(0, len(fields), 4)]


def test_the_table_has_every_option():
    assert sorted([*WRONG, *FREE]) == sorted(options())


def test_every_wrong_value_is_refused_by_name():
    pairs = [(name, value) for name, values in WRONG.items() for value in values]
    answers = check(pairs)
    assert len(answers) == len(pairs) > 300
    bad = [
        (name, value, said)
        for name, value, status, said in answers
        # A size is refused for what is taken of it, too.
        if status != "2" or not re.search(rf"--({name}|stage|sizes)\b", said)
    ]
    assert bad == []
    assert not [
        said for *_, said in answers if "\n" in said.strip() and len(said) > 300
    ]


@pytest.mark.parametrize(
    "name, value",
    [
        ("nj", "16"),
        ("seed", "4294967295"),
        ("finetune_epochs", "0"),
        ("encrl_epochs", ""),
        ("min_wav_duration", "0"),
        ("max_wav_duration", "1e2"),
        ("speed_perturb_factors", "0.9 1.0 1.1"),
        ("baseline_lr", "2e-3"),
        ("tag", "kl+mse_0.5-b"),
        ("test_sets", "test_clean org/dev"),
        ("variant", "0.5 kl, größer"),
        ("expdir", "/data/my exp"),
    ],
)
def test_right_values_are_taken(name, value):
    assert check([(name, value)])[0][2:] == ("0", "")

"""What encrl.sh does not take for finished, or for fitting, though it is there."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from stub_reference import write_config
from this_python import write_path_sh

ROOT = Path(__file__).parents[2]
STATS = ["--stage", "3", "--stop_stage", "3"]
CONFIG = """frontend: default
frontend_conf:
    n_mels: 40  # bins
encoder: conformer
encoder_conf:
    num_blocks: 12
"""


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def recipe(tmp_path):
    """A recipe after stage 2, whose Python only notes how it was called."""
    folder = tmp_path / "corpus/encrl1"
    setup = ROOT / "egs2/TEMPLATE/encrl1/setup.sh"
    subprocess.run([setup, folder], check=True, capture_output=True)
    write_path_sh(folder)
    skip = 'case "$*" in *.check_environment*) exit 0 ;; esac\n'
    made = "for f in train/speech_shape valid/speech_shape train/feats_stats.npz; do\n"
    made += 'mkdir -p "exp/asr_stats_raw_char/${f%/*}"\n'
    made += 'echo 1 > "exp/asr_stats_raw_char/$f"\ndone\n'
    write(folder / "note", f'#!/bin/sh\n{skip}echo "$*" >> called.txt\n{made}')
    (folder / "note").chmod(0o755)
    write(folder / "reference.yaml", CONFIG)
    (folder / "exp/asr_stats_raw_char").mkdir(parents=True)  # as stage 3 makes it
    for name in ("train", "dev"):
        write(folder / "dump/raw" / name / "done.json", '{"digest": "1"}\n')
        write(folder / "dump/raw" / name / "utt2num_samples", "a 16000\n")
        write(folder / "dump/raw" / name / "text", "a ONE\n")
    write(folder / "data/token_list/char/tokens.txt", "<blank>\n<unk>\nO\n")
    return folder


def encrl(recipe, *options):
    """Run it; return its messages and what it called."""
    (recipe / "called.txt").unlink(missing_ok=True)
    own = ["--python", "./note", "--reference_config", "reference.yaml"]
    result = subprocess.run(
        ["./encrl.sh", *own, *options], cwd=recipe, capture_output=True, text=True
    )
    called = recipe / "called.txt"
    return result.stderr, called.read_text() if called.exists() else ""


def is_finished(recipe, *options):
    said, called = encrl(recipe, *STATS, *options)
    assert ("asr_stats_raw_char is already finished" in said) != bool(called)
    return not called


@pytest.mark.parametrize(
    "options, folder, missing",
    [
        (["--nbpe", "20"], "bpe20", ["tokens.txt", "bpe.model"]),
        (["--token_type", "char", "--nlsyms", "n"], "char", ["nlsyms.txt"]),
    ],
)
def test_tokens_that_stage_2_has_not_made(recipe, options, folder, missing):
    """Options of the tokens that are changed, or added, after stage 2."""
    write(recipe / "n", "<um>\n")
    for name in missing:
        said, called = encrl(recipe, *STATS, "--token_type", "bpe", *options)
        file = f"data/token_list/{folder}/{name}"
        assert f"{file} is missing: run stage 2 first (--stage 2)" in said
        assert not called
        write(recipe / file, "<um>\n")
    assert (
        "--collect_stats" in encrl(recipe, *STATS, "--token_type", "bpe", *options)[1]
    )


@pytest.mark.parametrize("stage", ["3", "4"])
def test_other_symbols_than_those_of_stage_2(recipe, stage):
    """A training would spell <noise> as seven letters."""
    stages = ["--stage", stage, "--stop_stage", stage]
    write(recipe / "exp/asr_stats_raw_char/.done")
    write(recipe / "data/token_list/char/nlsyms.txt", "<noise>\n<um>\n")
    write(recipe / "same", "<noise>\n<um>\n\n")
    write(recipe / "fewer", "<um>\n")
    for options, message in (
        ([], "--nlsyms '': names none, but stage 2 has made data/token_list/char with"),
        (["--nlsyms", "fewer"], "fewer: names <um>, but stage 2 has made"),
        (["--nlsyms", "none"], "--nlsyms none cannot be read (No such file"),
    ):
        said, called = encrl(recipe, *stages, *options)
        assert message in said and not called
    assert encrl(recipe, *stages, "--nlsyms", "same")[1]


def test_statistics_follow_what_they_were_made_of(recipe):
    assert not is_finished(recipe)
    assert is_finished(recipe)
    config = recipe / "reference.yaml"
    # What they do not depend on, and how it is written.
    write(config, CONFIG.replace("12", "6").replace("# bins", "# mel bins"))
    assert is_finished(recipe)
    for changed in (
        CONFIG.replace("40", "80"),
        CONFIG.replace("    n_mels: 40", "    n_mels: 40\n    hop_length: 80"),
        CONFIG.replace("default", "sliding_window"),
    ):
        write(config, changed)
        assert not is_finished(recipe) and is_finished(recipe), changed
    for name in ("train", "dev"):
        write(recipe / "dump/raw" / name / "done.json", '{"digest": "2"}\n')
        assert not is_finished(recipe) and is_finished(recipe), name
    # Rewritten with the same content, though newer.
    write(recipe / "dump/raw/train/done.json", '{"digest": "2"}\n')
    os.utime(recipe / "exp/asr_stats_raw_char/.done", (1, 1))
    assert is_finished(recipe)


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_statistics_of_which_a_file_is_lost_are_made_again(recipe, how):
    assert not is_finished(recipe) and is_finished(recipe)
    for name in ("train/feats_stats.npz", "train/speech_shape", "valid/speech_shape"):
        path = recipe / "exp/asr_stats_raw_char" / name
        path.unlink() if how == "deleted" else path.write_text("")
        said, called = encrl(recipe, *STATS)
        assert f"{name} is missing or empty" in said and called
        assert is_finished(recipe)


def test_statistics_of_an_imported_reference_are_no_own_ones(recipe):
    stats = recipe / "exp/asr_stats_raw_char"
    write(recipe / "theirs/config.yaml", CONFIG)
    imported = [*STATS, "--reference", "theirs"]
    encrl(recipe, *imported)  # copies lengths, calculates nothing
    assert (stats / "train/speech_shape").read_text() == "a 16000\n"
    assert "already finished" in encrl(recipe, *imported)[0]
    assert not is_finished(recipe)


def test_an_empty_record_does_not_count(recipe):
    """The first version wrote one, and a power cut can leave one: of which inputs?"""
    done = recipe / "exp/asr_stats_raw_char/.done"
    assert not is_finished(recipe)  # makes the files
    whole = done.read_text()
    write(done)
    said, called = encrl(recipe, *STATS)
    assert called and f"{done.name} is empty" in said
    assert done.read_text() == whole and is_finished(recipe)


def test_statistics_of_the_version_before_stay_and_differences_are_named(recipe):
    done = recipe / "exp/asr_stats_raw_char/.done"
    # As it wrote it: one word of the records and of the front end.
    dumps = [recipe / f"dump/raw/{name}/done.json" for name in ("train", "dev")]
    content = "".join(path.read_text() for path in dumps) + "raw \n"
    content += "frontend: default\nfrontend_conf:\n    n_mels: 40\n"
    assert not is_finished(recipe)  # makes the files
    write(done, hashlib.sha256(content.encode()).hexdigest() + "\n")
    assert is_finished(recipe)
    done.unlink()
    assert "asr_stats_raw_char: there are no statistics yet" in encrl(recipe, *STATS)[0]
    write(recipe / "reference.yaml", CONFIG.replace("40", "80"))
    said, _ = encrl(recipe, *STATS)
    end = "frontend: default frontend_conf: n_mels:"
    assert f"a different front end (was {end} 40, is {end} 80)" in said
    write(dumps[1], '{"digest": "2"}\n')
    assert ": a different development set\n" in encrl(recipe, *STATS)[0]


def test_interrupted_statistics_are_not_taken_for_finished(recipe):
    assert not is_finished(recipe)
    write(recipe / "reference.yaml", CONFIG.replace("40", "80"))
    write(recipe / "note", '#!/bin/sh\necho "$*" >> called.txt\nexit 1\n')
    assert not is_finished(recipe)
    # Back to the first: some of its files are overwritten.
    write(recipe / "reference.yaml", CONFIG)
    assert not is_finished(recipe)


def sums(*paths):
    return " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)


@pytest.mark.parametrize("stage", [3, 4, 5, 6, 8])
def test_transcripts_checked_against_other_tokens_are_refused(recipe, stage):
    text = recipe / "dump/raw/train/text"
    noted = recipe / "dump/raw/train/tokens.sha256"
    own = recipe / "data/token_list/char/tokens.txt"
    theirs = recipe / "exp/asr_reference/tokens.txt"
    write(own, "<blank>\n<unk>\nONE\n")
    write(theirs, "<blank>\n<unk>\none\n")
    write(recipe / "exp/asr_reference/config.yaml", CONFIG + "token_type: char\n")
    write(noted, f"{sums(own, text)}\n")
    options = ["--stage", f"{stage}", "--stop_stage", f"{stage}", "--reference", "t"]
    write_config(recipe / "t", **yaml.safe_load(CONFIG))
    refusal = "dump/raw/train were not checked against exp/asr_reference/tokens.txt"
    said, called = encrl(recipe, *options)
    assert f"the transcripts in {refusal}" in said
    assert "run stage 2 with the --reference of exp/asr_reference again" in said
    assert "import_reference" in called or stage == 3
    others = [one for one in called.splitlines() if "check_configs" not in one]
    assert len(others) <= 1
    # Imported before, and now only used; of stages 3 and 4 it is then no part.
    assert (refusal in encrl(recipe, *options[:4])[0]) == (stage > 4)
    # As stage 2 notes it, beside what it noted before.
    write(noted, f"{sums(own, text)}\n{sums(theirs, text)}\n")
    assert refusal not in encrl(recipe, *options)[0]
    write(text, "a ONE\nb TWO\n")
    assert refusal in encrl(recipe, *options)[0]
    # Dumps of earlier versions, and of other recipes, say nothing.
    noted.unlink()
    assert refusal not in encrl(recipe, *options)[0]

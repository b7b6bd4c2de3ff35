"""Commands reach bash unchanged through scripts that join words as Kaldi's do."""

import subprocess

import pytest

from espnet_plugin.kaldi_scripts import for_kaldi, is_kaldi, is_kaldi_path

WORDS = [
    "plain",
    "",
    "two words",
    "it's",
    "it's two",
    'a "quoted" word',
    '"',
    """both ' and " and a space""",
    "$HOME",
    "in a $HOME of `date`",
    "back\\slash",
    "back\\slash and space",
    "{a: 1, b: [2]}",
    "(a)",
    "a;b",
    "a&b|c",
    "*",
    "<noise>",
    "tab\there",
    "é",
    "~",
    "#x",
    "!x",
    "-n",
]


def joined(words):
    """Join words as run.pl, queue.pl and slurm.pl do before bash reads them."""
    cmd = ""
    for word in words:
        if word and not any(letter.isspace() for letter in word):
            cmd += word + " "
        elif '"' in word:
            cmd += f"'{word}' "
        else:
            cmd += f'"{word}" '
    return cmd


def test_every_word_arrives_as_it_was():
    show = ["python3", "-c", "import sys; print(sys.argv[1:])", *WORDS]
    done = subprocess.run(
        ["bash"],
        input=f"( {joined(for_kaldi(show))} )",
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(WORDS), done.stderr


def test_ordinary_words_are_as_they_were():
    words = ["python3", "-m", "a.b", "--c", "exp/d_s1", "1e-3", "x=1", "e,f:g"]
    assert for_kaldi(words) == words


@pytest.mark.parametrize("path, right", [("exp/a_1.log", True), ("my exp/a", False)])
def test_logs_are_not_quoted(path, right):
    assert is_kaldi_path(path) is right


def test_which_commands_are_kaldis():
    assert is_kaldi(["/a/queue.pl", "--mem", "4G"])
    assert not is_kaldi(["srun"]) and not is_kaldi([])

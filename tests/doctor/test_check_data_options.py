"""Options, exit status and repeated calls of the data check."""

import logging
import os
import shutil
import sqlite3

import pytest
from kaldi_corpus import edit, make_corpus, path_of, table
from kaldi_damage import AT_WAV, U3, copy_line, cut, run

from espnet_plugin.bin import check_data
from espnet_plugin.data.kaldi import read_data_dir
from espnet_plugin.doctor import check
from espnet_plugin.errors import UserError


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path)


def test_a_folder_of_sets_and_a_table_are_no_set(corpus, tmp_path, caplog):
    parent = corpus[0].parent
    for given, says in (
        (parent, "has no tables, but the sets dev test train: give these"),
        (corpus[0] / "text", "this is a file: give its folder"),
    ):
        caplog.clear()
        assert check_data.main([str(given), "--output_dir", str(tmp_path / "out")]) == 2
        assert says in caplog.text and "1 error, 0 warnings" in caplog.text


def test_a_name_in_two_sets(corpus, tmp_path):
    train, dev, test = corpus
    for name in ("wav.scp", "text", "utt2spk"):
        first, *rest = table(test, name)
        (test / name).write_text("".join([first.replace("test-a-00", U3), *rest]))
    status, found = run(corpus, tmp_path / "out")
    assert ("shared-id", "test/wav.scp", 1, U3) in found and status == 1


def test_a_set_inside_another(corpus, tmp_path):
    """R08: all of dev is part of train."""
    train, dev, test = corpus
    for name in ("wav.scp", "text", "utt2spk"):
        (dev / name).write_text("".join(table(train, name)[:6]))
    _, found = run(corpus, tmp_path / "out")
    kinds = [one[0] for one in found]
    assert {k: kinds.count(k) for k in kinds} == {
        "shared-audio": 6, "shared-id": 6, "shared-text": 6, "shared-speaker": 1
    }  # fmt: skip


def test_one_folder_for_two_purposes(corpus, tmp_path):
    train, dev, test = corpus
    status, found = run([train, dev, dev], tmp_path / "out")
    assert found == [("same-set", f"{tmp_path.name}/dev", 0, "")] and status == 1
    # Under another name: said once, not for each utterance.
    shutil.rmtree(test)
    test.symlink_to(train)
    _, found = run([train, dev, test], tmp_path / "out")
    assert [one[0] for one in found] == ["same-set"]
    assert f"it is {train}" in (tmp_path / "out/check_data.txt").read_text()


def test_the_validation_set_has_no_letters_of_its_own(corpus, tmp_path):
    train, dev, test = corpus
    edit(dev, "text", 2, "dev-a-01 ONE TWO? SIX")
    _, found = run(corpus, tmp_path / "out")
    assert found == [("rare-characters", "dev/text", 2, "dev-a-01")]
    status, found = run(corpus, tmp_path / "out", "--valid", str(dev))
    assert found == [("unknown-characters", "dev/text", 2, "dev-a-01")] and status == 2


def test_features_alone(corpus, tmp_path):
    train, *others = corpus
    lines = [
        f"{one.split()[0]} feats.ark:{n}\n"
        for n, one in enumerate(table(train, "text"))
    ]
    (train / "feats.scp").write_text("".join(lines))
    (train / "wav.scp").unlink()
    _, found = run(corpus, tmp_path / "out", "--ignore", "archive")
    assert found == [("features-alone", "train/feats.scp", 0, "")]


def test_pipes_are_run_when_asked(corpus, tmp_path):
    train, *_ = corpus
    good, bad = path_of(train, 3), path_of(train, 4)
    edit(train, "wav.scp", 3, f"{U3} cat {good} |")
    edit(train, "wav.scp", 4, f"train-a-03 cat {bad} | false |")
    status, found = run(corpus, tmp_path / "out", "--run_pipes")
    assert found == [("unreadable", "train/wav.scp", 4, "train-a-03")] and status == 2


def test_severities_and_symbols_can_be_chosen(corpus, tmp_path):
    train, *_ = corpus
    edit(train, "text", 3, f"{U3} SIX ONE TWO SIX <noise>")
    assert run(corpus, tmp_path / "out", "--error", "symbol")[0] == 2
    assert run(corpus, tmp_path / "out", "--ignore", "symbol") == (0, [])
    (tmp_path / "nlsyms").write_text("<noise>\n")
    assert run(corpus, tmp_path / "out", "--nlsyms", str(tmp_path / "nlsyms")) == (
        0,
        [],
    )
    assert check_data.main([str(train), "--error", "sound"]) == 2
    assert check_data.main([]) == 2


def test_warnings_that_a_corpus_is_known_to_have(corpus, tmp_path, caplog):
    train, dev, test = corpus
    copy_line("text")(train=train, test=test)
    assert run(corpus, tmp_path / "unexpected")[0] == 1
    caplog.clear()
    caplog.set_level("INFO")
    status, found = run(corpus, tmp_path / "out", "--expected", "shared-text")
    assert status == 0 and found == [("shared-text", "test/text", 2, "test-a-01")]
    lines = [one for one in caplog.records if "shared-text" in one.getMessage()]
    assert [one.levelname for one in lines] == ["INFO"]
    assert ": 1 (shared-text), expected" in lines[0].getMessage()
    assert "0 warnings (1 more are expected)" in caplog.text
    # Others stay what they are.
    copy_line("utt2spk", "train-a")(train=train, test=test)
    status, found = run(corpus, tmp_path / "out", "--expected", "shared-text")
    assert status == 1 and {kind for kind, *_ in found} >= {"shared-speaker"}
    for wrong in (["bad-segment"], ["no-kind"], ["pipe", "--error", "pipe"]):
        assert run(corpus, tmp_path / "out", "--expected", *wrong)[0] == 2


def test_audio_without_transcripts(corpus, tmp_path):
    train, dev, test = corpus
    (train / "text").unlink()
    (train / "utt2spk").unlink()
    assert run([dev, test], tmp_path / "out", "--unlabelled", str(train)) == (0, [])


@pytest.mark.parametrize("level, expected", [("header", ["truncated"]), ("none", [])])
def test_less_of_the_audio(corpus, tmp_path, level, expected):
    cut(corpus[0])
    _, found = run(corpus, tmp_path / "out", "--audio", level)
    assert [one[0] for one in found] == expected


def test_the_list_is_whole_and_the_log_is_short(corpus, tmp_path, caplog):
    train, *_ = corpus
    for n, one in enumerate(table(train, "text"), 1):
        edit(train, "text", n, one.split()[0])
    status, found = run(corpus, tmp_path / "out", "--shown", "3", "--nj", "2")
    assert status == 2 and [one[0] for one in found].count("no-value") == 14
    assert "and 11 more" in caplog.text and "train-a-03" not in caplog.text
    # Errors are shown with the way out.
    assert "Complete the line, or remove the utterance from all" in caplog.text


def test_an_output_that_cannot_be_written(corpus, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert (
        check_data.main([str(corpus[0]), "--output_dir", str(tmp_path / "file")]) == 2
    )
    assert "is not a folder" in caplog.text and "--output_dir" in caplog.text
    # Before the audio is read.
    assert "utterances" not in caplog.text


def test_findings_are_said_before_they_cannot_be_written(
    corpus, tmp_path, caplog, monkeypatch
):
    """As on a full disk."""
    (corpus[0] / "spk2utt").write_text("b train-a-02\n")

    def full(*_):
        raise UserError("cannot write")

    monkeypatch.setattr(check_data, "write_list", full)
    assert check_data.main([str(corpus[0]), "--output_dir", str(tmp_path)]) == 2
    assert "spk2utt" in caplog.text and "cannot write" in caplog.text
    assert caplog.text.index("spk2utt") < caplog.text.index("cannot write")


def test_a_database_that_cannot_be_written(corpus, tmp_path, caplog, monkeypatch):
    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(check, "compare_tables", full)
    assert check_data.main([str(corpus[0]), "--output_dir", str(tmp_path)]) == 2
    assert "disk is full: free some space" in caplog.text and "TMPDIR" in caplog.text


def test_lists_of_an_interrupted_check_are_not_taken_for_those_of_an_earlier_one(
    corpus, tmp_path, monkeypatch
):
    train, *_ = corpus
    whole = (train / "text").read_bytes()
    first = run(corpus, tmp_path / "out", "--once")
    edit(train, "text", 3, f"{U3} ONE  TWO SIX")

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as moment:
        moment.setattr(check_data, "write_page", killed)
        words = [*map(str, corpus), "--output_dir", str(tmp_path / "out")]
        assert check_data.main(words) == 130  # as after Ctrl-C
    (train / "text").write_bytes(whole)
    assert run(corpus, tmp_path / "out", "--once") == first


def test_the_same_is_not_checked_twice(corpus, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    train, dev, test = corpus
    edit(train, "text", 3, f"{U3} ONE  TWO SIX")
    first = run(corpus, tmp_path / "out", "--once")
    page = (tmp_path / "out/check_data.html").stat().st_mtime_ns

    def again(*options):
        found = run(corpus, tmp_path / "out", "--once", *options)
        return found, (tmp_path / "out/check_data.html").stat().st_mtime_ns == page

    assert again() == (first, True) and "was checked before" in caplog.text
    (tmp_path / "out/check_data.json").unlink()  # what it would point to
    assert again() == (first, False)
    page = (tmp_path / "out/check_data.html").stat().st_mtime_ns
    # Other samples in the same file, of the same size and with the same time.
    path = path_of(dev, 2)
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:44] + bytes(len(content) - 44))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (status, found), kept = again()
    assert (
        status == 2 and not kept and ("silent", "dev/wav.scp", 2, "dev-a-01") in found
    )
    cut(train)
    (status, found), kept = again()
    assert status == 2 and not kept and ("truncated", *AT_WAV) in found


def test_what_dropping_utterances_does_not_help_against(corpus, tmp_path, caplog):
    train, dev, _ = corpus
    options = ("--exit_zero", "utterances")
    cut(train)
    assert run(corpus, tmp_path / "out", *options)[0] == 0
    assert "--bad_utterances drop: the utterances of 1 of" in caplog.text
    assert "correct these first" not in caplog.text
    edit(dev, "text", 2, "dev-a-01 ")
    edit(dev, "utt2spk", 3, "dev-a-00 dev-a")
    status, found = run(corpus, tmp_path / "out", *options)
    said = "correct these first: names that are listed twice (1), a name witho"
    assert status == 2 and said in caplog.text
    # Stage 2 stops at the same tables, and not at the file.
    with pytest.raises(UserError, match="dev-a-00"):
        read_data_dir(dev)
    read_data_dir(train)


@pytest.mark.parametrize(
    "change, expected",
    [
        ("", {"never": 0, "warnings": 0, "always": 0}),
        ("ONE  TWO SIX", {"never": 1, "warnings": 0, "always": 0}),
        ("ONE\x07", {"never": 2, "warnings": 2, "always": 0}),
    ],
)
def test_exit_status(corpus, tmp_path, change, expected):
    if change:
        edit(corpus[0], "text", 3, f"{U3} {change}")
    for zero, status in expected.items():
        assert run(corpus, tmp_path / "out", "--exit_zero", zero)[0] == status

"""One damage at a time: it is found, with file, line and name, and nothing else is."""

import json
import logging
import os
import shutil

import numpy as np
import pytest
import soundfile
from kaldi_corpus import RATE, edit, make_corpus, path_of, table

from espnet_plugin.bin import check_data
from espnet_plugin.data.kaldi import read_data_dir
from espnet_plugin.doctor.kinds import KINDS
from espnet_plugin.errors import UserError


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path)


def run(folders, output, *options):
    """Return the exit status and the findings as (kind, file, line, id)."""
    status = check_data.main(
        [*map(str, folders), "--output_dir", str(output), "--fs", str(RATE), *options]
    )
    content = json.loads((output / "check_data.json").read_text())
    found = [
        (one["kind"], "/".join(one["file"].split("/")[-2:]), one["line"], one["id"])
        for one in content["findings"]
    ]
    known = content.get("expected", 0)
    assert content["errors"] + content["warnings"] + known == len(found)
    text = (output / "check_data.txt").read_text()
    for kind, file, line, name in found:
        assert kind in text and (f"{file}:{line}" if line else file) in text
    return status, found


def test_nothing_is_wrong_with_a_good_corpus(corpus, tmp_path):
    assert run(corpus, tmp_path / "out") == (0, [])
    page = (tmp_path / "out/check_data.html").read_text()
    assert page.count("<svg") == 12 and "http" not in page


U3 = "train-a-02"  # on line 3


def text(value):
    return lambda train, **_: edit(train, "text", 3, f"{U3} {value}")


def line(name, value, number=3):
    return lambda train, **_: edit(train, name, number, value)


def audio(change, **options):
    def damage(train, **_):
        path = path_of(train, 3)
        samples, _ = soundfile.read(path, dtype="float32")
        new, rate = change(samples)
        soundfile.write(path, new, rate, **options)

    return damage


def cut(train, **_):
    path = path_of(train, 3)
    path.write_bytes(path.read_bytes()[:9000])


def swap(name):
    def damage(train, **_):
        lines = table(train, name)
        lines[2], lines[3] = lines[3], lines[2]
        (train / name).write_text("".join(lines))

    return damage


def prefix(name, start):
    def damage(train, **_):
        path = train / name
        path.write_bytes(start + path.read_bytes())

    return damage


def crlf(train, **_):
    path = train / "text"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def segments(*lines):
    def damage(train, **_):
        rows = [f"{u.split()[0]} {u.split()[0]} 0 0.5\n" for u in table(train, "text")]
        for number, row in lines:
            rows[number - 1] = row + "\n"
        (train / "segments").write_text("".join(rows))

    return damage


def copy_audio(train, test, **_):
    shutil.copy(path_of(train, 3), path_of(test, 2))


def other_container(train, **_):
    samples, rate = soundfile.read(path_of(train, 3), dtype="int16")
    path = path_of(train, 5).with_suffix(".flac")
    soundfile.write(path, samples, rate)
    edit(train, "wav.scp", 5, f"train-a-04 {path}")


def copy_line(name, value=None):
    def damage(train, test, **_):
        said = table(train, name)[2].split(maxsplit=1)[1].strip()
        edit(test, name, 2, f"test-a-01 {value or said}")

    return damage


def whole_text(change):
    def damage(train, **_):
        rows = [one.split(maxsplit=1) for one in table(train, "text")]
        (train / "text").write_text(
            "".join(f"{u} {change(n, words)}" for n, (u, words) in enumerate(rows))
        )

    return damage


AT_TEXT = ("train/text", 3, U3)
AT_WAV = ("train/wav.scp", 3, U3)
CASES = {
    "no table": (lambda train, **_: (train / "text").unlink(),
                 [("missing-table", "train/text", 0, "")]),
    "empty table": (lambda train, **_: (train / "wav.scp").write_text(""),
                    [("missing-table", "train/wav.scp", 0, "")]),
    "blank lines alone": (lambda train, **_: (train / "wav.scp").write_text("\n \n"),
                          [("missing-table", "train/wav.scp", 0, "")]),
    "no folder": (lambda train, **_: shutil.rmtree(train),
                  [("missing-table", None, 0, "")]),
    "Latin-1": (line("text", f"{U3} GR\xdc\xdf".encode("latin-1")),
                [("encoding", "train/text", 3, ""), ("not-everywhere", *AT_WAV)]),
    "NUL": (text("ONE\0TWO"), [("damaged", *AT_TEXT)]),
    "a bell": (text("ONE\x07 TWO SIX"), [("damaged", *AT_TEXT)]),
    "Windows' quote": (text("DON\x92T TWO SIX"), [("damaged", *AT_TEXT)]),
    "replaced": (text("DON\ufffdT TWO SIX"), [("damaged", *AT_TEXT)]),
    "a return inside": (text("ONE\rTWO"),
                        [("damaged", "train/text", 3, ""), ("white-space", *AT_TEXT)]),
    "invisible in a name": (line("text", f"{U3}\u200b ONE"),
                            [("bad-name", "train/text", 3, U3 + "\u200b"),
                             ("not-everywhere", "train/text", 3, U3 + "\u200b"),
                             ("not-everywhere", "train/text", 3, U3 + "\u200b"),
                             ("not-everywhere", *AT_WAV)]),
    "twice": (line("text", "train-a-01 ONE TWO SIX"),
              [("duplicate-id", "train/text", 3, "train-a-01"),
               ("not-everywhere", *AT_WAV)]),
    "name alone": (line("wav.scp", U3), [("no-value", *AT_WAV)]),
    "empty transcript": (line("text", U3 + " "), [("no-value", *AT_TEXT)]),
    "invisible transcript": (text("\u200b"),
                             [("invisible", *AT_TEXT), ("no-value", *AT_TEXT)]),
    "not in text": (line("text", "train-a-02x ONE"),
                    [("not-everywhere", "train/text", 3, "train-a-02x"),
                     ("not-everywhere", "train/text", 3, "train-a-02x"),
                     ("not-everywhere", *AT_WAV)]),
    "not in utt2spk": (line("utt2spk", "train-a-02x x"),
                       [("not-everywhere", "train/utt2spk", 3, "train-a-02x"),
                        ("not-everywhere", "train/utt2spk", 3, "train-a-02x"),
                        ("not-everywhere", *AT_WAV)]),
    "mark of order": (prefix("text", b"\xef\xbb\xbf"),
                      [("byte-order-mark", "train/text", 1, "")]),
    "CRLF": (crlf, [("line-ends", "train/text", 1, "")]),
    "blank line": (prefix("text", b"\n"), [("blank-line", "train/text", 1, "")]),
    "unsorted": (swap("text"), [("unsorted", "train/text", 4, "")]),
    "two speakers": (line("utt2spk", f"{U3} a b"),
                     [("speaker", "train/utt2spk", 3, U3)]),
    "spk2utt": (lambda train, **_: (train / "spk2utt").write_text(f"b {U3}\n"),
                [("speaker", "train/spk2utt", 1, U3)]),
    "no-break space": (text("ONE\u00a0TWO SIX"), [("white-space", *AT_TEXT)]),
    "narrow space": (text("ONE\u202fTWO SIX"), [("white-space", *AT_TEXT)]),
    "ideographic space": (text("ONE\u3000TWO SIX"), [("white-space", *AT_TEXT)]),
    "tab": (text("ONE\tTWO SIX"), [("white-space", *AT_TEXT)]),
    "two spaces": (text("ONE  TWO SIX"), [("white-space", *AT_TEXT)]),
    "line separator": (text("ONE\u2028TWO SIX"), [("white-space", *AT_TEXT)]),
    "zero width": (text("ONE TWO\u200b SIX"), [("invisible", *AT_TEXT)]),
    "soft hyphen": (text("ONE SE\u00adVEN SIX"), [("invisible", *AT_TEXT)]),
    "symbol": (text("ONE <noise> TWO"), [("symbol", *AT_TEXT)]),
    "laugh": (text("ONE [laugh] TWO"), [("symbol", *AT_TEXT)]),
    "unknown": (text("ONE <unk> TWO"), [("symbol", *AT_TEXT)]),
    "mixed case": (whole_text(lambda n, words: words.lower() if n < 4 else words),
                   [("mixed-case", "train/text", 0, "")]),
    # Also as long as no set is large enough to say which letters are rare.
    "Cyrillic letter": (text("ONE TW\u041e SIX"), [("mixed-scripts", *AT_TEXT)]),
    "Greek letter": (text("ONE S\u0399X TWO"), [("mixed-scripts", *AT_TEXT)]),
    "two of them": (text("\u041eNE TW\u041e SIX"), [("mixed-scripts", *AT_TEXT)] * 2),
    "too much text": (text("ONE TWO SIX " * 20), [("text-rate", *AT_TEXT)]),
    "no file": (lambda train, **_: path_of(train, 3).unlink(), [("no-file", *AT_WAV)]),
    "a folder": (line("wav.scp", f"{U3} /"), [("no-file", *AT_WAV)]),
    "no audio": (lambda train, **_: path_of(train, 3).write_text("hello"),
                 [("unreadable", *AT_WAV)]),
    "empty file": (lambda train, **_: path_of(train, 3).write_text(""),
                   [("unreadable", *AT_WAV)]),
    "no sample": (audio(lambda x: (x[:0], RATE)), [("unreadable", *AT_WAV)]),
    "cut off": (cut, [("truncated", *AT_WAV)]),
    "another rate": (audio(lambda x: (x, 8000)), [("wrong-rate", *AT_WAV)]),
    "stereo": (audio(lambda x: (np.stack([x, x], 1), RATE)), [("channels", *AT_WAV)]),
    "NaN": (audio(lambda x: (np.where(np.arange(len(x)) == 9, np.nan, x), RATE),
                  subtype="FLOAT"), [("not-finite", *AT_WAV)]),
    "silence": (audio(lambda x: (0 * x + 0.01, RATE)), [("silent", *AT_WAV)]),
    "16-bit scale": (audio(lambda x: (32768 * x, RATE), subtype="FLOAT"),
                     [("scale", *AT_WAV), ("level", *AT_WAV)]),
    "overshoot": (audio(lambda x: (2 * x / abs(x).max(), RATE), subtype="FLOAT"),
                  [("overshoot", *AT_WAV)]),
    "offset": (audio(lambda x: (x / 2 + 0.3, RATE)), [("offset", *AT_WAV)]),
    "quiet": (audio(lambda x: (x / 200, RATE)), [("level", *AT_WAV)]),
    "clipped": (audio(lambda x: ((15 * x).clip(-1, 1), RATE)), [("clipped", *AT_WAV)]),
    "long": (audio(lambda x: (np.tile(x, 9), RATE)),
             [("length", *AT_WAV), ("text-rate", *AT_TEXT)]),
    "short": (audio(lambda x: (x[:1500], RATE)),
              [("limits", *AT_WAV), ("length", *AT_WAV), ("text-rate", *AT_TEXT)]),
    "pipe": (line("wav.scp", f"{U3} sph2pipe a.sph |"), [("pipe", *AT_WAV)]),
    "archive": (line("wav.scp", f"{U3} wav.1.ark:13"), [("archive", *AT_WAV)]),
    "segment": (segments((3, f"{U3} {U3} 0.5 0.2")),
                [("bad-segment", "train/segments", 3, U3)]),
    "segment of two words": (segments((3, f"{U3} 0 1")),
                             [("bad-segment", "train/segments", 3, U3)]),
    "segment in no file": (segments((3, f"{U3} nowhere 0 0.5")),
                           [("bad-segment", "train/segments", 3, U3)]),
    "segment after the end": (segments((3, f"{U3} {U3} 0 2.5")),
                              [("outside", "train/segments", 3, U3)]),
    "segment twice": (segments((3, f"{U3} train-a-01 0 0.5")),
                      [("same-audio", "train/segments", 3, U3)]),
    "same audio": (other_container,
                   [("same-audio", "train/wav.scp", 5, "train-a-04")]),
    "audio of train in test": (copy_audio,
                               [("shared-audio", "test/wav.scp", 2, "test-a-01")]),
    "text of train in test": (copy_line("text"),
                              [("shared-text", "test/text", 2, "test-a-01")]),
    "speaker of train in test": (copy_line("utt2spk", "train-a"),
                                 [("shared-speaker", "test/utt2spk", 2, "train-a")]),
    "letters of test alone": (copy_line("text", "one two"),
                              [("rare-characters", "test/text", 2, "test-a-01")] * 5
                              + [("mixed-case", "test/text", 0, "")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_damage(corpus, tmp_path, name):
    damage, expected = CASES[name]
    train, dev, test = corpus
    damage(train=train, test=test)
    status, found = run(corpus, tmp_path / "out")
    if name == "no folder":
        found, expected = [one[::2] for one in found], [("missing-table", 0)]
    elif expected[0][0] == "missing-table":
        found = [one for one in found if one[0] not in ("rare-characters",)]
    assert sorted(found) == sorted(expected)
    errors = any(KINDS[kind].severity == "error" for kind, *_ in expected)
    assert status == (2 if errors else 1)


def test_all_kinds_are_tried():
    tried = {kind for _, expected in CASES.values() for kind, *_ in expected}
    elsewhere = {"shared-id", "features-alone", "unknown-characters", "same-set"}
    # test_suspicious_text.py, test_overlaps.py
    elsewhere |= {"markup", "wrong-decoding", "compatibility", "look-alikes", "overlap"}
    assert set(KINDS) - tried == elsewhere


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


def test_an_output_that_cannot_be_written(corpus, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert (
        check_data.main([str(corpus[0]), "--output_dir", str(tmp_path / "file")]) == 2
    )
    assert "cannot write" in caplog.text and "--output_dir" in caplog.text


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

"""One damage at a time: it is found, with file, line and name, and nothing else is."""

import shutil

import numpy as np
import pytest
from kaldi_corpus import RATE, make_corpus, path_of
from kaldi_damage import (
    AT_TEXT,
    AT_WAV,
    U3,
    audio,
    copy_audio,
    copy_line,
    crlf,
    cut,
    line,
    other_container,
    prefix,
    run,
    segments,
    swap,
    text,
    whole_text,
)

from espnet_plugin.doctor.kinds import KINDS


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path)


def test_nothing_is_wrong_with_a_good_corpus(corpus, tmp_path):
    assert run(corpus, tmp_path / "out") == (0, [])
    page = (tmp_path / "out/check_data.html").read_text()
    assert page.count("<svg") == 12 and "http" not in page


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
                [("speaker", "train/spk2utt", 1, U3),
                 *(("speaker", "train/utt2spk", n, f"train-a-{n - 1:02d}")
                   for n in range(1, 15) if n != 3)]),
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
    # 8-bit VOC stores whole microseconds: findings/libsndfile_rates.sh.
    "16129 Hz": (audio(lambda x: (x, RATE), format="VOC", subtype="PCM_U8"),
                 [("wrong-rate", *AT_WAV)]),
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

"""Transcripts that are valid, but hold what nobody said or letters in an odd form."""

import time

import pytest
from doctor_run import found_in
from kaldi_corpus import edit, make_corpus, table

from espnet_plugin.doctor.markup import markup_in, wrongly_decoded
from espnet_plugin.text import list_form

U3 = "train-a-02"
# One transcript, and what is reported of it.
MARKED = {
    "(( ))": ("ONE (()) TWO SIX", "'(())'"),
    "a guess": ("ONE ((TWO)) SIX", "'((TWO))'"),
    "hesitation": ("ONE %HESITATION TWO", "'%HESITATION'"),
    "a symbol with spaces": ("ONE [ NOISE ] TWO", "'['"),
    "parentheses": ("ONE (LAUGHS) TWO", "'(LAUGHS)'"),
    "id of a trn file": ("ONE TWO SIX (SIX-02)", "'(SIX-02)'"),
    "pluses": ("ONE ++UM++ TWO SIX", "'++UM++'"),
    "times of subtitles": ("00:00:01,200 --> 00:00:02,000", "'00:00:01,200'"),
    "a speaker": ("SPEAKER1: ONE TWO SIX", "'SPEAKER1:'"),
    "entity": ("ONE &AMP; TWO SIX", "'&AMP;'"),
    "a tag with a space": ("ONE <B COLOR=9> TWO", "'<'"),
    "escape": ("ONE\\NTWO SIX ONE", "'\\\\N'"),
    "quotes of a table": ('"ONE ""TWO"" SIX"', "quotation marks of a table"),
    "asterisk": ("ONE *TWO SIX ONE", "'*T'"),
    "empty cell": ("None", "'None'"),
    "file name": ("/DATA/a.wav", "'/a.wav'"),
    "no letter": ("... - ... - ...", "no letter"),
    "subword-nmt": ("ONE TW@@ O SIX", "'W@@'"),
    "private use": ("ONE \ue000 TWO SIX", "U+E000"),
}
PLAIN = (
    "ONE @@ TWO",
    "ONE TWO, SIX.", "IT'S TWO - SIX", "10:30 AND 50 % TWO", "NAN TWO SIX",
    "ONE/TWO AND SIX", "AT&T TWO SIX", "NONE OF SIX TWO", "A: ONE TWO SIX",
    '"ONE TWO" SIX TWO', "ONE + TWO = SIX",
)  # fmt: skip


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path)


def kinds_of(corpus, tmp_path, text, *options):
    edit(corpus[0], "text", 3, f"{U3} {text}")
    found = found_in(corpus, tmp_path / "out", *options)[1]
    # Few transcripts have lower-case letters, or a usual number of letters.
    others = ("mixed-case", "text-rate", "rare-characters")
    return [(one["kind"], one["reason"]) for one in found if one["kind"] not in others]


@pytest.mark.parametrize("what", MARKED)
def test_what_nobody_says(corpus, tmp_path, what):
    text, reason = MARKED[what]
    found = kinds_of(corpus, tmp_path, text)
    assert {kind for kind, _ in found} == {"markup"}
    assert any(reason in said for _, said in found)


@pytest.mark.parametrize("text", PLAIN)
def test_usual_signs_are_no_markup(corpus, tmp_path, text):
    assert kinds_of(corpus, tmp_path, text) == []


@pytest.mark.parametrize(
    "text, listed", [("%HES ONE TWO", "%HES"), ("ONE (()) TWO", "(())"), ("<a", "<")]
)
def test_listed_symbols_are_expected(corpus, tmp_path, text, listed):
    (tmp_path / "listed").write_text(f"{listed}\n")
    options = ("--nlsyms", tmp_path / "listed")
    assert kinds_of(corpus, tmp_path, text) != []
    assert kinds_of(corpus, tmp_path, text, *options) == []


@pytest.mark.parametrize("code", ["cp1252", "cp1251"])
@pytest.mark.parametrize("word", ["CAFé", "naïve", "привет", "größe"])
def test_utf8_that_was_read_as_a_code_page(corpus, tmp_path, code, word):
    wrong = word.encode().decode(code)
    found = [one for one in kinds_of(corpus, tmp_path, wrong) if one[0] == WRONG]
    if code == "cp1252" or word == "привет":
        assert found == [(WRONG, f"{wrong!r} should be {word!r}")]
    assert kinds_of(corpus, tmp_path, word) == []


WRONG = "wrong-decoding"


@pytest.mark.parametrize(
    "text", ["CAFÉ…", "ÜBER DÉJÀ", "IRMÃ” SÃO", "Київ її", "Сі РЁ ёлка", "À»"]
)
def test_letters_that_are_right(corpus, tmp_path, text):
    assert kinds_of(corpus, tmp_path, text) == []


@pytest.mark.parametrize(
    "text, usual",
    [("ＯＮＥ TWO", "ONE"), ("\ufb01VE", "fi"), ("ｶﾅ", "カナ"), ("\ufedf\ufe8e", "لا")],
)
def test_letters_in_another_form(corpus, tmp_path, text, usual):
    ((kind, said),) = kinds_of(corpus, tmp_path, text)
    assert kind == "compatibility" and repr(usual) in said


def test_signs_of_chinese_and_thai_are_usual(corpus, tmp_path):
    assert kinds_of(corpus, tmp_path, "一，二！น้ำ㎞½") == []


def test_two_apostrophes_in_one_corpus(corpus, tmp_path):
    edit(corpus[0], "text", 3, f"{U3} DON'T TWO'S")
    edit(corpus[0], "text", 4, "train-a-03 DON\u2019T TWO")
    _, found = found_in(corpus, tmp_path / "out")
    assert [(one["kind"], one["line"], one["id"]) for one in found] == [
        ("look-alikes", 4, "train-a-03")
    ]
    assert "2 times" in found[0]["reason"] and "RIGHT SINGLE" in found[0]["reason"]


def test_a_set_in_another_case_is_one_finding(corpus, tmp_path):
    train, dev, _ = corpus
    rows = [one.split(maxsplit=1) for one in table(dev, "text")]
    (dev / "text").write_text("".join(f"{u} {t.lower()}" for u, t in rows))
    status, found = found_in(corpus, tmp_path / "out")
    assert [one["kind"] for one in found] == ["mixed-case"] and status == 1
    assert f"in lower case, those of {train} in upper" in found[0]["reason"]
    status, found = found_in(corpus, tmp_path / "out", "--valid", dev)
    assert [one["kind"] for one in found] == ["unknown-characters"] and status == 2


def test_letters_beside_an_invisible_character_stay_readable(corpus, tmp_path):
    edit(corpus[0], "text", 3, f"{U3} می\u200cخواهم\u200f")
    edit(corpus[0], "text", 4, "train-a-03 ПЯТЬ \ue000")
    found_in(corpus, tmp_path / "out")
    said = (tmp_path / "out/check_data.txt").read_text()
    assert "\\u" not in said.split("ERROR")[0]


def test_the_form_of_decomposed_korean_tokens():
    assert list_form(["<blank>", "\u1112", "\u1161", "\u11ab"]) == "NFD"
    assert list_form(["<blank>", "\ud55c"]) == "NFC"
    assert list_form(["<blank>", "\u3131", "\u3142"]) == "NFC"


@pytest.mark.parametrize("sign", [*'(*/1+&%\\"<[:é', "((", "1:", "/a", "++a", "a*"])
def test_long_lines_do_not_take_quadratic_time(sign):
    text = sign * (200_000 // len(sign)) + "x"
    start = time.process_time()
    list(markup_in(text, ())), list(wrongly_decoded(text))
    # It takes some 0.01 s; a pattern that starts anew at each sign takes minutes.
    assert time.process_time() - start < 2.0


def test_a_column_too_many(corpus, tmp_path):
    """The name or the speaker stands before the words, as in tables of corpora."""
    train, dev, _ = corpus
    edit(train, "text", 3, f"{U3} {U3} ONE TWO")
    rows = [one.split(maxsplit=1) for one in table(dev, "text")]
    (dev / "text").write_text("".join(f"{u} dev-a {t}" for u, t in rows))
    options = ("--ignore", "text-rate", "mixed-case", "rare-characters")
    _, found = found_in(corpus, tmp_path / "out", *options)
    assert [(one["kind"], one["line"], one["id"]) for one in found] == [
        ("markup", 1, "dev-a-00"), ("markup", 3, U3)
    ]  # fmt: skip
    assert "4 transcripts begin with the name of their speaker" in found[0]["reason"]
    assert "name of its utterance" in found[1]["reason"]


def test_a_name_in_two_forms_of_unicode(corpus, tmp_path):
    train, *_ = corpus
    for name, utt in (("text", "e\u0301"), ("wav.scp", "\xe9"), ("utt2spk", "\xe9")):
        edit(train, name, 14, table(train, name)[13].replace("train-a-13", utt).strip())
    _, found = found_in(corpus, tmp_path / "out")
    said = {one["reason"] for one in found if one["kind"] == "not-everywhere"}
    hint = "line 14 is the same name in Unicode's form"
    assert said and all(hint in one for one in said)

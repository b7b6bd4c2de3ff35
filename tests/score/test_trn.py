"""ESPnet's transcripts, as asr.sh writes them, and the folders around them."""

import pytest
from result_folders import write_trn

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.results.espnet_folder import choose_decoding, choose_set
from espnet_plugin.score.trn import read_trn, score_trn, split_trn_name

RESULT = """\
     | SPKR     | # Snt # Wrd | Corr    Sub    Del    Ins    Err  S.Err |
     | Sum/Avg  |   3      9  | 66.7   22.2   11.1    0.0   {err}   66.7 |
     |  Mean    |  1.5    4.5 | 66.7   22.2   11.1    0.0   33.3   66.7 |
"""


REFERENCES = {
    ("s-1", "s-1-a"): "one two three",
    ("s-1", "s-1-b"): "(noise) two three",
    ("t", "t-a"): "one two three",
}
HYPOTHESES = {
    ("s-1", "s-1-a"): "one two three",
    ("s-1", "s-1-b"): "two free",
    ("t", "t-a"): "won two three",
}


def test_scores_are_counted_by_utterance_and_speaker(tmp_path, caplog):
    write_trn(tmp_path / "score_wer", REFERENCES, HYPOTHESES)
    (tmp_path / "score_wer/result.txt").write_text(RESULT.format(err="33.3"))
    score = score_trn(tmp_path)
    assert score["words"] == 9 and score["wer"] == pytest.approx(100 * 3 / 9)
    assert [(e["utt"], e["spk"], e["errors"]) for e in score["per_utterance"]] == [
        ("s-1-a", "s-1", 0),
        ("s-1-b", "s-1", 2),
        ("t-a", "t", 1),
    ]
    assert not caplog.text
    (tmp_path / "score_wer/result.txt").write_text(RESULT.format(err="30.0"))
    score_trn(tmp_path)
    assert "result.txt says 30.0 %, but 33.3 % is counted here" in caplog.text


def test_characters_alone_are_joined_to_words(tmp_path):
    spell = {
        key: " ".join("<space>" if c == " " else c for c in text)
        for key, text in REFERENCES.items()
    }
    write_trn(tmp_path / "score_cer", spell, spell)
    score = score_trn(tmp_path)
    assert score["wer"] == score["cer"] == 0 and score["words"] == 9
    assert score["chars"] == sum(map(len, REFERENCES.values()))


@pytest.mark.parametrize(
    "name, known, expected",
    [
        ("s1-s1-u2", {}, ("s1", "s1-u2")),
        ("a-b-a-b-u", {}, ("a-b", "a-b-u")),
        ("a-b-u", {}, ("a", "b-u")),
        ("a-b-u", {"u": ""}, ("a-b", "u")),
        ("u", {}, ("u", "u")),
    ],
)
def test_speaker_and_utterance(name, known, expected):
    assert split_trn_name(name, known) == expected


def test_text_beside_tells_the_utterances(tmp_path):
    texts = {("a-b", "u1"): "x", ("a-b", "u2"): "y"}
    write_trn(tmp_path / "score_wer", texts, texts)
    (tmp_path / "text").write_text("u1 x\nu2 y\n")
    entries = score_trn(tmp_path)["per_utterance"]
    assert [(e["utt"], e["spk"]) for e in entries] == [("u1", "a-b"), ("u2", "a-b")]


def test_damaged_transcripts_are_refused(tmp_path):
    with pytest.raises(UserError, match="run ESPnet's scoring stage"):
        read_trn(tmp_path / "ref.trn")
    (tmp_path / "ref.trn").write_text("fine\t(a-1)\n\nno name\n")
    with pytest.raises(UserError, match="ref.trn:3: 'no name' .*.speaker-utterance."):
        read_trn(tmp_path / "ref.trn")
    (tmp_path / "ref.trn").write_text("one\t(a-1)\ntwo\t(a-1)\n")
    with pytest.raises(UserError, match="is listed twice"):
        read_trn(tmp_path / "ref.trn")
    write_trn(tmp_path / "score_wer", REFERENCES, {("t", "t-a"): "one"})
    with pytest.raises(UserError, match="hyp.trn lacks 2 of 3 utterances"):
        score_trn(tmp_path)
    write_trn(tmp_path / "score_wer", {("t", "t-a"): ""}, {("t", "t-a"): ""})
    with pytest.raises(UserError, match="contains? no words"):
        score_trn(tmp_path)


def test_decodings_and_sets_are_found(tmp_path):
    for path in ("decode_a/test/score_wer", "decode_a/org/dev/score_cer"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "ref.trn").touch()
    (tmp_path / "images").mkdir()
    scores = Experiment(tmp_path).scored()
    assert scores == {
        "decode_a": {
            "test": DecodedSet(tmp_path / "decode_a/test"),
            "org/dev": DecodedSet(tmp_path / "decode_a/org/dev"),
        }
    }
    for wanted in (None, "a", "decode_a"):
        assert choose_decoding(tmp_path, scores, wanted) == "decode_a"
    assert choose_decoding(tmp_path, scores, "b") == "decode_b"
    both = tuple(scores["decode_a"].values())
    for dev in ("dev", "org/dev", "unknown"):
        assert choose_set(tmp_path, scores["decode_a"], None, dev) == both
    assert choose_set(tmp_path, scores["decode_a"], "test", "dev") == both
    assert choose_set(tmp_path, scores["decode_a"], "other", "dev")[0] is None


def test_one_of_several_has_to_be_named(tmp_path):
    scores = {"inference": {}, "decode_lm": {}}
    with pytest.raises(UserError, match="inference, decode_lm.*--decoding"):
        choose_decoding(tmp_path, scores, None)
    assert choose_decoding(tmp_path, scores, "inference") == "inference"
    assert choose_decoding(tmp_path, scores, "lm") == "decode_lm"
    sets = {name: DecodedSet(tmp_path / name) for name in ("dev", "clean", "other")}
    with pytest.raises(UserError, match="clean, other.*--test_set"):
        choose_set(tmp_path, sets, None, "dev")

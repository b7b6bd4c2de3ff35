"""Error counts against a slow edit distance, intervals against what theory says."""

import json
import math
import random

import numpy as np
import pytest

from espnet_plugin.bin import score as score_command
from espnet_plugin.errors import UserError
from espnet_plugin.score.bootstrap import (
    bootstrap_interval,
    paired_bootstrap,
    sum_by_unit,
)
from espnet_plugin.score.result_text import result_text, summary_table
from espnet_plugin.score.values import Counts
from espnet_plugin.score.wer import (
    compare_scores,
    count_errors,
    score_files,
    score_texts,
)


def slow_edit_distance(first, second):
    """Levenshtein distance by the recursion of its definition, remembered."""
    known = {}

    def distance(i, j):
        if i == 0 or j == 0:
            return i + j
        if (i, j) not in known:
            known[i, j] = min(
                distance(i - 1, j) + 1,
                distance(i, j - 1) + 1,
                distance(i - 1, j - 1) + (first[i - 1] != second[j - 1]),
            )
        return known[i, j]

    return distance(len(first), len(second))


@pytest.mark.parametrize("seed", range(40))
def test_counts_agree_with_slow_edit_distance(seed):
    chance = random.Random(seed)
    words = ["a", "bc", "cab", "dd"]
    reference = [chance.choice(words) for _ in range(chance.randint(1, 9))]
    hypothesis = [chance.choice(words) for _ in range(chance.randint(0, 9))]
    in_words, in_chars = count_errors(" ".join(reference), " ".join(hypothesis))
    assert in_words.errors == slow_edit_distance(reference, hypothesis)
    assert in_words.reference == len(reference)
    # Whatever the path: what is not deleted or substituted was recognised.
    assert in_words.correct + in_words.substitutions + in_words.insertions == len(
        hypothesis
    )
    assert in_chars.errors == slow_edit_distance(
        " ".join(reference), " ".join(hypothesis)
    )
    assert in_chars.reference == len(" ".join(reference))


def test_counts_agree_with_kaldialign():
    """Another library; where it is not installed, the slow distance above has to do."""
    kaldialign = pytest.importorskip("kaldialign")
    chance = random.Random(1)
    for _ in range(300):
        reference = [chance.choice("abcd") for _ in range(chance.randint(1, 12))]
        hypothesis = [chance.choice("abcd") for _ in range(chance.randint(0, 12))]
        theirs = kaldialign.edit_distance(reference, hypothesis)
        ours = count_errors(" ".join(reference), " ".join(hypothesis))[0]
        assert ours.errors == theirs["total"]
        assert ours.insertions - ours.deletions == theirs["ins"] - theirs["del"]


def test_interval_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(11)
    words = generator.integers(2, 15, size=130)
    errors = generator.binomial(words, 0.15)
    theirs = stats.bootstrap(
        (errors, words),
        lambda e, w, axis=-1: 100 * e.sum(axis=axis) / w.sum(axis=axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    low, high = bootstrap_interval(errors, words, 4000)
    assert low == pytest.approx(theirs.low, abs=0.35)
    assert high == pytest.approx(theirs.high, abs=0.35)
    assert high - low > 4


@pytest.mark.parametrize(
    "reference, hypothesis, words",
    [
        ("a b c", "a b c", Counts(3, 0, 0, 0)),
        ("a b c", "", Counts(3, 0, 3, 0)),
        ("a b", "a x y b", Counts(2, 0, 0, 2)),
        ("a b", "a c", Counts(2, 1, 0, 0)),
        ("a b", "b", Counts(2, 0, 1, 0)),
        ("", "a b", Counts(0, 0, 0, 2)),
        ("", "", Counts(0, 0, 0, 0)),
        ("  a \t b ", "a b", Counts(2, 0, 0, 0)),
    ],
)
def test_counts_of_cases_known_by_hand(reference, hypothesis, words):
    assert count_errors(reference, hypothesis)[0] == words


def test_characters_count_spaces_between_words():
    assert count_errors("ab c", "abc")[1] == Counts(4, 0, 1, 0)
    assert count_errors("", "a b")[1] == Counts(0, 0, 0, 3)


def test_totals_pool_utterances_rather_than_average_rates():
    score = score_texts(
        {"a": "x", "b": "1 2 3 4 5 6 7 8 9"}, {"a": "y", "b": "1 2 3 4 5 6 7 8 9"}
    )
    assert score.words.rate == pytest.approx(10.0)
    assert len(score.wrong_utterances) == 1


def test_interval_has_no_width_where_all_utterances_are_alike():
    low, high = bootstrap_interval([1] * 50, [4] * 50, resamples=500)
    assert low == high == 25.0


def test_interval_agrees_with_normal_approximation():
    generator = np.random.default_rng(3)
    words = np.full(2000, 10)
    errors = generator.binomial(10, 0.2, size=2000)
    low, high = bootstrap_interval(errors, words, resamples=4000)
    rate = 100 * errors.sum() / words.sum()
    half = 1.96 * 100 * (errors / 10).std() / math.sqrt(2000)
    assert low == pytest.approx(rate - half, abs=0.1 * half)
    assert high == pytest.approx(rate + half, abs=0.1 * half)


def test_interval_is_wider_by_speaker_where_speakers_differ():
    """Each speaker is wholly right or wholly wrong: 10 draws, not 200."""
    speakers = [f"s{i // 20}" for i in range(200)]
    errors = [2 if i // 20 % 2 else 0 for i in range(200)]
    by_utterance = bootstrap_interval(errors, [10] * 200)
    by_speaker = bootstrap_interval(
        sum_by_unit(errors, speakers), sum_by_unit([10] * 200, speakers)
    )
    ratio = (by_speaker[1] - by_speaker[0]) / (by_utterance[1] - by_utterance[0])
    assert ratio == pytest.approx(math.sqrt(20), rel=0.2)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        errors = generator.binomial(8, 0.1, size=100)
        low, high = bootstrap_interval(errors, [8] * 100, resamples=400, seed=seed)
        covered += low <= 10.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_same_seed_same_interval():
    errors, words = [0, 1, 2, 0, 3], [5, 5, 4, 6, 7]
    first = bootstrap_interval(errors, words, 300, seed=1)
    assert first == bootstrap_interval(errors, words, 300, seed=1)
    # Draws of a single utterance without a word have no rate and must not give NaN.
    assert all(math.isfinite(x) for x in bootstrap_interval([1, 0], [0, 3], 300))


def test_sum_by_unit_keeps_order_of_appearance():
    assert sum_by_unit([1, 2, 3, 4], ["b", "a", "b", "a"]).tolist() == [4.0, 6.0]


def test_paired_bootstrap_of_identical_systems():
    compared = paired_bootstrap([1, 0, 2, 1], [1, 0, 2, 1], [5, 5, 5, 5], 500)
    assert compared.difference == 0.0
    assert compared.ci95 == (0.0, 0.0)
    assert compared.p_value == 1.0
    assert compared.sentence("A", "B").startswith(
        "no difference shown between A and B at 20 words"
    )


def test_paired_bootstrap_is_symmetric():
    generator = np.random.default_rng(5)
    first, second = generator.binomial(6, [[0.10], [0.12]], size=(2, 130))
    words = np.full(130, 6)
    there = paired_bootstrap(first, second, words, 2000)
    back = paired_bootstrap(second, first, words, 2000)
    assert there.difference == pytest.approx(-back.difference)
    assert there.ci95 == pytest.approx((-back.ci95[1], -back.ci95[0]))
    assert there.p_value == back.p_value


def test_paired_bootstrap_agrees_with_normal_approximation():
    generator = np.random.default_rng(7)
    first, second = generator.binomial(10, [[0.20], [0.19]], size=(2, 1500))
    compared = paired_bootstrap(first, second, np.full(1500, 10), 8000)
    differences = (second - first) / 10
    z = differences.mean() / (differences.std() / math.sqrt(1500))
    expected = math.erfc(abs(z) / math.sqrt(2))
    assert 0.01 < expected < 0.9
    assert compared.p_value == pytest.approx(expected, rel=0.25)


def test_paired_bootstrap_sees_a_difference_that_unpaired_intervals_hide():
    """Hard utterances are hard for both; the second is better by one word in each."""
    first = [1 + 8 * (i % 2) for i in range(60)]
    second = [e - 1 for e in first]
    words = [10] * 60
    assert bootstrap_interval(first, words)[0] < bootstrap_interval(second, words)[1]
    compared = paired_bootstrap(first, second, words)
    assert compared.p_value < 0.001
    assert compared.sentence("A", "B").startswith(
        "B makes 10.0 to 10.0 points fewer errors than A at 600 words"
    )
    back = paired_bootstrap(second, first, words)
    assert back.sentence("A", "B").startswith("A makes 10.0 to 10.0 points fewer")


def test_compare_scores_reads_score_json_in_any_order():
    references = {"a": "x y", "b": "z w"}
    good = score_texts(references, {"a": "x y", "b": "z w"}).to_dict()
    bad = score_texts(references, {"b": "q", "a": "x"}).to_dict()
    good["per_utterance"].reverse()
    assert compare_scores(good, bad, resamples=200).difference == pytest.approx(75.0)
    other = score_texts({"a": "x y", "b": "z"}, {"a": "x y", "b": "z"}).to_dict()
    with pytest.raises(UserError, match="1 utterances have different references"):
        compare_scores(good, other)
    with pytest.raises(UserError, match="lacks 1 of 2 utterances .b."):
        compare_scores(good, score_texts({"a": "x y"}, {"a": "x y"}).to_dict())


@pytest.fixture
def files(tmp_path):
    (tmp_path / "ref").write_text("".join(f"u{i} one two\n" for i in range(9)))
    (tmp_path / "hyp").write_text("".join(f"u{i} one two\n" for i in range(9)))
    (tmp_path / "utt2spk").write_text("".join(f"u{i} s{i % 3}\n" for i in range(9)))
    return tmp_path


def test_missing_and_surplus_utterances_are_named(files):
    (files / "hyp").write_text("u0 one two\nu1 one\nx9 what\n")
    with pytest.raises(UserError) as caught:
        score_files(files / "ref", files / "hyp")
    message = str(caught.value)
    assert str(files / "hyp") in message
    assert "lacks 7 of 9 utterances (u2, u3, u4, u5, u6, ...)" in message
    assert "1 extra utterances (x9)" in message


def test_transcripts_in_another_case_are_named(files, caplog):
    lines = [f"u{i} ONE TWO\n" for i in range(9)]
    (files / "hyp").write_text("".join(lines[:8]) + "u8 one too\n")
    assert score_files(files / "ref", files / "hyp").words.errors == 17
    assert "16 of 17 errors are differences between upper and lower" in caplog.text
    # Wrong words in the same case, and a few in the other.
    for wrong in ("u{} six six\n", "u{} SIX SIX\n"):
        caplog.clear()
        (files / "hyp").write_text("".join(wrong.format(i) for i in range(9)))
        score_files(files / "ref", files / "hyp")
        assert "lower case" not in caplog.text


@pytest.mark.parametrize(
    "line, says",
    [
        ("one two (spk-u{})", "trn"),
        ("(spk-u{})", "trn"),  # nothing was recognised
        ("u{} 1 0.00 0.35 one", "ctm"),
        ("u{} 1 0.00 0.35 one 0.98", "ctm"),
        ("u{} A spk 0.00 2.5 <o,f0,male> one two", "stm"),
    ],
)
@pytest.mark.parametrize("wrong", ["ref", "hyp"])
def test_files_of_another_format_are_named(files, line, says, wrong):
    (files / wrong).write_text("".join(line.format(i) + "\n" for i in range(9)))
    if line.startswith("one"):  # the first words would be names, and must differ
        text = (files / wrong).read_text().splitlines()
        (files / wrong).write_text("".join(f"w{i} {x}\n" for i, x in enumerate(text)))
    with pytest.raises(UserError, match=f"{files / wrong}: .*{says}.*Kaldi text file"):
        score_files(files / "ref", files / "hyp")


@pytest.mark.parametrize(
    "words", ["1 2 3 4 5", "one two (laugh)", "zero 0.5", "(one) two", "(u{}) one"]
)
def test_transcripts_that_look_a_little_like_another_format(files, words):
    for name in ("ref", "hyp"):
        (files / name).write_text(
            "".join(f"u{i} {words.format(i)}\n" for i in range(9))
        )
    assert score_files(files / "ref", files / "hyp").words.errors == 0


@pytest.mark.parametrize(
    "words, says",
    [
        ("o n e <space> t w o", "9 of 63 words are the symbol <space>"),
        ("\u2581one \u2581t wo", "18 of 27 words begin with \u2581"),
        ("one, two.", "18 of 18 errors are differences of punctuation"),
        ("six, seven.", None),
    ],
)
def test_what_explains_most_errors(files, words, says, caplog):
    (files / "hyp").write_text("".join(f"u{i} {words}\n" for i in range(9)))
    score_files(files / "ref", files / "hyp")
    found = [one.getMessage() for one in caplog.records]
    assert len(found) == (says is not None)
    assert says is None or (says in found[0] and str(files / "hyp") in found[0])


def test_no_name_in_common(files):
    (files / "hyp").write_text("".join(f"v{i} one two\n" for i in range(9)))
    with pytest.raises(UserError, match="give two texts of one set") as caught:
        score_files(files / "ref", files / "hyp")
    assert "decode" not in str(caught.value)


def test_speakers_must_be_known_for_a_bootstrap_over_them(files):
    with pytest.raises(UserError, match="utt2spk"):
        score_files(files / "ref", files / "hyp", unit="speaker")
    (files / "utt2spk").write_text("u0 s0\n")
    with pytest.raises(UserError, match="lacks 8 of 9"):
        score_files(files / "ref", files / "hyp", files / "utt2spk")
    with pytest.raises(UserError, match="choose from utterance, speaker"):
        score_files(files / "ref", files / "hyp", unit="sentence")


def test_references_without_a_word_are_refused(files):
    (files / "ref").write_text("".join(f"u{i}\n" for i in range(9)))
    with pytest.raises(UserError, match="contains no words"):
        score_files(files / "ref", files / "hyp")
    (files / "ref").write_text("")
    with pytest.raises(UserError, match="contains no utterances"):
        score_files(files / "ref", files / "hyp")


def test_result_text_shows_wrong_utterances_only():
    score = score_texts(
        {"good": "same", "bad": "a b c d", "none": ""},
        {"good": "same", "bad": "a x c", "none": "noise"},
        resamples=100,
    )
    # 5 words: 3 right, 1 substituted, 1 deleted, 1 inserted; 2 of 3 utterances wrong.
    assert summary_table(score, "test").splitlines()[-1] == (
        "|test|3|5|60.0|20.0|20.0|20.0|60.0|66.7|"
    )
    text = result_text(score, "test")
    assert "REF: a b c d" in text and "HYP: a x c *" in text
    assert "REF: (empty)\nHYP: noise" in text
    assert "good" not in text
    assert "CER" in result_text(score, "test", "char")


def test_command_writes_the_score_files(files, capsys):
    (files / "hyp").write_text("u0\n" + "".join(f"u{i} one two\n" for i in range(1, 9)))
    options = ["--ref", "ref", "--hyp", "hyp", "--utt2spk", "utt2spk"]
    options[1::2] = [str(files / name) for name in options[1::2]]
    out = files / "decode" / "test"
    options += ["--output_dir", str(out), "--unit_of_bootstrap", "speaker"]
    assert score_command.main(options) == 0
    content = json.loads((out / "score.json").read_text())
    assert content["utterances"] == 9 and content["words"] == 18
    assert content["deletions"] == 2
    assert content["wer"] == pytest.approx(100 * 2 / 18)
    assert content["bootstrap"]["unit"] == "speaker"
    assert content["per_utterance"][0]["spk"] == "s0"
    assert content["per_utterance"][0]["errors"] == 2
    assert content["cer"] == pytest.approx(100 / 9)
    assert "|test|9|18|" in capsys.readouterr().out
    assert (out / "score_wer" / "result.txt").exists()
    assert (out / "score_cer" / "result.txt").exists()


def test_command_ends_with_status_2_on_bad_input(files):
    (files / "hyp").write_text("u0 one\n")
    status = score_command.main(
        ["--ref", str(files / "ref"), "--hyp", str(files / "hyp")]
        + ["--output_dir", str(files / "out")]
    )
    assert status == 2
    assert not (files / "out").exists()

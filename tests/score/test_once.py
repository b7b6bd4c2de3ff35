"""A score is computed again as soon as one of the things that decide it has changed."""

from dataclasses import replace

import pytest

from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.files import read_json, write_json
from espnet_plugin.score import once
from espnet_plugin.score.once import ScoreRequest, score_once
from espnet_plugin.score.wer import score_files


@pytest.fixture
def request_(tmp_path):
    """A scored set of two speakers."""
    texts = {
        "text": "a-1 one two\na-2 three four\nb-1 five six seven\n",
        "hyp": "a-1 one\na-2 three four\nb-1 five six eight\n",
        "utt2spk": "a-1 a\na-2 a\nb-1 b\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return ScoreRequest(
        *(tmp_path / "text", tmp_path / "hyp", tmp_path / "utt2spk"),
        resamples=50,
        dataset="test",
    )


@pytest.fixture
def decoded(tmp_path):
    return DecodedSet(tmp_path / "exp/decode_best_path/test")


def stamps(decoded):
    paths = [
        decoded.score_file,
        decoded.result_file("word"),
        decoded.result_file("char"),
    ]
    return [path.stat().st_mtime_ns for path in paths]


def test_nothing_is_repeated_while_nothing_has_changed(request_, decoded, tmp_path):
    assert score_once(request_, decoded)
    before = stamps(decoded)
    assert not score_once(request_, decoded)
    # The same content under another name, or written again, is the same.
    moved = tmp_path / "moved"
    moved.write_bytes(request_.reference.read_bytes())
    request_.hypothesis.write_bytes(request_.hypothesis.read_bytes())
    assert not score_once(replace(request_, reference=moved), decoded)
    assert stamps(decoded) == before
    # And it is what scoring directly says.
    score = score_files(
        *(request_.reference, request_.hypothesis, request_.utt2spk), resamples=50
    )
    assert read_json(decoded.score_file) == score.to_dict()


def _reference(request):
    request.reference.write_text(request.reference.read_text().replace("two", "2"))


def _hypothesis(request):
    request.hypothesis.write_text(request.hypothesis.read_text().replace("eight", "7"))


def _speakers(request):
    request.utt2spk.write_text(request.utt2spk.read_text().replace("b-1 b", "b-1 c"))


INPUTS = {
    "reference text": _reference,
    "hypothesis text": _hypothesis,
    "speakers": _speakers,
    "no speakers": lambda request: replace(request, utt2spk=None),
    "draws": lambda request: replace(request, resamples=51),
    "seed": lambda request: replace(request, seed=1),
    "unit": lambda request: replace(request, unit="speaker"),
    "name": lambda request: replace(request, dataset="other"),
}


@pytest.mark.parametrize("what", INPUTS)
def test_each_input_counts_for_itself(what, request_, decoded):
    score_once(request_, decoded)
    changed = INPUTS[what](request_) or request_
    assert score_once(changed, decoded)
    assert not score_once(changed, decoded)
    score = score_files(
        *(changed.reference, changed.hypothesis, changed.utt2spk),
        *(changed.unit, changed.resamples, changed.seed),
    )
    assert read_json(decoded.score_file) == score.to_dict()


def test_line_ends_of_a_text_do_not_count(request_, decoded):
    score_once(request_, decoded)
    for path in (request_.reference, request_.hypothesis):
        path.write_bytes(path.read_bytes().replace(b"\n", b" \r\n"))
    assert not score_once(request_, decoded)


def test_another_way_of_scoring_counts(request_, decoded, monkeypatch):
    score_once(request_, decoded)
    monkeypatch.setattr(once, "SCORE_VERSION", once.SCORE_VERSION + 1)
    assert score_once(request_, decoded)


@pytest.mark.parametrize("name", ["score.json", "score_wer/result.txt", "scored.json"])
@pytest.mark.parametrize("how", ["gone", "damaged", "other"])
def test_a_result_that_is_not_whole_is_written_again(name, how, request_, decoded):
    score_once(request_, decoded)
    path = decoded.folder / name
    before = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "damaged":
        path.write_bytes(before[: len(before) // 2])
    else:
        write_json(path, {"wer": 0.0})
    assert score_once(request_, decoded)
    assert path.read_bytes() == before


def test_scores_of_earlier_versions_are_renewed_once(request_, decoded):
    """They have no record of what they were computed from."""
    score_once(request_, decoded)
    decoded.scored_file.unlink()
    assert score_once(request_, decoded)
    assert not score_once(request_, decoded)

"""From a file to words: what a model with known posteriors must give."""

import tracemalloc

import numpy as np
import pytest
import soundfile
import torch
from fake_ctc_model import FRAME, SAMPLE_RATE, SURE, FakeModel, say, silence

from espnet_plugin.decode.best_path import best_path
from espnet_plugin.errors import UserError
from espnet_plugin.recognise.confidence import Calibration
from espnet_plugin.recognise.hotwords import Phrase
from espnet_plugin.recognise.recogniser import Recogniser, SearchOptions


def write(path, samples, rate=SAMPLE_RATE):
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return str(path)


def test_words_times_and_confidence(tmp_path):
    samples = np.concatenate([silence(0.4), say("HELLO"), silence(1.0), say(" YOU")])
    path = write(tmp_path / "hello.wav", samples)
    transcript = Recogniser(FakeModel()).file(path)
    assert transcript.text == "HELLO YOU" and transcript.file == path
    assert transcript.seconds == len(samples) / SAMPLE_RATE
    hello, you = transcript.words
    # Five letters of two frames, a blank after each; then one second, then a space.
    assert (hello.start, hello.end) == pytest.approx((0.4, 0.4 + 14 * 0.04))
    begin = 0.4 + 15 * 0.04 + 1.0 + 3 * 0.04
    assert (you.start, you.end) == pytest.approx((begin, begin + 8 * 0.04))
    assert hello.confidence == pytest.approx(SURE)
    assert not transcript.calibrated and transcript.notes == ()


def test_calibrated_confidence(tmp_path):
    path = write(tmp_path / "a.wav", say("ABC"))
    calibration = Calibration(2.0, "product", "abc")
    transcript = Recogniser(FakeModel(), calibration=calibration).file(path)
    others = len(FakeModel.tokens) - 1
    one = SURE**0.5 / (SURE**0.5 + others * ((1 - SURE) / others) ** 0.5)
    assert transcript.words[0].confidence == pytest.approx(one**3)
    assert transcript.calibrated


def test_long_audio_has_the_times_of_the_file(tmp_path):
    """Twelve words, a pause after each; pieces of at most four seconds."""
    words = ["ONE", "TWO", "THREE", "FOUR"] * 3
    samples = np.concatenate([np.append(say(word), silence(1.0)) for word in words])
    path = write(tmp_path / "long.wav", samples)
    options = SearchOptions(max_segment_seconds=4.0)
    transcript = Recogniser(FakeModel(), options).file(path)
    assert [word.text for word in transcript.words] != words  # joined: no space said
    assert transcript.text.replace(" ", "") == "".join(words)
    assert len(transcript.parts) > 4
    assert transcript.parts[0].start == 0
    for one, other in zip(transcript.parts, transcript.parts[1:]):
        assert one.end == other.start and one.end - one.start <= 4.0
    assert transcript.parts[-1].end == pytest.approx(transcript.seconds)
    # Without cuts it is the same but for where words are divided.
    whole = Recogniser(FakeModel(), SearchOptions(max_segment_seconds=99)).file(path)
    starts = [word.start for word in transcript.words]
    assert starts[0] == whole.words[0].start == 0.0
    # Each piece begins with a word that begins where it was said, to a frame.
    said, place = [], 0.0
    for word in words:
        said.append(place)
        place += 3 * 0.04 * len(word) + 1.0
    for start in starts:
        assert min(abs(start - time) for time in said) <= 0.04 + 1e-6


def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path):
    """Blocks, not files: 2 and 20 minutes at 44.1 kHz, both resampled."""
    recogniser = Recogniser(FakeModel(), SearchOptions(max_segment_seconds=10))
    peaks = []
    for minutes in (2, 20):
        path = tmp_path / "long.wav"
        with soundfile.SoundFile(path, "w", 44100, 1, "PCM_16") as sound:
            noise = 0.001 * np.random.default_rng(0).standard_normal(44100 * 60)
            for _ in range(minutes):
                sound.write(noise)
        recogniser.file(str(path))
        tracemalloc.start()
        recogniser.file(str(path))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 60e6  # the 20 minutes alone are 212 MB


@pytest.mark.parametrize("seed", range(4))
def test_without_a_beam_it_is_best_path_decoding(seed):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, len(FakeModel.tokens), 40) / 100
    samples = np.repeat(levels.astype(np.float32), FRAME)
    found = Recogniser(FakeModel()).search(samples)
    log_probs = torch.from_numpy(FakeModel().log_posteriors(samples))[None]
    (tokens, score), *_ = best_path(
        log_probs, torch.tensor([40]), drop=[len(FakeModel.tokens) - 1]
    )
    assert found.token_ids == tokens
    assert found.alternatives[0].score == pytest.approx(score)


def test_alternatives_and_contextual_words(tmp_path):
    path = write(tmp_path / "a.wav", say("ABA"))
    options = SearchOptions(nbest=5)
    (part,) = Recogniser(FakeModel(), options).file(path).parts
    texts = [one.text for one in part.alternatives]
    assert texts[0] == "ABA" and len(set(texts)) == 5
    scores = [one.score for one in part.alternatives]
    assert scores == sorted(scores, reverse=True)
    # A letter heard with 0.9 in two frames against 0.1 / 29 each: 11 and some.
    for weight, expected in ((0.5, "ABA"), (5.0, "ACA")):
        recogniser = Recogniser(FakeModel(), options, [Phrase("ACA", weight)])
        transcript = recogniser.file(path)
        assert transcript.text == expected
        assert transcript.parts[0].alternatives[0].text == expected
    # The word is one that was hardly heard, and its confidence says so.
    assert transcript.words[0].confidence < 0.01


def test_nothing_said_and_too_short(tmp_path):
    for samples in (silence(1.0), silence(1.0)[:10]):
        path = write(tmp_path / "quiet.wav", samples)
        for options in (SearchOptions(), SearchOptions(nbest=3)):
            transcript = Recogniser(FakeModel(), options).file(path)
            assert transcript.text == "" and transcript.words == ()


def test_a_bad_file_is_refused_after_its_good_beginning(tmp_path):
    samples = np.concatenate([say("HELLO")] * 30)
    samples[-1] = np.nan
    with pytest.raises(UserError, match="bad.wav holds a NaN"):
        Recogniser(FakeModel()).file(write(tmp_path / "bad.wav", samples))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(beam_size=0), "--beam_size 0"),
        (dict(beam_size=1001), "--beam_size 1001: must be at most 1000"),
        (dict(nbest=1001), "--nbest 1001: must be at most 1000"),
        (dict(nbest=0), "--nbest 0"),
        (dict(nbest=5, beam_size=4), "--beam_size 4.*--nbest 5"),
        (dict(max_segment_seconds=0.2), "--max_segment_seconds 0.2"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(UserError, match=message):
        Recogniser(FakeModel(), SearchOptions(**options))

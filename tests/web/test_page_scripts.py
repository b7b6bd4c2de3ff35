"""The page's own computing, in Node.js, against the Python recogniser."""

import io

import numpy as np
import pytest
import soundfile
from node import run_module
from scipy.signal import resample_poly

from espnet_plugin.recognise.confidence import aggregate, token_confidence
from espnet_plugin.recognise.segments import Segmenter
from espnet_plugin.recognise.vocabulary import Vocabulary
from espnet_plugin.recognise.words import align
from espnet_plugin.text import is_unspaced_letter

BLANK = 2


def log_probs(frames, vocabulary, seed):
    scores = 3 * np.random.default_rng(seed).standard_normal((frames, vocabulary))
    scores -= np.log(np.exp(scores).sum(1, keepdims=True))
    return scores.astype(np.float32)


def as_data(values):
    return {
        "data": values.ravel().tolist(),
        "frames": len(values),
        "vocabulary": values.shape[1],
    }


def as_spans(spans):
    names = {"token_id": "token", "first": "first", "last": "last", "peak": "peak"}
    return [{new: getattr(s, old) for old, new in names.items()} for s in spans]


def test_alignments_are_those_of_python():
    rng = np.random.default_rng(0)
    cases, expected = [], []
    for seed, (frames, count) in enumerate(
        [(1, 1), (9, 3), (40, 12), (40, 0), (60, 30)]
    ):
        values = log_probs(frames, 5, seed)
        tokens = rng.choice([0, 1, 3, 4], count).tolist()
        repeats = sum(a == b for a, b in zip(tokens, tokens[1:]))
        tokens = tokens[: max(0, count - repeats)]  # few enough for the frames
        cases.append({"values": as_data(values), "tokens": tokens})
        expected.append(as_spans(align(values, tokens, BLANK)))
    found = run_module(
        "ctc.js",
        """return cases.map(({ values, tokens }) => m.align(
            { ...values, data: Float32Array.from(values.data) }, tokens, blank));""",
        cases=cases,
        blank=BLANK,
    )
    assert found == expected and sum(map(len, expected)) > 30
    body = """try { m.align({ data: new Float32Array(5), frames: 1, vocabulary: 5 },
        [3, 3], 2); } catch (error) { return error.message; }"""
    assert "2 tokens" in run_module("ctc.js", body)


def test_the_best_path_is_the_same_as_a_whole_and_in_pieces():
    values = log_probs(200, 6, 7)
    best = values.argmax(1)
    new = np.concatenate([[True], best[1:] != best[:-1]])
    tokens = [t for t in best[new].tolist() if t != BLANK]
    found = run_module(
        "ctc.js",
        """const data = Float32Array.from(values.data);
        const silent = new Set([blank]);
        const running = new m.RunningBestPath(silent, (row, token) => row[token]);
        for (let place = 0, size = 0; place < values.frames; place += size) {
          size = Math.min(1 + (place % 7), values.frames - place);
          running.push({ data: data.subarray(6 * place), frames: size, vocabulary: 6 });
        }
        const whole = m.bestPath({ ...values, data }, silent);
        return { ...whole, spans: running.spans };""",
        values=as_data(values),
        blank=BLANK,
    )
    assert found["tokens"] == tokens
    assert found["score"] == pytest.approx(values.max(1).sum(dtype=np.float64))
    expected = align(values, tokens, BLANK)
    keys = ("token", "first", "last", "peak")
    assert [{key: s[key] for key in keys} for s in found["spans"]] == as_spans(expected)
    peaks = [values[s.peak, s.token_id] for s in expected]
    np.testing.assert_allclose([s["sure"] for s in found["spans"]], peaks)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_confidence_is_that_of_python(temperature):
    rows = log_probs(5, 8, 3)
    tokens = [1, 0, 7, 3, int(rows[4].argmax())]
    found = run_module(
        "confidence.js",
        """const sure = rows.map((row, n) => m.tokenConfidence(row, tokens[n], t));
        const ways = ["min", "mean", "product"].map((how) => m.aggregate(sure, how));
        return { sure, ways };
        """,
        rows=rows.tolist(),
        tokens=tokens,
        t=temperature,
    )
    expected = token_confidence(rows, tokens, [temperature])[:, 0]
    np.testing.assert_allclose(found["sure"], expected, rtol=1e-9)
    ways = [aggregate(expected, how) for how in ("min", "mean", "product")]
    np.testing.assert_allclose(found["ways"], ways, rtol=1e-9)


VOCABULARIES = {
    "char": ["<blank>", "<unk>", "<space>", "A", "\u00e4", "\U0001f600", "<sos/eos>"],
    "bpe": [
        *("<blank>", "<unk>", "\u2581", "\u2581the", "s", "\u2581a\u2581b"),
        *(f"<0x{value:02X}>" for value in (0x20, 0x41, 0xC3, 0xA4, 0xE2, 0x82, 0xAC)),
        "<sos/eos>",
    ],
    "word": ["<blank>", "ONE", "TWO", "\u00a0", "<sos/eos>"],
    "phn": ["<blank>", "AH0", "T", "<sos/eos>"],
    # Chinese and Thai letters, an accent, a joined emoji and punctuation.
    "char, unspaced": ["<blank>", *"\u6211\u4f60\u0e01\u0e31\u0e40ab'\u3002(\u300c"]
    + ["\u200d", "\U0001f600", "\U0001f3fd", "\u0301"],
    "char, spaced": ["<blank>", "<space>", *"\u6211\u4f60ab\u3002"],
    "bpe, unspaced": [
        "<blank>",
        "<unk>",
        "\u2581",
        "\u2581\u4eca\u5929",
        "\u6c14",
        "\u3002",
        "ab",
    ]
    + [f"<0x{value:02X}>" for value in "\u732b".encode()],
}


UNSPACED = [kind for kind in VOCABULARIES if "," in kind]


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_words_are_those_of_python(kind):
    vocabulary = Vocabulary(tuple(VOCABULARIES[kind]), kind.split(",")[0])
    rng = np.random.default_rng(1)
    count = len(vocabulary.tokens)
    sequences = [rng.integers(0, count, n).tolist() for n in [0, 1, 3] + 60 * [25]]
    values = {n: vocabulary.byte(n) for n in range(count)}
    found = run_module(
        "words.js",
        "return sequences.map((tokens) => m.joinWords(tokens, { pieces, bytes_of }));",
        sequences=sequences,
        pieces=vocabulary.pieces,
        bytes_of={n: value for n, value in values.items() if value is not None},
    )
    expected = [
        [
            {"text": w.text, "first": w.first, "last": w.last, "glued": w.glued}
            for w in words
        ]
        for words in map(vocabulary.words, sequences)
    ]
    assert found == expected and sum(map(len, expected)) > 60
    glued = [word["glued"] for words in expected for word in words]
    assert any(glued) == (kind in UNSPACED)


def test_scripts_without_spaces_are_those_of_python():
    letters = [code for code in range(0x40000) if not 0xD800 <= code < 0xE000]
    found = run_module(
        "words.js",
        "return letters.filter((code) => m.UNSPACED.test(String.fromCodePoint(code)));",
        letters=letters,
    )
    assert found == [code for code in letters if is_unspaced_letter(chr(code))]


def test_long_audio_is_cut_where_python_cuts_it():
    rng = np.random.default_rng(2)
    samples = 0.1 * rng.standard_normal(8000 * 31)
    for second in (3, 7.5, 8.2, 15, 21, 29):
        samples[int(8000 * second) : int(8000 * (second + 0.3))] *= 0.01
    samples = samples.astype(np.float32)
    for signal, most in ((samples, 5.0), (samples[:30000], 2.5), (0 * samples, 4.0)):
        found = run_module(
            "segments.js",
            """return [...m.split(Float32Array.from(samples), 8000, most)].map(
                (piece) => [piece.start, piece.samples.length]);""",
            samples=signal.tolist(),
            most=most,
        )
        pieces = Segmenter(8000, most).split([signal])
        assert found == [[piece.start, len(piece.samples)] for piece in pieces]
        assert len(found) > 1


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_resampling_is_that_of_scipy(rate):
    rng = np.random.default_rng(3)
    samples = rng.standard_normal(3001).astype(np.float32)
    found = run_module(
        "resample.js",
        """const signal = Float32Array.from(samples);
        const resampler = new m.Resampler(rate, 16000);
        const pieces = [];
        for (let place = 0; place < signal.length; place += 113) {
          pieces.push(resampler.push(signal.subarray(place, place + 113)));
        }
        pieces.push(resampler.finish());
        const both = [m.resample(signal, rate, 16000), m.joined(pieces)];
        return both.map((each) => [...each]);""",
        samples=samples.tolist(),
        rate=rate,
    )
    common = np.gcd(rate, 16000)
    expected = resample_poly(samples.astype(float), 16000 // common, rate // common)
    for each in found:
        assert len(each) == len(expected)
        np.testing.assert_allclose(each, expected, atol=2e-6)


@pytest.mark.parametrize(
    "kind, subtype, lost, rate",
    [
        ("WAV", "PCM_16", 0, 22050),
        ("WAV", "FLOAT", 100, 16000),
        ("FLAC", "PCM_24", 0, 96000),
    ],
)
def test_headers_tell_the_rate_and_what_is_missing(kind, subtype, lost, rate):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(800), rate or 16000, format=kind, subtype=subtype)
    content = file.getvalue()[: -lost or None]
    body = "return m.readHeader(Uint8Array.from(bytes).buffer);"
    found = run_module("sound_file.js", body, bytes=list(content))
    seconds = 800 / rate if kind == "FLAC" else None
    expected = {"rate": rate, "missing": lost, "empty": False, "cut": False}
    assert found == {**expected, "seconds": seconds}


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_that_has_lost_its_end(subtype):
    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).standard_normal(48000)
    soundfile.write(file, noise, 16000, format="OGG", subtype=subtype)
    whole = file.getvalue()
    contents = [whole[: len(whole) - lost] for lost in (0, 1, 200, len(whole) // 3)]
    body = "return all.map((one) => m.readHeader(Uint8Array.from(one).buffer).cut);"
    found = run_module("sound_file.js", body, all=[list(one) for one in contents])
    assert found == [False, True, True, True]


@pytest.mark.parametrize("rate, channels", [(16000, 1), (44100, 2), (8000, 1)])
def test_the_duration_that_an_mp3_file_announces(rate, channels):
    file = io.BytesIO()
    soundfile.write(file, np.zeros((3 * rate, channels)), rate, format="MP3")
    body = "return m.readHeader(Uint8Array.from(bytes).buffer).seconds;"
    found = run_module("sound_file.js", body, bytes=list(file.getvalue()))
    # Less what the encoder adds: at most four frames.
    frame = (1152 if rate > 24000 else 576) / rate
    assert 3.0 - 3 * frame < found <= 3.0


def test_a_word_of_audio_shorter_than_the_first_frame_has_a_duration():
    """Its frame is centred beyond the end of what was recorded."""
    spans = [{"token": n, "first": n, "last": n, "peak": n, "sure": 1} for n in (0, 1)]
    model = {"frame_seconds": 0.04, "first_frame_seconds": 0.03, "aggregate": "min"}
    found = run_module(
        "words.js",
        "return m.timedWords(spans, model, 5, 5.005);",
        spans=spans,
        model={**model, "pieces": [" A", " B"], "bytes_of": {}},
    )
    # As espnet_plugin.recognise.recogniser does.
    assert (found[0]["start"], found[0]["end"]) == (5, 5.005)


def test_a_recording_is_saved_as_it_was():
    samples = log_probs(20, 20, 4).ravel()
    body = """const file = m.waveFile(Float32Array.from(x), 16000);
        return [...Buffer.from(await file.arrayBuffer())];"""
    content = run_module("sound_file.js", body, x=samples.tolist())
    found, rate = soundfile.read(io.BytesIO(bytes(content)), dtype="float32")
    assert rate == 16000 and np.array_equal(found, samples)

"""Copies at another level, with silence or in another container, and DC offsets."""

import numpy as np
import pytest
import soundfile
from doctor_run import found_in
from kaldi_corpus import RATE, edit, make_corpus, path_of, table


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_corpus(tmp_path)


def speech(seconds, seed):
    """Return tones with a pitch, in syllables, over some noise."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * RATE)) / RATE
    knots = np.arange(0, seconds + 1, 0.1)
    pitch = 110 + 30 * np.interp(times, knots, rng.standard_normal(len(knots)))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = sum(np.sin(n * phase + rng.uniform(0, 6)) / n for n in range(1, 12))
    loudness = np.interp(times, knots, rng.uniform(0, 1, len(knots)) ** 2)
    return 0.1 * wave * loudness + 0.001 * rng.standard_normal(len(times))


def silence(seconds, level=0.0, seed=0):
    count = int(seconds * RATE)
    return level * np.random.default_rng(seed).standard_normal(count)


def copy_to(folder, line, path, samples, **options):
    """Let a line of a set name a new file."""
    soundfile.write(path, samples, RATE, **options)
    name = table(folder, "wav.scp")[line - 1].split()[0]
    edit(folder, "wav.scp", line, f"{name} {path}")


def audio_findings(corpus, tmp_path, *options):
    _, found = found_in(corpus, tmp_path / "out", *options)
    kinds = ("same-audio", "shared-audio", "offset")
    return [
        (one["kind"], one["file"], one["line"], one["reason"])
        for one in found
        if one["kind"] in kinds
    ]


COPIES = {
    "softer": (lambda x: 0.25 * x, {}, "12.0 dB softer"),
    "louder, 24 bits": (lambda x: 1.9 * x, dict(subtype="PCM_24"), "5.6 dB louder"),
    "upside down": (lambda x: -0.5 * x, {}, "6.0 dB softer"),
    "silence before": (
        lambda x: np.concatenate([silence(0.3337), x]), {}, "0.334 s later",
    ),
    "silence after": (
        lambda x: np.concatenate([x, silence(1)]), {}, "slightly different samples",
    ),
    "silence removed": (lambda x: x[1235:], {}, "0.077 s earlier"),
    "noise before and after, softer": (
        lambda x: np.concatenate([silence(0.21, 5e-4), 0.5 * x, silence(0.4, 5e-4)]),
        {}, "6.0 dB softer and 0.210 s later",
    ),
    "8 bits": (lambda x: x, dict(subtype="PCM_U8"), "slightly different samples"),
    "u-law": (lambda x: x, dict(subtype="ULAW"), "slightly different samples"),
    "Ogg Vorbis": (lambda x: x, dict(format="OGG"), ""),
    "MP3": (lambda x: x, dict(format="MP3"), ""),
}  # fmt: skip


# White noise has no silence that could be removed, and is another after 8 bits.
OF_NOISE = [name for name in COPIES if name not in ("silence removed", "8 bits")]


@pytest.mark.parametrize(
    "what, name",
    [("noise", name) for name in OF_NOISE] + [("speech", name) for name in COPIES],
)
def test_a_copy_in_the_test_set(corpus, tmp_path, name, what):
    train, _, test = corpus
    change, options, how = COPIES[name]
    original = path_of(train, 3)
    if what == "speech":
        # Silence at the beginning, of which some can be cut away.
        wave = np.concatenate([silence(0.1, 0.0005), speech(3.0, 1)])
        soundfile.write(original, wave, RATE)
    copy_to(test, 2, tmp_path / "copy.wav", change(soundfile.read(original)[0]),
            **options)  # fmt: skip
    found = audio_findings(corpus, tmp_path)
    assert [one[:3] for one in found] == [("shared-audio", f"{test}/wav.scp", 2)]
    assert found[0][3].startswith(f"{train}/wav.scp:3: train-a-02, ")
    assert how in found[0][3]


def test_copies_within_a_set_and_of_copies(corpus, tmp_path):
    train, _, test = corpus
    samples = soundfile.read(path_of(train, 1))[0]
    copy_to(train, 4, tmp_path / "b.wav", 0.5 * samples)
    copy_to(train, 9, tmp_path / "c.wav", 0.25 * samples)
    copy_to(test, 1, tmp_path / "d.wav", 0.7 * samples)
    assert audio_findings(corpus, tmp_path) == [
        ("same-audio", f"{train}/wav.scp", 4, "as train-a-00 on line 1, 6.0 dB softer"),
        ("same-audio", f"{train}/wav.scp", 9,
         "as train-a-00 on line 1, 12.0 dB softer"),
        ("shared-audio", f"{test}/wav.scp", 1,
         f"{train}/wav.scp:1: train-a-00, 3.1 dB softer"),
    ]  # fmt: skip


def test_other_recordings_are_no_copies(tmp_path, monkeypatch):
    """Noise of one length, the same words with other noise, and one tone of others."""
    monkeypatch.chdir(tmp_path)
    folders = make_corpus(tmp_path, {"train": 60, "test": 60})
    for n, folder in enumerate(folders):
        for line in range(1, 61):
            path, seed = path_of(folder, line), 100 * n + line
            if line <= 20:
                wave = silence(1.0, 0.1, seed)
            elif line <= 40:
                wave = speech(1.0, line) * 0.3 + silence(1.0, 0.05, seed)
            else:
                wave = speech(1.0, seed)
            soundfile.write(path, wave, RATE)
    assert audio_findings(folders, tmp_path) == []


def test_many_processes_find_the_same(corpus, tmp_path):
    train, _, test = corpus
    samples = soundfile.read(path_of(train, 1))[0]
    copy_to(test, 1, tmp_path / "d.wav", 0.5 * samples)
    assert len(audio_findings(corpus, tmp_path, "--nj", "2")) == 1


def with_offset(folder, lines, offset):
    for line, value in zip(lines, offset):
        path = path_of(folder, line)
        soundfile.write(path, 0.5 * soundfile.read(path)[0] + value, RATE)


def test_an_offset(corpus, tmp_path):
    train, _, test = corpus
    with_offset(train, [2, 5], [0.4, 0.02])  # the noise has 0.05
    with_offset(test, [1], [-0.06])
    found = audio_findings(corpus, tmp_path)
    assert [one[:3] for one in found] == [
        ("offset", f"{test}/wav.scp", 1),
        ("offset", f"{train}/wav.scp", 2),
    ]
    path = path_of(train, 2)
    samples = soundfile.read(path)[0]
    said = f"the mean of {path} is 0.400, {samples.mean() / samples.std():.1f} times"
    assert found[1][3] == f"{said} the standard deviation of its samples"


def test_a_set_of_different_offsets(corpus, tmp_path):
    train, dev, _ = corpus
    lines = range(1, 15)
    with_offset(train, lines, [0.02 * (-1) ** n for n in lines])
    with_offset(dev, range(1, 5), [0.02] * 4)  # all have the same
    ((kind, file, line, reason),) = audio_findings(corpus, tmp_path)
    assert (kind, file, line) == ("offset", f"{train}/wav.scp", 0)
    assert "between -0.4" in reason and "and 0.4" in reason


def test_the_least_bit_is_no_offset(corpus, tmp_path):
    train, *_ = corpus
    path = path_of(train, 1)
    samples = np.zeros(RATE)
    samples[::100] = 3e-4
    soundfile.write(path, samples, RATE)
    _, found = found_in(corpus, tmp_path / "out")
    assert "offset" not in {one["kind"] for one in found}

"""Stage 1 of egs2/tedlium2 and egs2/tedlium3 on a small corpus in their layouts.

With ESPNET_ROOT (a checkout with egs/ and egs2/) ESPnet's own ``local/data.sh`` runs on
the same files and must say the same; without it, what it said stands below.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from kaldi_table import table
from tedlium_small import RATE, SECONDS, espnet_recipe, make_tedlium

from espnet_plugin.bin import prepare_tedlium as command
from espnet_plugin.corpora.stm import join_suffixes, read_stm
from espnet_plugin.data.kaldi import read_data_dir
from espnet_plugin.data.prepare import format_set
from espnet_plugin.data.utterance import FormatOptions
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs

ESPNET = os.environ.get("ESPNET_ROOT")
SETS = ("train", "dev", "test")

# Printed by ESPnet's own scripts for these files (release 2).
TEXT = {
    "911Mothers_2010W-0000143-0000296": "[NOISE] thank you <unk> it's hard",
    "911Mothers_2010W-0000302-0001060": "you know that's why i'd 've come",
    "911Mothers_2010W-0001061-0001190": "we're a gathering that is n't [COUGH] here",
    "AlGore_2009-0000005-0000429": "last year (i showed) these two slides",
    "AlGore_2009-0000430-0000557": "so that's it and more",
    "AlGore_2009-0000550-0001100": "which [SMACK] for most of the last three million "
    "years",
    "AlGore_2009-0001110-0001750": "the seasons [BREATH] change",
    "AlGore_2009-0001789-0001817": "i",
    "AlGore_2009_B-0000028-0000114": "one line",
    "Jane_2008P-0000050-0000129": "when i was president",
    "Jane_2008P-0000130-0000258": "they'll say the 1980's",
    "Tom_2010S-0000056-0000113": "one [UH] two",
    "Tom_2010S-0000231-0000310": "<unk> three",
}
TIMES = {
    "911Mothers_2010W-0000143-0000296": (1.28, 2.965),
    "911Mothers_2010W-0000302-0001060": (2.965, 10.58),
    "911Mothers_2010W-0001061-0001190": (10.58, 12),
    "AlGore_2009-0000005-0000429": (0, 4.27),
    "AlGore_2009-0000430-0000557": (4.27, 5.51),
    "AlGore_2009-0000550-0001100": (5.51, 11.025),
    "AlGore_2009-0001110-0001750": (11.025, 17.6),
    "AlGore_2009-0001789-0001817": (17.74, 18.27),
    "Jane_2008P-0000050-0000129": (0.5, 1.29),
    "Tom_2010S-0000231-0000310": (2.31, 3.1),
}


@pytest.fixture(scope="module", params=[2, 3])
def prepared(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(f"tedlium{request.param}")
    make_tedlium(root, request.param, pad=ESPNET is not None)
    assert run(root, request.param) == 0
    return root, request.param


def run(root, release, *more):
    cmd = ["--release", str(release), "--tedlium", str(root)]
    cmd += ["--output_dir", str(root / "data"), "--allow_incomplete", "true", *more]
    return command.main(cmd)


def times(path):
    return {
        utt: (rec, float(start), float(end))
        for utt, rec, start, end in map(str.split, path.read_text().splitlines())
    }


def test_says_what_espnet_said(prepared):
    root, release = prepared
    text, segments = {}, {}
    for name in SETS:
        text.update(table(root / "data" / name / "text"))
        segments.update(times(root / "data" / name / "segments"))
    expected = dict(TEXT)
    if release == 3:
        expected = {
            u: t.replace("<", "[").replace(">", "]") for u, t in expected.items()
        }
    assert {u: t for u, t in text.items() if not u.startswith("Long")} == expected
    assert len(text) == len(expected) + 13
    for utt, (start, end) in TIMES.items():
        assert segments[utt] == (utt.split("-")[0], start, end), utt
    speakers = table(root / "data/train/utt2spk")
    assert speakers["Long_2011-0018030-0020987"].strip() == "Long_2011-2"
    assert speakers["Long_2011-0015030-0017987"].strip() == "Long_2011-1"
    assert speakers["AlGore_2009-0000005-0000429"].strip() == "AlGore_2009-1"


@pytest.mark.skipif(ESPNET is None, reason="ESPNET_ROOT names no ESPnet checkout")
def test_says_what_espnet_says_now(prepared, tmp_path):
    root, release = prepared
    recipe = espnet_recipe(Path(ESPNET), tmp_path / "recipe", release, root)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    run = subprocess.run(
        ["local/data.sh"],
        cwd=recipe,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for name in SETS:
        ours, theirs = root / "data" / name, recipe / "data" / name
        for file in ("text", "utt2spk", "spk2utt"):
            assert (ours / file).read_text() == (theirs / file).read_text(), file
        mine, other = times(ours / "segments"), times(theirs / "segments")
        assert mine.keys() == other.keys()
        for utt, (recording, *span) in other.items():
            assert mine[utt][0] == recording
            assert mine[utt][1:] == pytest.approx(span, abs=1e-6)
        # sph2pipe -f wav -p FILE |
        files = {r: line.split()[-2] for r, line in table(theirs / "wav.scp").items()}
        assert {r: p.strip() for r, p in table(ours / "wav.scp").items()} == files


def test_stage_2_cuts_the_segments(prepared, tmp_path):
    root, release = prepared
    format_set(
        root / "data/train",
        tmp_path / "dump",
        FormatOptions(),
        str.split,
        training=True,
    )
    files, lengths = (
        read_pairs(tmp_path / "dump" / n) for n in ("wav.scp", "utt2num_samples")
    )
    assert not (tmp_path / "dump/segments").exists()
    assert set(lengths) == set(read_pairs(root / "data/train/text"))
    utt = "AlGore_2009-0000430-0000557"
    whole, _ = soundfile.read(
        read_pairs(root / "data/train/wav.scp")["AlGore_2009"], dtype="int16"
    )
    cut, rate = soundfile.read(files[utt], dtype="int16")
    assert rate == RATE and int(lengths[utt]) == len(cut)
    np.testing.assert_array_equal(cut, whole[int(4.27 * RATE) : int(5.51 * RATE)])
    # Where padding would go past the end of the talk, the talk ends.
    last = "AlGore_2009-0001789-0001817"
    assert int(lengths[last]) == SECONDS["AlGore_2009"] * RATE - int(17.74 * RATE)


def test_speed_perturbed_segments(prepared, tmp_path):
    root, _ = prepared
    options = FormatOptions(speeds=(0.9, 1.0))
    format_set(root / "data/dev", tmp_path / "dump", options, str.split, training=True)
    lengths = read_pairs(tmp_path / "dump/utt2num_samples")
    utt = "Jane_2008P-0000050-0000129"
    assert int(lengths[utt]) == int(1.29 * RATE) - int(0.5 * RATE)
    assert int(lengths[f"sp0.9-{utt}"]) == pytest.approx(int(lengths[utt]) / 0.9, abs=2)


def test_join_suffixes_in_pairs():
    joined = join_suffixes("i 'd 've said it 's 'cause".split())
    assert joined == ["i'd", "'ve", "said", "it's", "'cause"]
    assert join_suffixes("it 's".split()) == ["it's"]


@pytest.mark.parametrize(
    "line, named",
    [
        ("talk 1 speaker 0.5", "talk.stm:2: .*words>: unpack"),
        ("talk 1 speaker x 1.5 <o> word", "'x' is not a time in seconds: unpack"),
        (
            "talk 1 speaker 2.5 1.5 <o> word",
            "from 2.5 to 1.5 s is not a time span: unpack",
        ),
        ("talk 1 speaker 0.5 1.5 <o> other", "talk-0000050-0000150 is listed twice"),
    ],
)
def test_bad_lines_are_named(line, named):
    first = "talk 1 speaker 0.5 1.5 <o> word\n"
    with pytest.raises(UserError, match=named):
        read_stm([("talk.stm", first + line + "\n")])


def shorten(path):
    content = path.read_bytes()
    old = b"sample_coding -s3 pcm\n"
    assert old in content
    new = b"sample_coding -s26 pcm,embedded-shorten-v2.00\n"
    head = content[:1024].replace(old, new)[:1024]
    path.write_bytes(head + content[1024 : len(content) // 2])
    return "compressed with shorten"


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])
    return "its header announces"


def resample(path):
    soundfile.write(path, np.zeros(800), 8000, subtype="PCM_16", format="NIST")
    return "8000 Hz and 1 channel"


def remove(path):
    path.unlink()
    return "is missing"


def no_sphere(path):
    path.write_bytes(b"RIFF" + bytes(2000))
    return "is not a NIST SPHERE file: copy it again"


@pytest.mark.parametrize("spoil", [shorten, truncate, resample, remove, no_sphere])
def test_bad_audio_is_named_and_nothing_written(tmp_path, spoil, caplog):
    corpus = make_tedlium(tmp_path, 2)
    named = spoil(corpus / "dev/sph/Jane_2008P.sph")
    assert run(tmp_path, 2) == 2
    assert named in caplog.text and "Jane_2008P" in caplog.text
    assert not (tmp_path / "data").exists()


def test_shorten_is_named_by_stage_2_as_well(prepared, tmp_path):
    from espnet_plugin.data.audio import read_audio

    path = tmp_path / "x.sph"
    soundfile.write(path, 0.1 * np.ones(800), RATE, subtype="PCM_16", format="NIST")
    shorten(path)
    with pytest.raises(UserError, match="sph2pipe"):
        read_audio(str(path), RATE)


def test_incomplete_corpus_must_be_allowed(tmp_path, caplog):
    make_tedlium(tmp_path, 2)
    assert run(tmp_path, 2, "--allow_incomplete", "false") == 2
    assert "not 1514" in caplog.text and "--allow_incomplete true" in caplog.text


def test_another_folder_is_refused(tmp_path, caplog):
    make_tedlium(tmp_path, 2)
    assert run(tmp_path, 3) == 2
    assert "TEDLIUM_release-3" in caplog.text and "TEDLIUM3=DIR" in caplog.text


def test_segments_of_nowhere_are_named(prepared, tmp_path):
    for name in ("text", "utt2spk", "wav.scp"):
        content = (prepared[0] / "data/dev" / name).read_text()
        (tmp_path / name).write_text(content)
    (tmp_path / "segments").write_text(
        "Jane_2008P-0000050-0000129 Jane 0.5 1.29\n"
        "Jane_2008P-0000130-0000258 Jane_2008P 1.3 1.3\n"
    )
    with pytest.raises(UserError, match="2 bad utterance"):
        read_data_dir(tmp_path)

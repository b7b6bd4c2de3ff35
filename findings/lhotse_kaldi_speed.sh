#!/usr/bin/env bash
# lhotse: speed-perturbed recordings are exported to Kaldi with the times of the new speed
# and the audio of the old one.
#
# RecordingSet.perturb_speed() is lazy: a recording keeps its file and a list of
# transforms, which lhotse applies when it loads the audio. export_to_kaldi() writes a
# data directory of such recordings without a message. `segments` and `reco2dur` have the
# new times, but the command in wav.scp only decodes the original file: the list of
# transforms makes lhotse choose a command instead of the path, and is then ignored. One
# expects a command that changes the speed (as Kaldi's perturb_data_dir_speed.sh writes
# it), or an error.
#
# For a factor of 1.1 each segment is cut from the original audio 9 % too early, and too
# short: of an utterance from 18.0 to 19.5 s, what is read is 16.4 to 17.7 s, which is
# another utterance. For 0.9 it is 20 to 21.7 s, after the end of a recording of 20 s.
# Volume, tempo and reverberation are lost in the same way (with unchanged times for
# volume). Only a new sampling rate arrives, as an option of the command.
#
# It matters because Kaldi's directories are what ESPnet and others train from, and
# lhotse prepares many corpora: two thirds of the training data of the usual three speeds
# have texts that do not belong to their audio. Nothing checks that, and training goes on.
# The numbers below follow the exported commands and segments: the length of the
# file that each command decodes is compared with reco2dur, and the tone that a segment
# cuts out of it with the tone of its utterance.
#
# PYTHON=p chooses the Python that makes the temporary environment (with PyTorch, which
# lhotse needs for this import: several GB; or PYTHON has lhotse 1.33.0 already).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import lhotse' 2> /dev/null; then
    "${python}" -m venv venv
    # lhotse imports urllib3 without declaring it.
    venv/bin/pip install -qq --disable-pip-version-check \
        numpy==2.3.5 soundfile==0.14.0 torch==2.14.1 torchaudio==2.11.0 lhotse==1.33.0 \
        urllib3==2.5.0
    python=venv/bin/python
fi
"${python}" - <<'EOF'
import importlib.metadata
import logging
import shlex
import sys
from pathlib import Path

import numpy as np
import soundfile
from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet
from lhotse.kaldi import export_to_kaldi

logging.disable(logging.WARNING)
print("lhotse", importlib.metadata.version("lhotse"))
RATE = 16000
# (begin, end, tone in Hz): two utterances, and silence around them
UTTERANCES = {"first": (15.5, 17.9, 500), "second": (18.0, 19.5, 2000)}
samples = np.zeros(20 * RATE, np.float32)
for begin, end, tone in UTTERANCES.values():
    time = np.arange(int(begin * RATE), int(end * RATE))
    samples[time] = 0.5 * np.sin(2 * np.pi * tone * time / RATE)
soundfile.write("talk.wav", samples, RATE)
recordings = RecordingSet.from_recordings([Recording.from_file("talk.wav")])
supervisions = [
    SupervisionSegment(name, "talk", begin, round(end - begin, 3), speaker="s", text=name)
    for name, (begin, end, _) in UTTERANCES.items()
]


def table(path):
    """The first word of each line -> the rest of it."""
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


def tone(piece):
    """The frequency of the strongest tone in Hz, 0 for silence or nothing."""
    if len(piece) < 2 or np.abs(piece).max() < 0.1:
        return 0
    power = np.abs(np.fft.rfft(piece * np.hanning(len(piece))))
    return round(power.argmax() * RATE / len(piece))


def described(pipe):
    """The file and the options that can change its content: all but -ar are usual."""
    words = shlex.split(pipe.rstrip(" |"))
    if len(words) == 1:
        return words[0], []
    assert words[0] == "ffmpeg"
    pairs = dict(zip(words[1:-1], words[2:]))
    filters = [word for word in words if word in ("-af", "-filter_complex", "-filter:a")]
    assert pairs["-ar"] == str(RATE)
    return pairs["-i"], filters


found = {}
for factor in (1.0, 1.1, 0.9):
    changed, spoken = recordings, supervisions
    if factor != 1:
        changed = recordings.perturb_speed(factor)
        spoken = [each.perturb_speed(factor, RATE) for each in supervisions]
    folder = Path(f"data_{factor}")
    export_to_kaldi(changed, SupervisionSet.from_segments(spoken), folder)
    (pipe,) = table(folder / "wav.scp").values()
    (duration,) = table(folder / "reco2dur").values()
    file, filters = described(pipe)
    heard, rate = soundfile.read(file)
    own = changed[next(iter(changed)).id].load_audio()[0]
    print(f"speed {factor}: wav.scp: {pipe}")
    print(
        f"  reco2dur {float(duration):.3f} s, lhotse loads {len(own) / RATE:.3f} s, the "
        f"command decodes {len(heard) / rate:.3f} s, filters: {filters or 'none'}"
    )
    for name, line in sorted(table(folder / "segments").items()):
        begin, end = (float(word) for word in line.split()[1:])
        cut = slice(int(begin * RATE), int(end * RATE))
        found[factor, name.split("_")[0]] = [tone(heard[cut]), tone(own[cut])]
        print(
            f"  {name}: {begin:.2f} to {end:.2f} s: tone of {tone(heard[cut])} Hz through "
            f"wav.scp, {tone(own[cut])} Hz through lhotse"
        )
    if filters:
        sys.exit("CHANGED: the command has a filter")

for (factor, name), (heard, own) in found.items():
    right = UTTERANCES[name][2] * factor
    if abs(own - right) > 2:
        sys.exit(f"CHANGED: lhotse itself loads {own} Hz, not {right:.0f}")
# through wav.scp, the second utterance of the faster copy is the first one
if found[1.0, "second"][0] != 2000 or found[1.1, "second"][0] != 500:
    sys.exit("CHANGED: the segments belong to the audio")
if found[0.9, "second"][0] != 0:
    sys.exit("CHANGED: the slower copy has the audio that its segments need")
EOF

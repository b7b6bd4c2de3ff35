#!/usr/bin/env bash
# A FLAC file that was written to a pipe is valid, but libsndfile gives it 2^63 - 1 frames.
#
# The number of samples in a FLAC header may be 0, which means "unknown" (RFC 9639, section
# 8.2). Encoders write that when their output is a pipe, because they cannot go back to the
# header: recorders that stream, and "ffmpeg ... -f flac - > x.flac".
# Expected: the length is unknown or counted, and the file can be read to its end.
# Seen: `soundfile.info().frames` is 9223372036854775807. Reading the whole file asks for an
# array of that size and fails; reading in blocks returns nothing at all, because the last
# block fails. Only a reader that asks for no more samples than there are gets them. PyAV
# (FFmpeg) reads all samples of the same file, bit for bit.
# Why it matters: durations from headers (statistics, filters by length, batches) become 18
# million years, and ESPnet, which reads through libsndfile, cannot use the file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
"${PYTHON:-python3}" -m venv "${folder}/env"
"${folder}/env/bin/python" -m pip install -qq --disable-pip-version-check \
    soundfile==0.14.0 av==18.1.0 numpy==2.4.6
cd "${folder}"
"${folder}/env/bin/python" - <<'PYTHON'
import sys

import av
import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
RATE, FRAMES = 16000, 32000
samples = (8000 * np.sin(np.arange(FRAMES) / 5)).astype(np.int16)


class Pipe:
    """What an encoder sees of a pipe: it can be written, and nothing else."""

    content = b""

    def write(self, more):
        self.content += bytes(more)
        return len(more)


pipe = Pipe()
with av.open(pipe, "w", format="flac") as container:
    stream = container.add_stream("flac", rate=RATE, layout="mono")
    for start in range(0, FRAMES, 4000):
        frame = av.AudioFrame.from_ndarray(
            samples[None, start : start + 4000], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = RATE, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
with open("pipe.flac", "wb") as file:
    file.write(pipe.content)

announced = int.from_bytes(pipe.content[18:26], "big") & (2**36 - 1)
print("samples that the header announces:", announced)
with av.open("pipe.flac") as container:
    read = np.concatenate([one.to_ndarray()[0] for one in container.decode(audio=0)])
same = len(read) == FRAMES and (read == samples).all()
print("PyAV reads", len(read), "samples, the same as were written:", bool(same))

frames = soundfile.info("pipe.flac").frames
print("soundfile.info().frames:", frames)


def attempt(name, action):
    try:
        found = action()
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    print(f"{name}: {found}")
    return found


whole = attempt("read()", lambda: len(soundfile.read("pipe.flac")[0]))
blocks = attempt(
    "blocks(blocksize=10000)",
    lambda: [len(one) for one in soundfile.blocks("pipe.flac", blocksize=10000)],
)
part = attempt("read(frames=1000)", lambda: len(soundfile.read("pipe.flac", 1000)[0]))
as_described = (
    announced == 0
    and same
    and frames == 2**63 - 1
    and isinstance(whole, str)
    and isinstance(blocks, str)
    and part == 1000
)
if not as_described:
    sys.exit("CHANGED: libsndfile treats a FLAC file without a length differently")
PYTHON

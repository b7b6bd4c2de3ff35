"""A CTC model whose posteriors are known: it hears the level of the samples."""

import numpy as np

TOKENS = ("<blank>", "<unk>", "<space>", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "<sos/eos>")
SAMPLE_RATE = 8000
FRAME = 320  # samples: 40 ms
SURE = 0.9


class FakeModel:
    """Each whole frame of 40 ms whose level is ``i / 100`` is heard as token ``i``."""

    sample_rate = SAMPLE_RATE
    tokens = TOKENS
    token_type = "char"
    blank = 0
    frame_seconds = FRAME / SAMPLE_RATE
    first_frame_seconds = FRAME / SAMPLE_RATE / 2

    def log_posteriors(self, samples):
        frames = len(samples) // FRAME
        levels = samples[: frames * FRAME].reshape(frames, FRAME).mean(1)
        heard = np.clip(np.rint(100 * levels), 0, len(TOKENS) - 1).astype(int)
        probs = np.full((frames, len(TOKENS)), (1 - SURE) / (len(TOKENS) - 1))
        probs[np.arange(frames), heard] = SURE
        return np.log(probs)

    def checksum(self):
        return "of a fake model"


def say(text, frames_each=2, pause=1):
    """Return samples that are heard as ``text``: each letter, then a blank."""
    levels = []
    for letter in text:
        token = TOKENS.index("<space>" if letter == " " else letter)
        levels += [token] * frames_each + [0] * pause
    return np.repeat(np.array(levels, np.float32) / 100, FRAME)


def silence(seconds):
    return np.zeros(round(seconds * SAMPLE_RATE / FRAME) * FRAME, np.float32)

"""Sound files on standard input, distinguished from raw samples by their header."""

import io
import wave
from dataclasses import dataclass
from typing import Iterable, Iterator, Optional

from espnet_plugin.errors import UserError

__all__ = ["WavStream", "is_sound_file", "read_wav_header", "stream_head"]

# First bytes of sound files. Containers with other content as well are recognised by
# their bytes 8 to 11 (``_FORMS``).
_BEGINNINGS = (
    b"fLaC",
    b"OggS",
    b"ID3",
    b".snd",
    b"dns.",
    b"caff",
    b"NIST_1A",
    b"riff\x2e\x91\xcf\x11",  # Wave64
    b"#!AMR",
    b"MAC ",
    b"wvpk",
    b"TTA1",
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"0&\xb2u\x8ef\xcf\x11",  # WMA
    b"Creative Voi",
)
_FORMS = {
    b"RIFF": (b"WAVE", b"AVI "),
    b"RIFX": (b"WAVE",),
    b"RF64": (b"WAVE",),
    b"BW64": (b"WAVE",),
    b"FORM": (b"AIFF", b"AIFC", b"8SVX", b"16SV"),
}
_MP4 = b"ftyp"  # after four bytes of length
# Enough for a WAV header with what programs put before the samples, and for two frames
# of MPEG audio.
_HEAD_BYTES = 12
_MPEG_BYTES = 4096
_WAV_BYTES = 1 << 16
# Programs that write into a pipe do not know the length and write a value from here on.
_UNKNOWN_LENGTHS = 0x7FFF0000

_MPEG_KBITS = {
    # (MPEG 1, layer): bit rates by index
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def stream_head(stream: Iterator[bytes]) -> bytes:
    """Read only as many bytes as are needed to distinguish samples from a file.

    For most bare samples twelve bytes are enough, so that recognition starts at once.
    If the first sample looks like MPEG audio, a tenth of a second is needed.
    """
    head = b""
    wanted = _HEAD_BYTES
    while len(head) < wanted:
        piece = next(stream, None)
        if piece is None:
            break
        head += piece
        if len(head) >= _HEAD_BYTES:
            if _form(head):
                found = _data_chunk(head)
                wanted = 0 if found or len(head) >= _WAV_BYTES else len(head) + 1
            elif head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
                wanted = _MPEG_BYTES
    return head


def is_sound_file(head: bytes) -> bool:
    """Return whether bytes are the beginning of a sound file, not bare samples."""
    return (
        head.startswith(_BEGINNINGS)
        or _form(head)
        or head[4:8] == _MP4
        or _two_mpeg_frames(head)
    )


def _form(head: bytes) -> bool:
    return head[8:12] in _FORMS.get(head[:4], ())


def _two_mpeg_frames(head: bytes) -> bool:
    """Return whether two consecutive frames of MPEG audio (MP3 or AAC) begin here."""
    length = _mpeg_frame(head)
    return bool(length) and bool(_mpeg_frame(head[length:]))


def _mpeg_frame(head: bytes) -> int:
    """Return the length in bytes of the frame that begins here; 0 if none does."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    if layer == 4:  # AAC in ADTS
        if head[1] & 0xF6 != 0xF0:
            return 0
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    kbits, hz = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbits in (0, 15) or hz == 3:
        return 0
    first = version == 3
    rate = _MPEG_KBITS[first, layer][kbits] * 1000
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * rate // _MPEG_HZ[version][hz] + padding) * 4
    samples = 144 if first or layer == 2 else 72
    return samples * rate // _MPEG_HZ[version][hz] + padding


@dataclass(frozen=True)
class WavStream:
    """Header of a WAV file with 16-bit samples that is read from a stream.

    Attributes:
        rate: Sampling rate in Hz.
        channels: Number of channels.
        start: Number of bytes before the samples.
        length: Number of bytes of samples; None if the header does not say it.
    """

    rate: int
    channels: int
    start: int
    length: Optional[int]

    def data(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes of the samples.

        Raises:
            UserError: If the stream ends before the length in the header.
        """
        skipped = done = 0
        for piece in pieces:
            begin = min(len(piece), self.start - skipped)
            skipped += begin
            piece = piece[begin:]
            if self.length is not None:
                piece = piece[: self.length - done]  # chunks may follow
            done += len(piece)
            if piece:
                yield piece
        if self.length is not None and done < self.length:
            raise UserError(
                f"standard input is truncated: its WAV header announces {self.length} "
                f"bytes of audio, but only {done} arrived"
            )


def _data_chunk(head: bytes) -> Optional[tuple[int, int]]:
    """Return the position and length in bytes of the samples in a RIFF file."""
    at = 12
    while at + 8 <= len(head):
        length = int.from_bytes(head[at + 4 : at + 8], "little")
        if head[at : at + 4] == b"data":
            return at + 8, length
        at += 8 + length + length % 2
    return None


def read_wav_header(head: bytes) -> Optional[WavStream]:
    """Read the header of a WAV stream of 16-bit PCM samples.

    Args:
        head: The first bytes of the stream, up to the samples or beyond.

    Returns:
        What the header says; None if the stream is of any other kind.
    """
    if head[:4] != b"RIFF" or not _form(head):
        return None
    chunk = _data_chunk(head)
    if chunk is None:
        return None
    try:
        with wave.open(io.BytesIO(head), "rb") as file:
            parameters = file.getparams()
    except (wave.Error, EOFError):
        return None  # float or mu-law samples, which libsndfile reads
    if parameters.sampwidth != 2:
        return None
    start, length = chunk
    known = 0 < length < _UNKNOWN_LENGTHS
    return WavStream(
        parameters.framerate, parameters.nchannels, start, length if known else None
    )

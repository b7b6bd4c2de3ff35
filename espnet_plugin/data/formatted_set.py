"""The tables of a set that stage 2 wrote, and digests of what it was made from."""

import hashlib
import json
import os
from pathlib import Path
from typing import Optional, Union

from espnet_plugin.data.content import Contents
from espnet_plugin.data.kaldi import DataDir, write_data_dir
from espnet_plugin.data.utterance import FormatOptions
from espnet_plugin.files import read_pairs, write_lines

__all__ = ["audio_digest", "lost_file", "tables_digest", "write_set"]

# The tables that hold the inputs and their lengths.
_TABLES = {
    "raw": ("wav.scp", "utt2num_samples"),
    "fbank": ("feats.scp", "feats_shape"),
}


def write_set(
    target: Path, data: DataDir, lengths: dict[str, int], options: FormatOptions
) -> None:
    """Write the tables of a set.

    Args:
        target: Its folder.
        data: Its tables.
        lengths: Number of samples, or of feature frames, by utterance.
        options: Options with which it was written.
    """
    raw = options.feats_type == "raw"
    write_data_dir(target, data)
    scp, name = _TABLES[options.feats_type]
    if not raw:
        os.replace(target / "wav.scp", target / scp)
    suffix = "" if raw else f",{options.num_mel_bins}"
    write_lines(target / name, (f"{u} {lengths[u]}{suffix}" for u in sorted(lengths)))
    write_lines(target / "feats_type", [options.feats_type])


def lost_file(target: Path, options: FormatOptions, labelled: bool) -> Optional[str]:
    """Return the first file of a written set that is missing or empty; None if none is.

    A power cut can leave empty files.
    """
    scp, *others = _TABLES[options.feats_type]
    tables = [scp, *others, "utt2spk", "feats_type", *(["text"] if labelled else [])]
    for table in tables:
        if _is_lost(target / table):
            return str(target / table)
    files = read_pairs(target / scp).values()
    return next(filter(_is_lost, files), None)


def _is_lost(file: Union[str, Path]) -> bool:
    try:
        return not os.path.isfile(file) or os.path.getsize(file) == 0
    except OSError:  # removed in between
        return True


def tables_digest(data: DataDir, options: FormatOptions, *others) -> str:
    """Return a digest of a set's tables and options, without the audio's content."""
    # The digest of its content is stored separately, see :func:`audio_digest`.
    sizes = {
        u: os.path.getsize(p) if os.path.isfile(p) else -1
        for u, p in data.audio.items()
    }
    settings = {k: v for k, v in vars(options).items() if k != "nj"}
    content = [data.audio, sizes, data.text, data.utt2spk, settings, others]
    if data.segments:
        content.append({utt: vars(segment) for utt, segment in data.segments.items()})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def audio_digest(data: DataDir, contents: Contents) -> str:
    """Return a digest of all audio; unreadable files are reported later."""
    whole = hashlib.sha256()
    for path in sorted({p for p in data.audio.values() if os.path.isfile(p)}):
        whole.update(f"{path}\t{contents.file(path)}\n".encode())
    return whole.hexdigest()

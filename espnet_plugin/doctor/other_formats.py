"""Say what a folder or a file is that should be a Kaldi folder."""

from pathlib import Path

from espnet_plugin.files import PathLike

__all__ = ["what_file_is", "what_folder_is"]

_TABLES = ("wav.scp", "feats.scp", "text", "segments", "utt2spk")
_WRITE = "write wav.scp, text and utt2spk from it (docs/data.md)"
_LHOTSE = "export it: lhotse kaldi export RECORDINGS SUPERVISIONS FOLDER"
# Names of files, and what a folder with such a file is.
_FOLDERS = (
    ("*recordings*.jsonl*", f"a manifest of lhotse: {_LHOTSE}"),
    ("*cuts*.jsonl*", f"a manifest of lhotse: {_LHOTSE}"),
    ("*manifest*.json*", f"a manifest of NeMo: {_WRITE}"),
    ("metadata.csv", f"a list of files and transcripts: {_WRITE}"),
    ("*.tsv", f"a list as Common Voice has it: {_WRITE}"),
    ("*.csv", f"a list as SpeechBrain has it: {_WRITE}"),
    ("asr.sh", "a recipe of ESPnet: give a set in its data, or --asr_recipe"),
    ("data", "a folder with data in it: give a set in its data"),
)


def what_folder_is(folder: Path) -> str:
    """Return what is wrong with a folder that has none of Kaldi's tables.

    Args:
        folder: An existing folder.

    Returns:
        What the folder seems to be, and the way out; empty if it has a table.
    """
    if any(
        (folder / name).exists() or (folder / name).is_symlink() for name in _TABLES
    ):
        return ""
    said = "the folder has none of Kaldi's tables (wav.scp, text, utt2spk)"
    for pattern, what in _FOLDERS:
        found = sorted(folder.glob(pattern))
        if found:
            return f"{said}; with its {found[0].name}, it seems to be {what}"
    there = sorted(one.name for one in folder.glob("[!.]*"))
    shown = ", ".join(there[:4]) + (", ..." if len(there) > 4 else "")
    return f"{said}, " + (f"but {shown}" if there else "it is empty")


def what_file_is(path: PathLike) -> str:
    """Return what a file is that was given instead of a Kaldi folder.

    Args:
        path: An existing file.
    """
    path = Path(path)
    with path.open("rb") as stream:
        head = stream.read(4096)
    if b'"audio_filepath"' in head:
        return f"a manifest of NeMo: {_WRITE}"
    if path.name.endswith((".jsonl", ".jsonl.gz")) or b'"sampling_rate"' in head:
        return f"a manifest of lhotse: {_LHOTSE}"
    if path.suffix in (".csv", ".tsv"):
        return f"a list of files and transcripts: {_WRITE}"
    return "a file: give its folder"

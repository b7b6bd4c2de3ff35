"""Contextual words for the sherpa-onnx programs: a graph beside an exported model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.export.folder import CONTEXT_GRAPH
from espnet_plugin.export.export_meta import ExportMeta
from espnet_plugin.export.read import check_unchanged, read_export
from espnet_plugin.recognise.context_graph import context_graph, write_openfst
from espnet_plugin.recognise.hotwords import Hotwords, Phrase
from espnet_plugin.recognise.onnx_model import read_tokens
from espnet_plugin.recognise.vocabulary import Vocabulary

__all__ = ["WrittenGraph", "write_context_graph"]

_SPACE = "\u2581"  # how <space>, and the beginning of a word, are written there


@dataclass(frozen=True)
class WrittenGraph:
    """A graph that was written.

    Attributes:
        path: Its file.
        states: Number of states.
        arcs: Number of arcs.
    """

    path: Path
    states: int
    arcs: int


def write_context_graph(
    folder: Path, phrases: Sequence[Phrase], path: Optional[Path] = None
) -> WrittenGraph:
    """Write the graph of a list of phrases for an export of target ``sherpa-onnx``.

    Args:
        folder: The export.
        phrases: The phrases.
        path: File to write; ``hotwords.fst`` in the folder if not given.

    Raises:
        UserError: If the folder is no such export, the model cannot write a phrase, or
            the file cannot be written.
    """
    meta = read_export(folder)
    if meta.target != "sherpa-onnx" or meta.streaming is not None:
        kind = "a streaming model" if meta.streaming is not None else meta.target
        raise UserError(
            f"{folder} is an export for {kind}: the graph is for exports of "
            "--target sherpa-onnx for whole utterances. For one of --target onnx give "
            "--hotwords to bin/recognise"
        )
    check_unchanged(folder, meta, ["tokens.txt"])
    vocabulary = _vocabulary(read_tokens(folder, meta.vocabulary), meta)
    unknown = {n for n, t in enumerate(vocabulary.tokens) if t == "<unk>"}
    graph = context_graph(
        Hotwords(phrases, vocabulary, even=True),
        len(vocabulary.tokens),
        vocabulary.blank,
        vocabulary.silent | unknown | set(meta.drop),
        meta.of_target.get("rows_per_frame", 1),
    )
    path = path or folder / CONTEXT_GRAPH
    write_openfst(graph, path)
    return WrittenGraph(path, len(graph.final), len(graph.tokens))


def _vocabulary(tokens: Sequence[str], meta: ExportMeta) -> Vocabulary:
    """Return the tokens as they are written in ESPnet's token list."""
    kind = meta.token_type or "word"
    if kind == "char":
        tokens = ["<space>" if token == _SPACE else token for token in tokens]
    elif kind == "word":
        tokens = [token.removeprefix(_SPACE) for token in tokens]
    return Vocabulary(tuple(tokens), kind, meta.blank)

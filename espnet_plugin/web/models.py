"""Describe exported models for the page (``models.json``)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.export.read import (
    check_said,
    check_unchanged,
    is_export,
    read_export,
)
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.recognise.confidence import Calibration, read_calibration
from espnet_plugin.recognise.frame_times import stream_frame_times
from espnet_plugin.recognise.onnx_model import OnnxCtcModel, read_tokens
from espnet_plugin.recognise.recogniser import SearchOptions
from espnet_plugin.recognise.vocabulary import Vocabulary
from espnet_plugin.recognise.words import FrameTimes

__all__ = ["WebModel", "web_models"]

_MODEL, _INT8 = "model.onnx", "model.int8.onnx"
_FRONT_END, _CHUNKS = "front_end.onnx", ("chunk.onnx", "chunk.int8.onnx")


@dataclass(frozen=True)
class WebModel:
    """An entry of ``models.json``; ``page/*.js`` uses the same names.

    Attributes:
        label: Name of the model on the page.
        files: Paths of ONNX files by use, relative to the page.
        bytes: Total size of these files in bytes.
        parameters: Number of parameters of encoder and CTC layer.
        sample_rate: Sampling rate in Hz.
        blank: Index of the blank.
        silent: Indices of tokens that are not text, including the blank.
        pieces: Text of each token, with spaces where words end or begin.
        bytes_of: Indices of byte-fallback tokens, with their bytes.
        frame_seconds: Duration from one frame of the output to the next in seconds.
        first_frame_seconds: Centre of the audio of the first frame in seconds.
        temperature: Temperature of the posteriors for the confidence.
        aggregate: How the confidences of a word's tokens are combined.
        calibrated: Whether temperature and aggregate were fitted on a dev set.
        max_segment_seconds: Longer audio is cut into segments.
        inputs: Names of the inputs of a model of whole utterances.
        outputs: Names of its outputs.
        streaming: Sizes of a streaming model, from ``meta.json``.
        framing: Framing of its front end, from ``meta.json``.
    """

    label: str
    files: Mapping[str, str]
    bytes: int
    parameters: int
    sample_rate: int
    blank: int
    silent: tuple[int, ...]
    pieces: tuple[str, ...]
    bytes_of: Mapping[int, int]
    frame_seconds: float
    first_frame_seconds: float
    temperature: float
    aggregate: str
    calibrated: bool
    max_segment_seconds: float
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    streaming: Optional[Mapping[str, Any]] = None
    framing: Optional[Mapping[str, Any]] = None


def web_models(
    export: Path, place: str, experiment: Optional[Path] = None
) -> list[WebModel]:
    """Describe the models in an exported folder: one, or one each in 32 and 8 bits.

    Args:
        export: Folder of an export with ``--target onnx`` that takes samples.
        place: Folder of its ONNX files, relative to the page.
        experiment: The experiment of the export. Its calibration is also used for the
            file in 32 bits.

    Raises:
        UserError: If the folder is not such an export.
    """
    if not is_export(export):
        raise UserError(
            f"{export} is not an exported model: make one with python -m "
            "espnet_plugin.bin.export EXPERIMENT"
        )
    meta = read_export(export)
    if meta.target == "onnx" and meta.streaming is not None:
        chunks = [_CHUNKS[0], *(n for n in _CHUNKS[1:] if (export / n).is_file())]
        return [_streaming(export, place, meta, name) for name in chunks]
    files = [name for name in (_MODEL, _INT8) if (export / name).is_file()]
    return [_whole(export, place, meta, name, experiment) for name in files or [_MODEL]]


def _whole(export, place, meta, name, experiment) -> WebModel:
    model = OnnxCtcModel(export, name)
    calibration = read_calibration(export, model.checksum())
    if not calibration.fitted and name == _MODEL and experiment is not None:
        calibration = read_calibration(experiment, meta.model["checkpoint_sha256"])
    bits = ", 8 bits" if name == _INT8 else ""
    return WebModel(
        label=f"{meta.model['experiment']}{bits}",
        files={"model": f"{place}/{name}"},
        bytes=(export / name).stat().st_size,
        inputs=tuple(meta.inputs),
        outputs=tuple(meta.outputs),
        **_common(meta, Vocabulary(model.tokens, model.token_type, model.blank)),
        **_times(FrameTimes(model.frame_seconds, model.first_frame_seconds)),
        **_confidence(calibration),
    )


def _streaming(export, place, meta, chunk) -> WebModel:
    files = {"front_end": _FRONT_END, "chunk": chunk}
    missing = [name for name in files.values() if not (export / name).is_file()]
    if missing:
        raise UserError(
            f"{export}: {' and '.join(missing)} missing: export the model again"
        )
    check_unchanged(export, meta, [*files.values(), "tokens.txt"])
    check_said(export, meta, OnnxModel(export / chunk).said)
    tokens = read_tokens(export, meta.vocabulary)
    bits = "" if chunk == _CHUNKS[0] else ", 8 bits"
    return WebModel(
        label=f"{meta.model['experiment']}, streaming{bits}",
        files={use: f"{place}/{name}" for use, name in files.items()},
        bytes=sum((export / name).stat().st_size for name in files.values()),
        streaming=meta.streaming,
        framing=meta.framing,
        **_common(meta, Vocabulary(tokens, meta.token_type or "word", meta.blank)),
        **_times(stream_frame_times(meta)),
        **_confidence(Calibration()),
    )


def _common(meta, vocabulary: Vocabulary) -> dict[str, Any]:
    values = {n: vocabulary.byte(n) for n in range(len(vocabulary.tokens))}
    return {
        "parameters": meta.model["parameters"],
        "sample_rate": meta.sample_rate,
        "blank": vocabulary.blank,
        "silent": tuple(sorted(vocabulary.silent)),
        "pieces": vocabulary.pieces,
        "bytes_of": {n: value for n, value in values.items() if value is not None},
        "max_segment_seconds": SearchOptions().max_segment_seconds,
    }


def _times(times: FrameTimes) -> dict[str, float]:
    return {"frame_seconds": times.step, "first_frame_seconds": times.first}


def _confidence(calibration: Calibration) -> dict[str, Any]:
    return {
        "temperature": calibration.temperature,
        "aggregate": calibration.aggregate,
        "calibrated": calibration.fitted,
    }

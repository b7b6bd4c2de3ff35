"""The content of an export's ``meta.json`` as a typed value."""

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Mapping, Optional

from espnet_plugin.experiment.exported import MEASURED
from espnet_plugin.export.folder import FORMAT
from espnet_plugin.export.provenance import MADE

__all__ = ["ExportMeta"]

_Facts = Mapping[str, Any]
# Without a value these are null in the file; others are left out.
_NULL = ("sample_rate", "token_type")
# Fields whose key in the file has another name.
_KEYS = {"measured": MEASURED, "made": MADE}


@dataclass(frozen=True)
class ExportMeta:
    """Facts about an exported model, and the results of its checks.

    A step that finds out more makes a new value with ``dataclasses.replace``. A field
    that is None is not in the file, except ``sample_rate`` and ``token_type``.

    Attributes:
        target: ``onnx`` or ``sherpa-onnx``.
        input: ``samples``, ``features`` or ``stream``.
        sample_rate: Sampling rate in Hz; None if the front end is not known.
        blank: Index of the blank.
        token_type: ESPnet's token type; None if tokens are words.
        vocabulary: Number of tokens.
        model: ``ModelFacts`` without the tokens, by name.
        frame_ms: Milliseconds per frame of the output.
        drop: Indices of tokens that are not text.
        opset: Version of the ONNX operators.
        versions: Versions of the packages, by name.
        channels: Number of channels of the audio.
        inputs: Names of the inputs of a graph for whole utterances.
        outputs: Names of its outputs.
        batches: Whether it takes batches.
        streaming: Sizes and names of a streaming graph.
        framing: Framing of its front end (``onnx``).
        sherpa: Settings for sherpa-onnx's streaming programs.
        approximate: Error of features that are converted by a fitted matrix.
        verified: Results of the comparisons, by their kind.
        int8: Figures of the quantised file; None: none was requested.
        fixed: Figures of the file with an input of fixed size (``FixedResult``).
        measured: Size, error rate and speed of each model file, by name.
        made: How the model was made (``Provenance``).
        files: Size in bytes and SHA-256 of each file, by name.
        warnings: What a user should know; None for streaming exports.
        of_target: More keys, which only one target has.
    """

    target: str
    input: str
    sample_rate: Optional[int]
    blank: int
    token_type: Optional[str]
    vocabulary: int
    model: _Facts
    frame_ms: Optional[float] = None
    drop: tuple[int, ...] = ()
    opset: Optional[int] = None
    versions: Optional[Mapping[str, str]] = None
    channels: int = 1
    inputs: Optional[tuple[str, ...]] = None
    outputs: Optional[tuple[str, ...]] = None
    batches: Optional[bool] = None
    streaming: Optional[_Facts] = None
    framing: Optional[_Facts] = None
    sherpa: Optional[_Facts] = None
    approximate: Optional[_Facts] = None
    verified: Optional[_Facts] = None
    int8: Optional[_Facts] = None
    fixed: Optional[_Facts] = None
    measured: Optional[Mapping[str, _Facts]] = None
    made: Optional[_Facts] = None
    files: Optional[Mapping[str, _Facts]] = None
    warnings: Optional[tuple[str, ...]] = None
    of_target: _Facts = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ExportMeta":
        """Return the value for the content of ``meta.json``, of this format.

        Raises:
            KeyError: If a key is missing that every export has.
        """
        rest = {key: value for key, value in content.items() if key != "format"}
        given = {}
        for one in fields(cls):
            if one.name == "of_target":
                continue
            key = _KEYS.get(one.name, one.name)
            if key in rest:
                value = rest.pop(key)
                given[one.name] = tuple(value) if isinstance(value, list) else value
        # Exports of earlier versions do not have the other keys.
        required = {one.name for one in fields(cls) if one.default is MISSING}
        missing = required - set(given) - {"of_target"}
        if missing:
            raise KeyError(", ".join(sorted(missing)))
        return cls(**given, of_target=rest)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``meta.json``."""
        found: dict[str, Any] = {"format": FORMAT}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "of_target" or (value is None and one.name not in _NULL):
                continue
            value = list(value) if isinstance(value, tuple) else value
            found[_KEYS.get(one.name, one.name)] = value
        return {**found, **self.of_target}

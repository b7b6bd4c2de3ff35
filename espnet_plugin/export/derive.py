"""Export a finished experiment to a folder that a device can use."""

import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.export.card import model_card
from espnet_plugin.export.card_json import CARD, card_json
from espnet_plugin.export.dev import DevSet, read_dev
from espnet_plugin.export.fixed import (
    FIXED,
    FixedFile,
    check_can_be_fixed,
    make_fixed,
)
from espnet_plugin.export.folder import META, OWN_FILES, check_target, whole_folder
from espnet_plugin.export.int8 import Int8Result, log_int8, make_int8, without_int8
from espnet_plugin.export.measured import exported_file, workload
from espnet_plugin.export.meta import describe, file_table, graph_metadata
from espnet_plugin.export.ports import Port
from espnet_plugin.export.provenance import provenance_of
from espnet_plugin.export.run_check import check_runner
from espnet_plugin.export.runtime import OnnxModel, check_packages, is_installed
from espnet_plugin.export.script_run import RunnerFailed
from espnet_plugin.export.scripts import copy_script
from espnet_plugin.export.sherpa import sherpa_target
from espnet_plugin.export.source import Source, load_source
from espnet_plugin.export.target_names import TARGETS
from espnet_plugin.export.targets import Target, batch_warnings, onnx_target
from espnet_plugin.export.timing.measure import measure_file
from espnet_plugin.export.trial import TrialOptions
from espnet_plugin.export.verify import (
    check_dev,
    check_file,
    check_parity,
    log_dev,
    log_parity,
)
from espnet_plugin.export.write import write_model
from espnet_plugin.files import write_json, write_lines, write_text

__all__ = ["INT8", "MODEL", "ExportOptions", "export_model"]

MODEL = "model.onnx"
INT8 = "model.int8.onnx"


@dataclass(frozen=True)
class ExportOptions(TrialOptions):
    """Options of an export and of its tests.

    Attributes:
        target: One of :data:`~espnet_plugin.export.target_names.TARGETS`.
        output_dir: The folder to write; in the experiment if not given.
        model_file: Name of the checkpoint; the best average if not given.
        features: Whether the front end is left out of the graph.
        fbank_rate: Sampling rate in Hz of a model that takes this plugin's Kaldi filter
            banks.
        sherpa_kind: For target ``sherpa-onnx``: model type of sherpa-onnx.
        fixed_seconds: Duration of the input of a second file without any free size;
            None: no such file.
    """

    target: str = "onnx"
    output_dir: Optional[Path] = None
    model_file: Optional[str] = None
    features: bool = False
    fbank_rate: Optional[int] = None
    sherpa_kind: str = "omnilingual"
    fixed_seconds: Optional[float] = None

    def __post_init__(self):
        super().__post_init__()
        if self.target not in TARGETS:
            raise UserError(
                f"--target {self.target}: must be one of {', '.join(TARGETS)}"
            )
        if self.features and self.target != "onnx":
            raise UserError(
                f"--features: --target {self.target} takes audio; use --target onnx"
            )
        if self.sherpa_kind != "omnilingual" and self.target != "sherpa-onnx":
            raise UserError(
                f"--sherpa_kind {self.sherpa_kind}: only for --target sherpa-onnx"
            )
        if self.fixed_seconds is not None and self.target != "onnx":
            raise UserError(
                f"--fixed_seconds {self.fixed_seconds:g}: the programs of "
                f"{self.target} give inputs of any length; use --target onnx"
            )


def export_model(experiment: Path, options: ExportOptions) -> Path:
    """Export a model, check the files, and only then move them to their folder.

    Args:
        experiment: An ESPnet experiment folder.
        options: Options of the export.

    Returns:
        The folder.

    Raises:
        UserError: If the model cannot be exported, or the export gives different
        results.
    """
    check_packages("onnx", "onnxruntime")
    started = time.monotonic()
    source = load_source(experiment, options.model_file, options.fbank_rate)
    target = _target(source, options)
    folder = options.output_dir or Experiment(experiment).exports / options.target
    check_target(folder, source.facts, target.name, experiment)
    if options.fixed_seconds is not None:
        check_can_be_fixed(source, options.fixed_seconds)
    dev = _read_dev(source, options)
    with whole_folder(folder, OWN_FILES) as new:
        _fill(new, source, target, dev, options, experiment)
    logging.info("%s, in %.0f s", folder, time.monotonic() - started)
    return folder


def _target(source: Source, options: ExportOptions) -> Target:
    if options.target == "onnx":
        return onnx_target(source, options.features)
    return sherpa_target(source, options.sherpa_kind)


def _read_dev(source: Source, options: ExportOptions) -> Optional[DevSet]:
    if options.dev is None:
        logging.info(
            "--dev is not given, so only log-probabilities are compared, not texts"
        )
        return None
    rate = source.facts.sample_rate
    if rate is None:
        raise UserError(
            f"--dev {options.dev}: {source.facts.experiment} takes features of an "
            "unknown kind; remove --dev, or give --fbank_rate"
        )
    return read_dev(options.dev, rate, options.dev_utterances)


def _fill(
    new: Path,
    source: Source,
    target: Target,
    dev: Optional[DevSet],
    options: ExportOptions,
    experiment: Path,
) -> None:
    facts, port = source.facts, target.port
    metadata = {**graph_metadata(facts), **target.metadata}
    write_model(port, source, new / MODEL, metadata)
    check_file(new / MODEL, [experiment, new])
    model = OnnxModel(new / MODEL, options.num_threads)
    parity = check_parity(source, port, model)
    log_parity(parity)
    verified: dict[str, Any] = {"parity": asdict(parity)}
    expected: dict[str, Mapping[str, str]] = {}
    texts: dict[str, Mapping[str, str]] = {}
    quantised: Optional[Int8Result] = None
    if dev is not None:
        compared, expected[MODEL], texts[MODEL] = check_dev(source, port, model, dev)
        log_dev(compared)
        verified["dev"] = asdict(compared)
        if options.int8:
            quantised = _quantise(new, source, port, dev, options, expected)
            texts.update({k: v for k, v in expected.items() if k != MODEL})
    fixed = _fixed(new, source, port, metadata, dev, options)
    write_lines(new / "tokens.txt", (f"{t} {n}" for n, t in enumerate(target.tokens)))
    copy_script(target.runner, new)
    files = file_table(new)
    meta = replace(
        describe(facts, target.name, port),
        of_target=target.meta,
        made=provenance_of(experiment, options.license).to_json(),
        files=files,
        warnings=(*target.warnings, *batch_warnings(source, port)),
        verified=verified,
    )
    # Written twice: the script reads it, and the script's results are added to it.
    write_json(new / META, meta.to_json())
    if dev is not None:
        ran = [check_runner(source, target, new, dev, MODEL, expected[MODEL])]
        if INT8 in expected:
            try:
                said = expected[INT8]
                ran.append(check_runner(source, target, new, dev, INT8, said))
            except RunnerFailed as error:
                # The file in 32 bits is good, so it is kept, as with word errors.
                quantised = without_int8(new / INT8, quantised, error.reason)
                del files[INT8], texts[INT8]
        if fixed is not None and fixed.dev is not None:
            said = fixed.texts
            ran.append(check_runner(source, target, new, fixed.dev, FIXED, said))
        runs = [asdict(one) for one in ran if one is not None]
        verified = {**verified, "runner": runs}
    meta = replace(
        meta,
        files=files,
        verified=verified,
        int8=None if quantised is None else asdict(quantised),
        fixed=None if fixed is None else fixed.result.to_json(),
        measured=_measured(new, source, target, dev, texts, options),
    )
    write_json(new / META, meta.to_json())
    write_text(new / "README.md", model_card(meta, target.run))
    write_json(new / CARD, card_json(meta))


def _measured(
    new: Path,
    source: Source,
    target: Target,
    dev: Optional[DevSet],
    texts: Mapping[str, Mapping[str, str]],
    options: ExportOptions,
) -> dict[str, Any]:
    """Return the measurements of every model file in the folder."""
    work = None
    if options.measure and is_installed(target.needs):
        script = new / target.runner.name
        said = texts.get(MODEL, {})
        threads = options.num_threads
        work = workload(source, target.port, script, dev, said, threads)
    found = {}
    for name in (MODEL, INT8):
        if (new / name).is_file():
            timed = None if work is None else measure_file(name, work)
            one = exported_file([new / name], dev, texts.get(name), timed)
            found[name] = one.to_json()
    return found


def _fixed(
    new: Path,
    source: Source,
    port: Port,
    metadata: Mapping[str, str],
    dev: Optional[DevSet],
    options: ExportOptions,
) -> Optional[FixedFile]:
    if options.fixed_seconds is None:
        return None
    seconds, threads = options.fixed_seconds, options.num_threads
    return make_fixed(source, port, seconds, new / FIXED, metadata, dev, threads)


def _quantise(
    new: Path,
    source: Source,
    port: Port,
    dev: DevSet,
    options: ExportOptions,
    expected: dict[str, Mapping[str, str]],
) -> Int8Result:
    """Write the quantised file if it is good enough; return the measurements."""
    result, texts = make_int8(
        source,
        port,
        new / MODEL,
        new / INT8,
        dev,
        options.max_wer_loss,
        options.num_threads,
    )
    log_int8(INT8, result)
    if result.accepted:
        check_file(new / INT8, [new])
        expected[INT8] = texts
    return result

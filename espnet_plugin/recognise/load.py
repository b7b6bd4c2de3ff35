"""Which recogniser a folder holds."""

from pathlib import Path
from typing import Optional, Sequence, Union

from espnet_plugin.dual_mode.load import has_learnt_to_stream
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.names import DUAL_MODE
from espnet_plugin.recognise.confidence import read_calibration
from espnet_plugin.recognise.ctc_model import CtcModel
from espnet_plugin.recognise.hotwords import Phrase
from espnet_plugin.recognise.onnx_model import OnnxCtcModel, is_export
from espnet_plugin.recognise.recogniser import Recogniser, SearchOptions

__all__ = ["can_stream", "load_file_recogniser", "load_model"]


def can_stream(folder: Union[str, Path]) -> bool:
    """Tell whether a folder holds a model that recognises while audio comes in.

    Raises:
        UserError: If it has no configuration of an ASR model.
    """
    if is_export(folder):
        return False
    config = Experiment(folder).config()
    return config["encoder"] == DUAL_MODE and has_learnt_to_stream(folder)


def load_model(
    folder: Union[str, Path], model_file: Optional[str] = None, num_threads: int = 1
) -> CtcModel:
    """Load the model of a folder, in the runtime that it is for.

    Args:
        folder: An ESPnet experiment with a CTC model, or an export of one.
        model_file: Name of the checkpoint or ONNX file; the best one if None.
        num_threads: Threads of onnxruntime; torch's are set for the whole process.

    Raises:
        UserError: If the folder holds no such model.
    """
    if is_export(folder):
        return OnnxCtcModel(folder, model_file, num_threads)
    # Here, because torch and ESPnet take many seconds to import.
    from espnet_plugin.recognise.espnet_model import EspnetCtcModel

    return EspnetCtcModel(folder, model_file)


def load_file_recogniser(
    folder: Union[str, Path],
    options: SearchOptions = SearchOptions(),
    phrases: Sequence[Phrase] = (),
    model_file: Optional[str] = None,
    num_threads: int = 1,
) -> Recogniser:
    """Load a recogniser of whole files, with the folder's calibrated confidence.

    Args:
        folder: An ESPnet experiment with a CTC model.
        options: How to search.
        phrases: Contextual words.
        model_file: Name of the checkpoint; the best one if None.
        num_threads: Threads of onnxruntime; torch's are set for the whole process.

    Raises:
        UserError: If the folder holds no such model, or an option does not fit it.
    """
    model = load_model(folder, model_file, num_threads)
    calibration = read_calibration(Path(folder), model.checksum())
    return Recogniser(model, options, phrases, calibration)

"""Load the model in a folder as a recogniser."""

from pathlib import Path
from typing import Optional, Sequence, Union

from espnet_plugin.dual_mode.load import has_learnt_to_stream
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.export.read import check_not_above_exports, is_export
from espnet_plugin.names import DUAL_MODE
from espnet_plugin.recognise.confidence import read_calibration
from espnet_plugin.recognise.ctc_model import CtcModel
from espnet_plugin.recognise.hotwords import Phrase
from espnet_plugin.recognise.onnx_model import OnnxCtcModel
from espnet_plugin.recognise.recogniser import Recogniser, SearchOptions

__all__ = ["can_stream", "load_file_recogniser", "load_model"]


def can_stream(folder: Union[str, Path]) -> bool:
    """Return whether a folder holds a model that can recognise in streaming mode.

    Raises:
        UserError: If it does not have the configuration of an ASR model.
    """
    if is_export(folder):
        return False
    check_not_above_exports(folder)
    config = Experiment(folder).config()
    return config["encoder"] == DUAL_MODE and has_learnt_to_stream(folder)


def load_model(
    folder: Union[str, Path], model_file: Optional[str] = None, num_threads: int = 1
) -> CtcModel:
    """Load the model in a folder with its runtime (ESPnet or onnxruntime).

    Args:
        folder: An ESPnet experiment with a CTC model, or an export of one.
        model_file: Name of the checkpoint or ONNX file; chosen automatically if None.
        num_threads: Threads of onnxruntime; torch's are set for the whole process.

    Raises:
        UserError: If the folder has no such model.
    """
    if is_export(folder):
        return OnnxCtcModel(folder, model_file, num_threads)
    check_not_above_exports(folder)
    # Imported here, because importing torch and ESPnet takes many seconds.
    from espnet_plugin.recognise.espnet_model import EspnetCtcModel

    return EspnetCtcModel(folder, model_file)


def load_file_recogniser(
    folder: Union[str, Path],
    options: SearchOptions = SearchOptions(),
    phrases: Sequence[Phrase] = (),
    model_file: Optional[str] = None,
    num_threads: int = 1,
) -> Recogniser:
    """Load a recogniser of whole files, with the calibration in the folder, if any.

    Args:
        folder: An ESPnet experiment with a CTC model, or an export of one.
        options: Options of the search.
        phrases: Contextual words.
        model_file: Name of the checkpoint or ONNX file; chosen automatically if None.
        num_threads: Threads of onnxruntime; torch's are set for the whole process.

    Raises:
        UserError: If the folder holds no such model, or an option does not fit it.
    """
    model = load_model(folder, model_file, num_threads)
    calibration = read_calibration(Path(folder), model.checksum())
    return Recogniser(model, options, phrases, calibration)

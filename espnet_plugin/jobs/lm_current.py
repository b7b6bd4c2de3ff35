"""Which finished language models belong to the dense model and the text there are.

Stages 4 and 5 of ``lmprune.sh`` refuse to continue with another dense model or text.
Stages 6 to 8 may be called alone, and leave out what stage 5 would refuse.
"""

import logging
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.data.content import Contents
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.inputs import KIND, Difference, first_difference
from espnet_plugin.files import file_checksum, read_record
from espnet_plugin.jobs.inputs import CONTENT, digests_beside, job_inputs
from espnet_plugin.jobs.lm_text import LMText
from espnet_plugin.jobs.requests import LMRequest
from espnet_plugin.lm.record import Decoded, LMRecord, Measured, find_models, lm_folder
from espnet_plugin.lm.table import NO_LM

__all__ = [
    "check_decoded",
    "check_measured_now",
    "current_models",
    "measured_from",
    "why_left_out",
]

_AGAIN = "delete the folder and run stage {} again"


def current_models(
    exp_dir: Path, folders: Sequence[Path], text: Optional[LMText] = None
) -> list[Path]:
    """Return the models that are not outdated, with a warning for each other one.

    Args:
        exp_dir: Folder of all experiments.
        folders: Folders of finished models.
        text: The text of stage 3; None: it is not compared.

    Raises:
        UserError: If all are outdated.
    """
    why = why_left_out(exp_dir, text)
    old = [folder for folder in folders if folder in why]
    for folder in old:
        logging.warning("%s is left out: %s", folder, why[folder])
    if folders and len(old) == len(folders):
        raise UserError(f"no language model is left: {old[0]}: {why[old[0]]}")
    return [folder for folder in folders if folder not in why]


def why_left_out(exp_dir: Path, text: Optional[LMText] = None) -> dict[Path, str]:
    """Return why models are outdated, by their folders.

    A model is outdated if it was trained on another text, or was made from another
    model than the one in the folder that it was made from, or if that one is outdated.
    Records of earlier versions lack the content of the text, which is then not
    compared.

    Args:
        exp_dir: Folder of all experiments.
        text: The text of stage 3; None: it is not compared.
    """
    records = {folder: LMRecord.read(folder) for folder in find_models(exp_dir)}
    requests = {one: read_record(Experiment(one).request_file) for one in records}
    contents = digests_beside(Path(exp_dir, "lm"))
    data = _text_inputs(text, contents)
    why: dict[Path, str] = {}
    for folder, record in records.items():
        changed = _other_text(requests[folder], data)
        if changed is not None:
            stage = 4 if record.method == "dense" else 5
            why[folder] = f"it was trained with other inputs: {changed}. To train it "
            why[folder] += f"with those there are now, {_AGAIN.format(stage)}"
    # Models are found in the order in which they are made, but for controls.
    controls = [one for one in records if requests[one].get("source") is None]
    for folder in [*(one for one in records if one not in controls), *controls]:
        request, record = requests[folder], records[folder]
        source = _made_from(exp_dir, record, request)
        if folder in why or source is None or source not in records:
            continue
        if source in why:
            why[folder] = f"{source}, which it was made from, is left out"
            continue
        now = file_checksum(source / records[source].checkpoint)
        old = request.get("source")
        if old is not None and old != now:
            changed = Difference("checkpoint", old[:12], now[:12], 0)
            why[folder] = f"it was made from another {source}: {changed}. To make it "
            why[folder] += f"from the one there is now, {_AGAIN.format(5)}"
    contents.save()
    return why


def _made_from(
    exp_dir: Path, record: LMRecord, request: Mapping[str, Any]
) -> Optional[Path]:
    """Return the folder of the model that determined this one; None for the dense one.

    That of a control is the model that it is like.
    """
    row, step = request.get("row"), request.get("step")
    if record.method == "dense" or not isinstance(row, Mapping):
        return None
    if record.method == "scratch":
        return lm_folder(exp_dir, str(row.get("like")), record.seed, row.get("keep"))
    if step and isinstance(row.get("keep"), list):
        return lm_folder(exp_dir, record.row, record.seed, row["keep"][step - 1])
    return lm_folder(exp_dir, "dense", record.seed)


def _text_inputs(text: Optional[LMText], contents: Contents) -> dict[str, Any]:
    """Return the inputs of every training that are the text's; empty if it is gone."""
    if text is None:
        return {}
    try:
        request = LMRequest(text.config(), text.options(), {}, 0, None)
        inputs = job_inputs(request, contents)
    except UserError:
        return {}
    return {k: v for k, v in inputs.items() if k not in (KIND, "step")}


def _other_text(
    request: Mapping[str, Any], data: Mapping[str, Any]
) -> Optional[Difference]:
    known = request.get("inputs")
    if not isinstance(known, Mapping):
        return None
    # A file that is gone, as after the folder was moved, cannot be compared.
    data = {k: v for k, v in data.items() if not _is_gone(known.get(k), v)}
    return first_difference({name: known.get(name) for name in data}, data)


def _is_gone(old: Any, new: Any) -> bool:
    return str(old).startswith(CONTENT) and not str(new).startswith(CONTENT)


def measured_from(folder: Path, text: LMText, names: Sequence[str]) -> dict[str, str]:
    """Return what the figures of a model depend on: its checkpoint and the texts.

    Args:
        folder: Folder of the model.
        text: The text of stage 3.
        names: ``valid`` and the names of test sets.
    """
    contents = Contents()
    record = LMRecord.read(folder)
    said = {name: contents.table(text.text(name), "text") for name in names}
    return {"checkpoint": file_checksum(folder / record.checkpoint), **said}


def check_measured_now(folders: Sequence[Path], text: Optional[LMText]) -> None:
    """Check that the figures of stage 6 are of the models and texts there are.

    Raises:
        UserError: If not; it names the first difference.
    """
    for folder in folders:
        known = Measured.read(folder).made_of
        names = [name for name in known if name != "checkpoint"]
        if text is not None and text.folder.is_dir():
            now = measured_from(folder, text, names)
        else:
            record = LMRecord.read(folder)
            now = {**known, "checkpoint": file_checksum(folder / record.checkpoint)}
        found = first_difference(known, now) if known else None
        if found is not None:
            raise UserError(
                f"{folder}: its perplexities are of other inputs: {found}: run stage 6 "
                "again, with all --seeds"
            )


def check_decoded(exp_dir: Path, folders: Sequence[Path], test_set: str) -> None:
    """Check that the error rates of stage 7 can be compared with each other.

    Args:
        exp_dir: Folder of all experiments; holds the search without a language model.
        folders: Folders of the models in the table.
        test_set: The test set of the table.

    Raises:
        UserError: If a model was replaced since, or the models were decoded with
            different recognisers, audio, transcripts, beams or sets; it names the
            first difference.
    """
    again = "run stage 7 again, with all --seeds"
    first: Optional[tuple[Path, dict[str, Any]]] = None
    for folder in (Path(exp_dir, NO_LM), *folders):
        decoded = Decoded.find(folder)
        if decoded is None:
            continue
        if decoded.test_set != test_set:
            raise UserError(
                f"{folder}: its error rates are those of the set {decoded.test_set}, "
                f"not of {test_set}: {again} and --test_sets {test_set}, or name "
                f"{decoded.test_set}"
            )
        one = DecodedSet(Path(folder, decoded.score_file).parent)
        known = read_record(one.decoded_file)
        if known.get("lm") is not None:
            now = file_checksum(folder / LMRecord.read(folder).checkpoint)
            if known["lm"] != now:
                changed = Difference("checkpoint", known["lm"][:12], now[:12], 0)
                raise UserError(
                    f"{folder}: its error rates are those of another model: {changed}: "
                    f"{again}"
                )
        scored = read_record(one.scored_file).get("inputs")
        facts = {name: known.get(name) for name in ("recogniser", "config", "audio")}
        facts["beam"] = decoded.beam
        if isinstance(scored, Mapping):
            facts["transcripts"] = scored.get("reference")
        # What an earlier version did not record is not compared.
        facts = {name: value for name, value in facts.items() if value is not None}
        if first is None:
            first = folder, facts
            continue
        both = [name for name in first[1] if name in facts]
        found = first_difference(
            {name: first[1][name] for name in both},
            {name: facts[name] for name in both},
        )
        if found is not None:
            raise UserError(
                f"{folder} and {first[0]} were not decoded alike: {found.name} is "
                f"{found.new} and {found.old}: {again}"
            )

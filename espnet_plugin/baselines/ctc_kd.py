"""One stage of CTC and the teacher's posteriors together, instead of EncRL."""

import logging
from dataclasses import dataclass
from pathlib import Path

import yaml

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.checkpoints.plain import plain_state
from espnet_plugin.distill.students import INITS
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json, write_text
from espnet_plugin.jobs.family import ENCRL_AVERAGED
from espnet_plugin.jobs.rendezvous import run_task
from espnet_plugin.jobs.training_job import training_job
from espnet_plugin.tasks.ranks import without_ranks

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        ctc_loss_weight: Of the CTC loss, which is a sum over an utterance's frames.
        kl_weight: Of the divergence from the teacher's posteriors, a mean over frames.
        temperature: Both posteriors are softened by it.
        blank_weight: Of the frames where the teacher says blank.
        student_init: ``random``, ``first``, ``last`` or ``spaced`` reference layers.
    """

    ctc_loss_weight: float = 1.0
    kl_weight: float = 1.0
    temperature: float = 1.0
    blank_weight: float = 1.0
    student_init: str = "random"


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train a model of each size, each with its own pass of the teacher."""
    if options.student_init not in INITS:
        raise UserError(
            f"options.student_init {options.student_init!r}: must be one of "
            f"{', '.join(INITS)}"
        )
    return [_train_one(job, size, options) for size in job.sizes]


def _train_one(job: BaselineJob, size: int, options: Options) -> Path:
    folder = job.folder(size)
    work = folder / "train"
    training = job.training_of(size)
    training["model_conf"] = {
        "objectives": {
            "kl": {
                "weight": options.kl_weight,
                "temperature": options.temperature,
                "blank_weight": options.blank_weight,
            }
        },
        "ctc_loss_weight": options.ctc_loss_weight,
    }
    # By loss, because validation's is the same sum that is trained.
    training["best_model_criterion"] = [["valid", "loss", "min"]]
    cmd = [
        *("--reference_config", str(job.reference.config_file)),
        *("--reference_model_file", str(job.reference.checkpoint)),
        *("--student_num_layers", str(size), "--student_init", options.student_init),
        *job.options(),
    ]
    if job.teacher_cache is not None:
        cmd += ["--teacher_cache", job.teacher_cache]
    request = {
        "config": training,
        "options": without_ranks(cmd),
        "reference": job.reference.sha256,
    }
    with training_job(work, request) as todo:
        if todo is not None:
            logging.info("%s: training %s", job.method, folder)
            path = work / "train_config.yaml"
            text = yaml.safe_dump(training, sort_keys=False, allow_unicode=True)
            write_text(path, text)
            run_task(
                "espnet_plugin.tasks.encrl:EncRLTask",
                [
                    *("--config", str(path), "--output_dir", str(work)),
                    *("--resume", "true", *cmd),
                ],
            )
    if not (folder / "meta.json").is_file():
        state = plain_state(work / ENCRL_AVERAGED, range(size))
        job.write_model(folder, job.reference.config(size), state, job.meta(size))
        write_json(folder / "cost.json", read_json(work / "cost.json"))
    job.check_reference(folder)
    return folder

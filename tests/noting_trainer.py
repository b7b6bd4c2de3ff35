"""A trainer that notes what it is asked for and leaves what a training would leave."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import torch
import yaml

from espnet_plugin.files import write_json
from espnet_plugin.jobs.trainer import PLAIN_TASK

__all__ = ["Asked", "NotingTrainer"]

_OWN = ("--config", "--output_dir", "--resume", "--init_param")


@dataclass(frozen=True)
class Asked:
    """One training, as it was asked for.

    Attributes:
        folder: Where to train.
        task: The task.
        config: Content of the file that ``--config`` names.
        options: All others but ``--resume`` and ``--init_param``.
        init: What ``--init_param`` names.
    """

    folder: Path
    task: str
    config: dict[str, Any]
    options: list[str]
    init: Optional[Path]


class NotingTrainer:
    """For :func:`espnet_plugin.jobs.trainer.use_trainer`.

    "Trained" are the weights it is to start from, or random ones, plus ``noise``: so
    much at most is added to each.

    Attributes:
        asked: By folder name, in their order.
    """

    def __init__(self, noise: float = 0.0):
        self.noise = noise
        self.asked: dict[str, Asked] = {}

    def __call__(self, task: str, cmd: Sequence[str]) -> None:
        own = {name: cmd[cmd.index(name) + 1] for name in _OWN if name in cmd}
        assert own["--resume"] == "true"
        others, skip = [], False
        for option in cmd:
            if not skip and option not in _OWN:
                others.append(option)
            skip = not skip and option in _OWN
        folder, init = Path(own["--output_dir"]), own.get("--init_param")
        config = yaml.safe_load(Path(own["--config"]).read_text())
        asked = Asked(folder, task, config, others, init and Path(init))
        self.asked[folder.name] = asked
        if task == PLAIN_TASK:
            self._leave(asked)

    def _leave(self, asked: Asked) -> None:
        from espnet_plugin.checkpoints.load import build_asr_model, load_state

        model, _ = build_asr_model(asked.config, asked.folder)
        if asked.init is not None:
            state = torch.load(asked.init, weights_only=True)
            load_state(model, state, asked.init)
        generator = torch.Generator().manual_seed(3)
        state = model.state_dict()
        for name, value in state.items():
            if value.is_floating_point() and "running" not in name:
                value += self.noise * torch.rand(value.shape, generator=generator)
        criterion, *_ = asked.config["best_model_criterion"]
        torch.save(state, asked.folder / f"valid.{criterion[1]}.ave.pth")
        (asked.folder / "config.yaml").write_text(yaml.safe_dump(asked.config))
        epochs = asked.config.get("max_epoch", 1)
        write_json(asked.folder / "cost.json", {"flops": 5, "epochs": epochs})

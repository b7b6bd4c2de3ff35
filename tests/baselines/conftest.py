"""A trainer that trains nothing, and configurations of baselines."""

import pytest
import yaml
from noting_trainer import NotingTrainer

from espnet_plugin.jobs.trainer import use_trainer


@pytest.fixture
def trainer():
    """Trainings are noted, and leave the weights they start from."""
    noting = NotingTrainer()
    with use_trainer(noting):
        yield noting


@pytest.fixture
def write(tmp_path):
    """Write a baseline's configuration and a training configuration beside it."""
    (tmp_path / "train.yaml").write_text("{max_epoch: 7, optim: adamw}")

    def write(name="some", **content):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"training": "train.yaml", **content}))
        return path

    return write

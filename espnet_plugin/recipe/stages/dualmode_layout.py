"""The paths of a dual-mode recipe, and the options of its first stages."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.jobs.pretraining_loss import folder_name, loss_of
from espnet_plugin.names import WAV2VEC2
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.stages.data_options import options_of_data
from espnet_plugin.yaml_files import read_yaml

__all__ = ["DualmodeLayout", "data_options_of", "lines_of"]


def data_options_of(options: DualmodeOptions) -> EncrlRecipeOptions:
    """Return the options of stages 1 to 3, as the EncRL family declares them."""
    return options_of_data(
        options,
        3,
        unlabelled_sets=_own_sets(options),
        reference_config=options.train_config,
    )


def _own_sets(options: DualmodeOptions) -> tuple[str, ...]:
    """Return the set of the pre-training, unless it is formatted as another one."""
    formatted = (options.train_set, options.valid_set, *options.test_sets)
    own = options.pretrain_set
    return (own,) if own and own not in formatted else ()


@dataclass(frozen=True)
class DualmodeLayout:
    """The paths of a dual-mode recipe.

    Attributes:
        options: Options of the recipe.
        data: Paths of stages 1 to 3.
    """

    options: DualmodeOptions
    data: Layout

    @property
    def pretrain_exp(self) -> str:
        """Folder of the pre-training (stage 4); each loss has its own."""
        loss, config = WAV2VEC2, Path(self.options.pretrain_config)
        if config.is_file():  # where it is needed, its absence is a message
            loss = loss_of(read_yaml(config, "--pretrain_config"))
        return f"{self.options.expdir}/{folder_name(loss)}"

    @property
    def pretrain_set(self) -> str:
        """Name of the set of the pre-training in the dump."""
        own = self.options.pretrain_set
        return self.data.dump_train if own == self.options.train_set else own

    @property
    def pretrained(self) -> str:
        """Checkpoint from which rows may start; empty if there is none."""
        given = self.options.pretrained
        own = f"{self.pretrain_exp}/latest.pth"
        return given or (own if self.options.pretrain_set else "")

    def training(self, row: str) -> str:
        """Return the folder of a row's training."""
        return f"{self.options.expdir}/dual_{row}_s{self.options.seed}"

    def model_list(self, row: str) -> str:
        """Return the file with the folders of a row's models, one per line."""
        return f"{self.options.expdir}/asr_{row}_s{self.options.seed}.models"

    def recognisers(self) -> list[str]:
        """Return the folders of all models of the recipe."""
        lists = sorted(Path(self.options.expdir).glob("asr_*_s*.models"))
        return [one for file in lists for one in lines_of(file)]

    def normalize_options(self) -> list[str]:
        """Return ESPnet's option for the statistics that normalise features."""
        stats_file = f"{self.data.stats}/train/feats_stats.npz"
        return ["--normalize_conf", f"stats_file={stats_file}"]

    def ranks(self) -> list[str]:
        """Return ESPnet's options for GPUs."""
        ngpu = self.options.ngpu
        several = ["--multiprocessing_distributed", "true"] if ngpu > 1 else []
        return ["--ngpu", str(ngpu), *several]


def lines_of(file: Path) -> list[str]:
    """Return the lines of a text file."""
    return file.read_text(encoding="utf-8").splitlines()

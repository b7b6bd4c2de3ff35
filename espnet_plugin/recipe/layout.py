"""Paths of the files that the stages of a recipe read and write."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.chosen_shapes import SHAPES_FILE, TrialRule
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.yaml_files import read_yaml

__all__ = ["Found", "Layout", "read_found"]


@dataclass(frozen=True)
class Found:
    """Data of a finished ESPnet recipe, used instead of stages 1 to 3.

    Attributes:
        dump: Folder of the sets.
        stats: Folder of the statistics.
        dump_train: Name of the training set in ``dump``.
        scp: File name of a set's table of audio or features, e.g. ``wav.scp``.
        kind: Type by which ESPnet reads this table, e.g. ``sound``.
    """

    dump: str
    stats: str
    dump_train: str
    scp: str
    kind: str


def read_found(
    file: str, options: EncrlRecipeOptions
) -> tuple[EncrlRecipeOptions, Found]:
    """Read the results of ``bin/asr_recipe``: ``name=value`` lines, quoted for shells.

    Args:
        file: The file ``found.sh``.
        options: Options of the recipe.

    Returns:
        The options with the values that were found, and the paths that no option has.
    """
    text = Path(file).read_text(encoding="utf-8")
    found = dict(word.split("=", 1) for word in shlex.split(text))
    options = replace(
        options,
        reference=found["reference"],
        reference_model_file=found["reference_model_file"],
        train_set=found["train_set"],
        valid_set=found["valid_set"],
        test_sets=tuple(found["test_sets"].split()),
    )
    names = ("dump", "stats", "dump_train", "scp")
    return options, Found(*(found[name] for name in names), kind=found["type"])


@dataclass(frozen=True)
class Layout:
    """The paths of an EncRL recipe; those of stages 1 to 3 are shared by all families.

    Attributes:
        options: Options of the recipe.
        found: Data that ``--asr_recipe`` has found, if it was given.
        joined: Whether unlabelled sets are trained on together with the training set,
            so that names of utterances must differ.
    """

    options: EncrlRecipeOptions
    found: Optional[Found] = None
    joined: bool = True

    @property
    def dump(self) -> str:
        """Folder of the formatted sets."""
        o = self.options
        return self.found.dump if self.found else f"{o.dumpdir}/{o.feats_type}"

    @property
    def dump_train(self) -> str:
        """Name of the training set in :attr:`dump`."""
        if self.found:
            return self.found.dump_train
        end = "_sp" if self.options.speed_perturb_factors else ""
        return f"{self.options.train_set}{end}"

    @property
    def encrl_set(self) -> str:
        """Name of the set that stage 5 trains on."""
        return "+".join([self.dump_train, *self.options.unlabelled_sets])

    @property
    def token_name(self) -> str:
        """Name of the token unit and its number, e.g. ``char`` or ``bpe100``."""
        o = self.options
        return "char" if o.token_type == "char" else f"bpe{o.nbpe}"

    @property
    def token_dir(self) -> str:
        """Folder of the recipe's own tokens."""
        return f"{self.options.datadir}/token_list/{self.token_name}"

    @property
    def token_list(self) -> str:
        """The token list of all trainings; an imported reference has its own."""
        if self.options.reference:
            return f"{self.reference_exp}/tokens.txt"
        return f"{self.token_dir}/tokens.txt"

    @property
    def stats(self) -> str:
        """Folder of the statistics."""
        if self.found:
            return self.found.stats
        o = self.options
        prefix = f"{o.expdir}/asr_stats_{o.feats_type}_"
        own = f"{prefix}{self.token_name}"
        if not o.reference:
            return own
        # Only lengths, for any tokens; earlier versions used the name in `own`.
        imported = f"{prefix}imported"
        is_old = Path(own).is_dir() and not Path(imported).is_dir()
        return own if is_old else imported

    @property
    def scp(self) -> str:
        """File name of a set's table of audio or features."""
        if self.found:
            return self.found.scp
        return "wav.scp" if self.options.feats_type == "raw" else "feats.scp"

    @property
    def kind(self) -> str:
        """Type by which ESPnet reads the table :attr:`scp`."""
        if self.found:
            return self.found.kind
        return "sound" if self.options.feats_type == "raw" else "npy"

    @property
    def lengths(self) -> str:
        """File name of a set's table of lengths."""
        raw = self.options.feats_type == "raw"
        return "utt2num_samples" if raw else "feats_shape"

    @property
    def reference_exp(self) -> str:
        """Folder of the reference model."""
        return self.options.reference_exp

    @property
    def encrl_exp(self) -> str:
        """Folder of the training of stage 5; ``_<n>l`` is added for a separate size."""
        return f"{self.options.expdir}/encrl_{self.options.tag}_s{self.options.seed}"

    @property
    def student_exp(self) -> str:
        """Prefix of the folders of the small models; ``_<size>l`` is added."""
        return f"{self.options.expdir}/asr_{self.options.tag}_s{self.options.seed}"

    @property
    def shapes_exp(self) -> str:
        """Folder of the trials for ``--budget``."""
        return f"{self.options.expdir}/shapes_{self.options.tag}_s{self.options.seed}"

    @property
    def chosen_file(self) -> str:
        """The file with the shapes that stage 5 has chosen for ``--budget``."""
        return f"{self.shapes_exp}/{SHAPES_FILE}"

    @property
    def trial_rule(self) -> TrialRule:
        """The budgets, and how shapes are tried for them."""
        o = self.options
        return TrialRule(o.budget, o.trials, o.trial_epochs)

    def models(self, prefix: str) -> list[str]:
        """Return the folders of all sizes with a prefix, e.g. :attr:`student_exp`."""
        return [f"{prefix}_{size}l" for size in self.options.sizes]

    def imported(self) -> Optional[dict[str, Any]]:
        """Return the configuration of an imported reference, None before the import."""
        file = Experiment(self.reference_exp).config_file
        if not self.options.reference or not file.is_file():
            return None
        return read_yaml(file)

    def set_options(self, part: str, name: str, text: bool = True) -> list[str]:
        """Return ESPnet's options for the data of a set.

        Args:
            part: ``train`` or ``valid``.
            name: Name of the set in :attr:`dump`.
            text: Whether transcripts are used.
        """
        flag, folder = f"--{part}_data_path_and_name_and_type", f"{self.dump}/{name}"
        words = [flag, f"{folder}/{self.scp},speech,{self.kind}"]
        return words + ([flag, f"{folder}/text,text,text"] if text else [])

    def data_options(self) -> list[str]:
        """Return ESPnet's options for the training set and the development set."""
        train = self.set_options("train", self.dump_train)
        return [*train, *self.set_options("valid", self.options.valid_set)]

    def shape_options(self) -> list[str]:
        """Return ESPnet's options for the lengths that stage 3 has written."""
        return [
            *("--train_shape_file", f"{self.stats}/train/speech_shape"),
            *("--valid_shape_file", f"{self.stats}/valid/speech_shape"),
        ]

    def device_options(self) -> list[str]:
        """Return ESPnet's options for GPUs."""
        words = ["--ngpu", str(self.options.ngpu), "--num_att_plot", "0"]
        # Without it, ESPnet would use several GPUs from threads of one process.
        several = ["--multiprocessing_distributed", "true"]
        return words + (several if self.options.ngpu > 1 else [])

    def token_options(self) -> list[str]:
        """Return ESPnet's options for the recipe's own tokens."""
        o = self.options
        bpe = f"{self.token_dir}/bpe.model" if o.token_type != "char" else "none"
        # Stage 2 writes the list of symbols.
        symbols = f"{self.token_dir}/nlsyms.txt" if o.nlsyms else "none"
        return [
            *("--use_preprocessor", "true", "--token_type", o.token_type),
            *("--token_list", self.token_list, "--bpemodel", bpe),
            *(
                "--non_linguistic_symbols",
                symbols,
                "--cleaner",
                "none",
                "--g2p",
                "none",
            ),
        ]

    def feature_options(self) -> list[str]:
        """Return ESPnet's option for the width of the features of stage 2, if any."""
        if self.options.feats_type != "fbank":
            return []
        # With a given input width ESPnet uses no front end.
        with open(f"{self.dump}/{self.dump_train}/feats_shape") as stream:
            return ["--input_size", stream.readline().strip().split(",")[1]]

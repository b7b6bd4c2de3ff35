"""Data options and an interruption for the tests that train for a few steps."""

from contextlib import contextmanager

import pytest

from espnet_plugin.tasks.trainer import CostTrainer

AUDIO = ("wav.scp,speech,sound",)
AUDIO_AND_TEXT = (*AUDIO, "text,text,text")


def set_options(folder, entries):
    """Return ESPnet's options that train and validate on the same data folder."""
    options = []
    for part in ("train", "valid"):
        options += [f"--{part}_shape_file", f"{folder / 'utt2num_samples'}"]
        for entry in entries:
            path = f"{folder / entry}"
            options += [f"--{part}_data_path_and_name_and_type", path]
    return options


@contextmanager
def interrupted_in_the_second_epoch():
    """Raise KeyboardInterrupt, as Ctrl-C does, when the second epoch starts."""
    train = CostTrainer.train_one_epoch.__func__

    def until_the_second_epoch(cls, **arguments):
        if arguments["reporter"].get_epoch() == 2:
            raise KeyboardInterrupt
        return train(cls, **arguments)

    with pytest.MonkeyPatch.context() as patch:
        stop = classmethod(until_the_second_epoch)
        patch.setattr(CostTrainer, "train_one_epoch", stop)
        yield

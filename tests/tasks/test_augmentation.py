"""Effects on the training audio are tried before the training."""

import importlib.util

import numpy as np
import pytest
from espnet2.layers.augmentation import DataAugmentation, effects_dict

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.configuration import check_configuration

NEEDED = {
    "lowpass": {"cutoff_freq": 1000},
    "highpass": {"cutoff_freq": 1000},
    "bandpass": {"center_freq": 1000},
    "bandreject": {"center_freq": 1000},
    "bandwidth_limitation": {"res_type": "scipy"},
    "equalization": {"center_freq": 1000, "gain": 3.0},
    "pitch_shift": {"n_steps": 2},
    "speed_perturb": {"factor": 0.9},
    "time_stretch": {"factor": 0.9},
}


def checked(effects, share=0.5):
    conf = {"data_aug_effects": effects, "data_aug_prob": share}
    content = {"preprocessor_conf": conf}
    check_configuration(CountedASRTask, content, "--config a.yaml")


def test_what_espnet_takes_is_accepted():
    effects = [[0.1, name, NEEDED.get(name, {})] for name in effects_dict]
    group = [0.1, [[0.3, "reverse", {}], [0.3, "speed_perturb", {"factor": 1.1}]]]
    checked([*effects, group])
    wave = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    for one in (*effects, group):
        if one[1] == "pitch_shift":
            continue  # ten seconds
        assert len(DataAugmentation([one])(wave, 16000))


@pytest.mark.parametrize(
    "effects, said",
    [
        ([[0.1, "lowpas", {"cutoff_freq": 1000}]], "lowpas .*did you mean lowpass"),
        ([[0.1, "pitch_shift", {}]], "pitch_shift {}: TypeError: .*n_steps"),
        ([[0.1, "lowpass", {"cutoff_freq": "low"}]], "lowpass .*low.*Error"),
        ([[0.1, [[0.3, "reverse", {}]]]], "at least two effects in a group"),
        ([[0.1, [[1, "reverse", {}], [1, "revers", {}]]]], "did you mean reverse"),
        ([[0, "reverse", {}]], "weight must be above 0"),
        (["reverse"], "must be a list of"),
        ({"reverse": {}}, "must be a list of"),
        ([[0.1, "reverse"]], "must be a list of"),
    ],
)
def test_what_would_stop_a_training_is_refused(effects, said):
    with pytest.raises(UserError, match=f"a.yaml: .*data_aug_effects.*{said}"):
        checked(effects)


@pytest.mark.parametrize("kind", ["random", "kaiser_best", None])
def test_a_package_that_only_some_utterances_need(monkeypatch, kind):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "resampy" else find(n)
    )
    options = {} if kind is None else {"res_type": kind}
    with pytest.raises(UserError, match="needs the package resampy.*res_type: scipy"):
        checked([[0.1, "bandwidth_limitation", options]])
    checked([[0.1, "bandwidth_limitation", {"res_type": "polyphase"}]])


def test_effects_that_are_never_applied_are_named(caplog):
    checked([[0.1, "reverse", {}]], share=0)
    assert "none is applied, because data_aug_prob is 0" in caplog.text

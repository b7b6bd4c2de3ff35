"""Noises and room responses are compared with what the model takes before training."""

from argparse import Namespace

import numpy as np
import pytest
import soundfile
import torch
from espnet2.train.preprocessor import CommonPreprocessor

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.dual_mode_ssl import DualModeSSLTask
from espnet_plugin.tasks.mixed_audio import check_mixed_audio

RATE = 8000


def options(**more):
    given = {"frontend": "default", "frontend_conf": {"fs": "8k"}, **more}
    return Namespace(freeze_param=[], init_param=[], **given)


@pytest.fixture
def listed(tmp_path):
    """Write a list of files of these sampling rates, with a click at this time."""

    def write(*rates, click=0.0, named=True):
        lines = []
        for number, rate in enumerate(rates):
            samples = np.zeros(rate // 4)
            samples[round(click * rate)] = 0.5
            path = tmp_path / f"{number}_{rate}.wav"
            soundfile.write(path, samples, rate)
            lines.append(f"name{number} {path}" if named else str(path))
        path = tmp_path / f"{len(rates)}_{click}.scp"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    return write


def test_trainings_without_such_files_need_no_rate():
    check_mixed_audio(options(noise_scp=None, frontend_conf={"fs": "own"}))
    with pytest.raises(UserError, match="not a sampling rate"):
        check_mixed_audio(options(noise_scp="a", frontend_conf={"fs": "own"}))


@pytest.mark.parametrize("option", ["noise_scp", "rir_scp"])
@pytest.mark.parametrize("named", [True, False])
def test_another_rate_is_refused(listed, option, named):
    right, wrong = listed(RATE, RATE, named=named), listed(RATE, RATE, 48000)
    check_mixed_audio(options(**{option: right}))
    check_mixed_audio(options(**{option: [right]}))
    # A front end that works at any rate.
    check_mixed_audio(options(**{option: wrong, "frontend": "sliding_window"}))
    for value in (wrong, [right, wrong]):
        says = f"{option}: .*2_48000.wav: has 48000 Hz, but the model takes 8000 Hz"
        with pytest.raises(UserError, match=says):
            check_mixed_audio(options(**{option: value}))


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match="noise_scp missing.scp: cannot be read"):
        check_mixed_audio(options(noise_scp="missing.scp"))
    (tmp_path / "noise.scp").write_text("a missing.wav\n")
    with pytest.raises(UserError, match="noise_scp: missing.wav: cannot be read"):
        check_mixed_audio(options(noise_scp=str(tmp_path / "noise.scp")))


@pytest.mark.parametrize("delay, warned", [(0.0, False), (0.004, False), (0.1, True)])
def test_the_delay_of_a_response_is_the_one_by_which_espnet_moves_speech(
    listed, caplog, delay, warned
):
    responses = listed(RATE, click=delay)
    speech = np.zeros(RATE, dtype=np.float32)
    speech[1000] = 0.5
    after = CommonPreprocessor(train=True, rir_scp=responses)("u", {"speech": speech})
    moved = int(np.abs(after["speech"]).argmax()) - 1000
    assert moved == round(delay * RATE)
    check_mixed_audio(options(rir_scp=responses))
    assert (f"comes {1000 * moved / RATE:.0f} ms after" in caplog.text) == warned


@pytest.mark.parametrize("task", [CountedASRTask, DualModeSSLTask])
def test_trainings_check_it_first(listed, task):
    wrong = options(noise_scp=listed(48000))
    with pytest.raises(UserError, match="48000 Hz"):
        task.build_optimizers(wrong, torch.nn.Linear(1, 1))

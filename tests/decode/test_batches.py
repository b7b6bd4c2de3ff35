"""How many utterances are decoded at once, and which are too long."""

from pathlib import Path

import pytest
import torch
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

from espnet_plugin.decode.batches import (
    attention_bytes,
    available_memory,
    batches_within,
    check_fits,
    frames_of,
)
from espnet_plugin.decode.run import decode_model
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs

CONFIG = {
    "encoder": "conformer",
    "encoder_conf": {"attention_heads": 4, "num_blocks": 12},
    "frontend_conf": {"hop_length": 160},
}


@pytest.mark.parametrize("seconds", [1, 7, 30])
def test_frames_are_those_of_the_encoder(seconds):
    encoder = ConformerEncoder(8, output_size=4, attention_heads=1, num_blocks=1)
    features = torch.zeros(1, 16000 * seconds // 160 + 1, 8)
    out, _, _ = encoder(features, torch.tensor([features.shape[1]]))
    assert frames_of(CONFIG, 16000 * seconds, True) == out.shape[1]
    assert frames_of(CONFIG, features.shape[1], False) == out.shape[1]


def test_memory_grows_with_the_square_of_the_length():
    # One matrix of numbers for each of 4 heads, kept by each of 12 layers.
    assert attention_bytes(CONFIG, 1000) >= 12 * 4 * 1000**2 * 4
    assert attention_bytes(CONFIG, 2000) == 4 * attention_bytes(CONFIG, 1000)
    cut = {"attention_heads": [1, 0, 2], "num_blocks": 3}
    least = 3 * 2 * 1000**2 * 4
    assert least <= attention_bytes({**CONFIG, "encoder_conf": cut}, 1000) < 4 * least
    other = {**CONFIG, "encoder": "contextual_block_conformer"}
    assert frames_of(other, 16000, True) is None and attention_bytes(other, None) == 0


def test_long_utterances_are_decoded_with_fewer_others():
    needed = {"hour": 10**11, "minutes": 6 * 10**8, "half": 4 * 10**8}
    needed |= {f"short{n}": 10**6 for n in range(5)}
    batches = batches_within(needed, 4)
    assert [one for batch in batches for one in batch] == list(needed)
    assert batches[:3] == [
        ["hour"],
        ["minutes"],  # with "half" it would be padded to twice its own need
        ["half", "short0"],
    ]
    assert batches[3] == ["short1", "short2", "short3", "short4"]
    assert batches_within({}, 4) == []


def test_an_utterance_that_does_not_fit_is_refused():
    check_fits("test", "one", 10**9, 2 * 10**9)
    check_fits("test", "one", 10**9, None)
    with pytest.raises(UserError, match="test.*one.*97.2 GB.*3.0 GB.*bin.recognise"):
        check_fits("test", "one", 97_200_000_000, 3 * 10**9)


def test_the_memory_that_is_free_is_known_or_not():
    free = available_memory()
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        assert free is None  # not Linux
        return
    size = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines}
    # A control group may leave less than the machine has.
    assert 0 < free <= size["MemTotal"]
    limit = Path("/sys/fs/cgroup/memory.max")
    if not limit.is_file() or limit.read_text().strip() == "max":
        # It changes between the two readings.
        assert free == pytest.approx(size["MemAvailable"], rel=0.25, abs=2**30)


def test_an_hour_is_refused_before_it_is_read(tiny_asr_model, tmp_path):
    table = tmp_path / "wav.scp"
    keys = list(read_pairs(tiny_asr_model.wav_scp))
    table.write_text(open(tiny_asr_model.wav_scp).read())
    # What stage 2 notes; ten hours, so that no machine can do it.
    lengths = {key: 16000 for key in keys} | {keys[2]: 36000 * 16000}
    (tmp_path / "utt2num_samples").write_text(
        "".join(f"{key} {length}\n" for key, length in lengths.items())
    )
    sets = [("test", [f"{table},speech,sound"], tmp_path / "out")]
    with pytest.raises(UserError, match=f"test.*{keys[2]}"):
        decode_model(tiny_asr_model.config, tiny_asr_model.checkpoint, sets)

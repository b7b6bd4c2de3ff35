"""Character errors on dev, against each utterance decoded by itself."""

import copy

import kaldialign
import pytest
import torch
from tiny_asr import TOKENS

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.tasks.valid_error import count_valid_frames_only

LENGTHS = (32000, 9000, 5200)
TEXTS = ("ONE", "TWO", "A")


@pytest.fixture
def model(tiny_asr_model):
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    assert model.error_calculator is not None
    # A random model says the blank everywhere; this one says much, in padding too.
    with torch.no_grad():
        model.ctc.ctc_lo.weight.mul_(30)
        model.ctc.ctc_lo.bias[0] = -50.0
    return model


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(4)
    speech = torch.zeros(len(LENGTHS), max(LENGTHS))
    for row, length in zip(speech, LENGTHS):
        row[:length] = 0.1 * torch.randn(length, generator=generator)
    text = torch.full((len(TEXTS), max(map(len, TEXTS))), -1)
    for row, word in zip(text, TEXTS):
        row[: len(word)] = torch.tensor([TOKENS.index(char) for char in word])
    return dict(
        speech=speech,
        speech_lengths=torch.tensor(LENGTHS),
        text=text,
        text_lengths=torch.tensor(list(map(len, TEXTS))),
    )


@torch.no_grad()
def alone(model, batch):
    """Errors of each utterance by itself, counted by another library."""
    encoding, frames = model.encode(batch["speech"], batch["speech_lengths"])
    errors = 0
    for row, length, word in zip(model.ctc.argmax(encoding), frames, TEXTS):
        path = torch.unique_consecutive(row[:length]).tolist()
        said = [TOKENS[i] for i in path if TOKENS[i] not in ("<blank>", "<space>")]
        errors += kaldialign.edit_distance(list(word), said)["total"]
    return errors / sum(map(len, TEXTS))


def test_padding_is_not_counted(model, batch):
    expected = alone(model, batch)
    with torch.no_grad():
        stock = model(**batch)[1]["cer_ctc"]
        count_valid_frames_only(model)
        ours = model(**batch)[1]["cer_ctc"]
    assert float(ours) == pytest.approx(expected)
    # The reason: ESPnet 202611 also reads what stands in the padding.
    assert float(stock) > expected


def test_the_model_stays_a_stock_model(model, batch):
    keys = list(model.state_dict())
    count_valid_frames_only(model)
    assert list(model.state_dict()) == keys
    model.train()
    assert torch.isfinite(model(**batch)[0])
    assert model.error_calculator.space == "<space>"


def test_a_model_that_counts_no_errors_is_left_alone(model):
    model.error_calculator = None
    count_valid_frames_only(model)
    assert model.error_calculator is None


def test_a_copy_of_the_model_counts_alike(model, batch):
    count_valid_frames_only(model)
    with torch.no_grad():
        first = model(**batch)[1]["cer_ctc"]
        for layer in model.encoder.encoders:  # ESPnet keeps the last attention
            layer.self_attn.attn = None
        again = copy.deepcopy(model)(**batch)[1]["cer_ctc"]
    assert float(first) == float(again)

"""A CTC layer begins with the frequencies of tokens."""

import argparse

import pytest
import torch
import yaml
from tiny_asr import data_options

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.files import read_pairs
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.ctc_start import (
    start_at_prior,
    token_log_prior,
    training_tokens,
)


def test_probabilities_are_those_counted():
    prior = token_log_prior([[1, 2, 1], [2]], num_frames=20, vocab_size=4).exp()
    assert prior.sum() == pytest.approx(1)
    expected = torch.tensor([14.5, 2.5, 2.5, 0.5]) / 20
    torch.testing.assert_close(prior, expected)


def test_no_constant_prediction_is_much_better():
    torch.manual_seed(0)
    tokens = torch.multinomial(torch.tensor([0.0, 0.6, 0.3, 0.1]), 400, True)
    tokens = tokens.view(40, 10)
    log_prior = token_log_prior(tokens.tolist(), num_frames=40 * 40, vocab_size=4)

    def loss(logits):
        log_probs = logits.log_softmax(0).expand(40, 40, 4)
        frames, sizes = torch.full((40,), 40), torch.full((40,), 10)
        return torch.nn.functional.ctc_loss(log_probs, tokens, frames, sizes)

    logits = log_prior.clone().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        loss(logits).backward()
        optimiser.step()
    assert loss(log_prior) < 1.05 * loss(logits)
    assert loss(torch.zeros(4)) > 1.3 * loss(log_prior)


def test_dense_transcripts_leave_some_blank():
    prior = token_log_prior([[1] * 30], num_frames=20, vocab_size=2).exp()
    assert prior[0] > 0.05


def test_training_data_is_counted(tmp_path):
    (tmp_path / "text").write_text("a xy\nb y\nc not in the shape file\n")
    (tmp_path / "shape").write_text("a 16000\nb 32000\n")
    args = argparse.Namespace(
        train_data_path_and_name_and_type=[
            (str(tmp_path / "wav.scp"), "speech", "sound"),
            (str(tmp_path / "text"), "text", "text"),
        ],
        train_shape_file=[str(tmp_path / "shape")],
        encoder="conformer",
        encoder_conf={},
        frontend="default",
        frontend_conf={"hop_length": 160},
    )
    tokens, frames = training_tokens(args, lambda text: ["xy".index(c) for c in text])
    assert sorted(tokens) == [[0, 1], [1]]
    assert frames == 24 + 49


def test_the_bias_alone_changes():
    layer = torch.nn.Linear(3, 4)
    weight = layer.weight.detach().clone()
    start_at_prior(layer, torch.arange(4.0))
    torch.testing.assert_close(layer.bias.detach(), torch.arange(4.0))
    torch.testing.assert_close(layer.weight.detach(), weight)


def built(tiny, tmp_path, *options):
    """The model that a training begins with."""
    config = yaml.safe_load(tiny.config.read_text())
    names = ("token_list", "token_type", "frontend", "frontend_conf", "encoder")
    names += ("encoder_conf", "model_conf")
    (tmp_path / "train.yaml").write_text(
        yaml.safe_dump({name: config[name] for name in names})
    )
    cmd = ["--config", str(tmp_path / "train.yaml"), "--output_dir", str(tmp_path)]
    args = CountedASRTask.get_parser().parse_args(
        [*cmd, *data_options(tiny.data_dir), *options]
    )
    return CountedASRTask.build_model(args)


def test_a_training_starts_with_the_frequencies_of_its_data(tiny_asr_model, tmp_path):
    model = built(tiny_asr_model, tmp_path)
    # Counted by hand: letters of the transcripts, frames that the encoder makes.
    texts = read_pairs(tiny_asr_model.text)
    lengths = read_pairs(tiny_asr_model.data_dir / "utt2num_samples")
    frames = 0
    for length in map(int, lengths.values()):
        speech = torch.randn(1, length)
        frames += int(model.eval().encode(speech, torch.tensor([length]))[1])
    counts = torch.full((model.vocab_size,), 0.5)
    for text in texts.values():
        for letter in text:
            counts[model.token_list.index("<space>" if letter == " " else letter)] += 1
    counts[0] = frames - (counts.sum() - counts[0])
    expected = (counts / counts.sum()).log()
    torch.testing.assert_close(model.ctc.ctc_lo.bias.detach(), expected)


@pytest.mark.parametrize("how", ["random", "init_param", "statistics"])
def test_elsewhere_it_starts_as_in_espnet(tiny_asr_model, tmp_path, how):
    options = {
        "random": ["--ctc_start", "random"],
        "init_param": ["--init_param", str(tiny_asr_model.checkpoint)],
        "statistics": ["--collect_stats", "true"],
    }[how]
    bias = built(tiny_asr_model, tmp_path, *options).ctc.ctc_lo.bias
    assert bias.abs().max() <= 1 / 16**0.5  # torch's, of a layer of 16 inputs


def test_finished_models_are_not_touched(tiny_asr_model):
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    state = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    torch.testing.assert_close(model.ctc.ctc_lo.bias, state["ctc.ctc_lo.bias"])

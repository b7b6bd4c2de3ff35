"""Training on chosen utterances: batches, losses noted, schedule, resuming."""

import json

import pytest
import torch
import torch.nn.functional as F
import yaml
from tiny_asr import data_options

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.data.selection import ScoreBook, Selection
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import read_json
from espnet_plugin.jobs.plain import train_plain_model
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.selection import SelectedBatches, note_ctc_scores

NAMES = [f"u{i}" for i in range(12)]
WHOLE = [NAMES[i : i + 3] for i in range(0, 12, 3)]


def batches(folder, book, criterion="hard", keep=0.5):
    def rebuild(names):
        return [tuple(names[i : i + 2]) for i in range(0, len(names), 2)]

    selection = Selection(keep, criterion)
    return SelectedBatches(WHOLE, selection, book, rebuild, folder, 10, 5)


@pytest.fixture
def book():
    book = ScoreBook()
    book.update(NAMES, range(12))
    return book


def test_an_epoch_has_the_chosen_ones_and_as_many_batches_as_planned(tmp_path, book):
    sampler = batches(tmp_path, book)
    assert sampler.generate(11) == [tuple(batch) for batch in WHOLE]
    second = sampler.generate(12)
    # Six utterances make three batches; half of four batches are planned.
    assert len(second) == 2 and len(sampler) == 4
    assert {name for batch in second for name in batch} <= set(NAMES[6:])
    assert len(set(second)) == 2
    assert sampler.generate(12) == second


def test_an_interrupted_epoch_begins_with_the_same_losses(tmp_path, book):
    before = batches(tmp_path, book).generate(12)
    later = ScoreBook()  # a new process knows nothing
    assert batches(tmp_path, later).generate(12) == before
    assert later.scores() == book.scores()


def test_losses_are_those_of_each_utterance(tiny_asr_model):
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    model.specaug = None  # else each call masks something else
    book = ScoreBook()
    note_ctc_scores(model, book)
    speech = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([16000, 12000])
    text, text_lengths = torch.tensor([[5, 6, 7], [8, 5, -1]]), torch.tensor([3, 2])
    batch = dict(speech_lengths=lengths, text=text, text_lengths=text_lengths)
    model(speech, utt_id=["a", "b"], **batch)
    assert not book.scores()  # development data is not chosen from
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.eval()
    model(speech, utt_id=["a", "b"], **batch)
    encoded, frames = model.encode(speech, lengths)
    for row, name in enumerate("ab"):
        one = F.ctc_loss(
            model.ctc.log_softmax(encoded)[row, : frames[row], None],
            text[row : row + 1, : text_lengths[row]],
            frames[row : row + 1],
            text_lengths[row : row + 1],
            reduction="sum",
        )
        expected = one.item() / text_lengths[row].item()
        assert book.scores()[name] == pytest.approx(expected, rel=1e-4)


def _train(tiny, folder, **conf):
    config = yaml.safe_load(tiny.config.read_text())
    architecture = ("token_list", "token_type", "frontend", "frontend_conf", "specaug")
    architecture += ("specaug_conf", "normalize", "normalize_conf", "encoder")
    architecture += ("encoder_conf", "model_conf")
    training = {
        **{name: config[name] for name in architecture},
        "batch_type": "unsorted",
        "batch_size": 1,
        "max_epoch": 3,
        "num_workers": 0,
        "use_matplotlib": False,
        "use_tensorboard": False,
        "optim": "adamw",
        "scheduler": "onecyclelr",
        "scheduler_conf": {"max_lr": 0.002},
        "best_model_criterion": [["valid", "cer_ctc", "min"]],
        "keep_nbest_models": 1,
        **conf,
    }
    options = data_options(tiny.data_dir)
    train_plain_model(folder, training, options, Meta(method="x", seed=1))
    return yaml.safe_load((folder / "config.yaml").read_text())


def test_a_training_on_half_of_the_data(tiny_asr_model, tmp_path):
    chosen = {"keep": 0.5, "criterion": "easy"}
    config = _train(tiny_asr_model, tmp_path, data_selection_conf=chosen)
    epochs = read_json(tmp_path / "cost.json")["per_epoch"]
    first = epochs[0]["audio_seconds"]
    assert all(epoch["audio_seconds"] < 0.8 * first for epoch in epochs[1:])
    # Six batches, then three and three: the learning rate ends where it should.
    assert config["scheduler_conf"]["total_steps"] == 6 + 3 + 3 + 1
    scores = json.loads((tmp_path / "selection/scores_2.json").read_text())
    assert len(scores) == 6 and all(value > 0 for value in scores.values())
    easiest = sorted(scores, key=scores.get)[:3]
    shapes = (tmp_path / "selection/shapes_0.0").read_text().split()[::2]
    scores = json.loads((tmp_path / "selection/scores_3.json").read_text())
    assert sorted(shapes) == sorted(sorted(scores, key=scores.get)[:3])
    assert len(easiest) == 3
    # A stock model: nothing of ours in its configuration, but what ESPnet adds itself.
    stock = vars(CountedASRTask.__mro__[1].get_parser().parse_args([]))
    assert set(config) - set(stock) == {"distributed", "version"}


def test_a_training_without_some_pieces_of_time(tiny_asr_model, tmp_path):
    chosen = {"keep": 1.0, "keep_time": 0.7, "chunk_ms": 50}
    config = _train(tiny_asr_model, tmp_path, data_selection_conf=chosen, max_epoch=1)
    lengths = (tiny_asr_model.data_dir / "utt2num_samples").read_text().split()[1::2]
    chunks = [divmod(int(length), 800) for length in lengths]
    left = sum(800 * (n - round(0.3 * n)) + rest for n, rest in chunks)
    (epoch,) = read_json(tmp_path / "cost.json")["per_epoch"]
    assert epoch["audio_seconds"] == pytest.approx(left / 16000)
    assert "data_selection_conf" not in config


@pytest.mark.parametrize(
    "conf, says",
    [
        ({"data_selection_conf": {"share": 0.5}}, "share"),
        ({"data_selection_conf": {"keep": 2}}, "keep 2"),
        ({"data_selection_conf": {"keep": 0.5}, "num_iters_per_epoch": 3}, "one pass"),
    ],
)
def test_what_is_refused_before_training(tiny_asr_model, tmp_path, conf, says):
    with pytest.raises(UserError, match=says):
        _train(tiny_asr_model, tmp_path, **conf)
    assert not list(tmp_path.glob("*.pth"))

"""Learning curves of models that went through several trainings."""

import pytest
from result_folders import make_model, make_shared

from espnet_plugin.files import write_json
from espnet_plugin.results.gather import gather
from espnet_plugin.results.json_format import entries_to_json

RATES = {
    "plain": "loss_ctc={0}, cer_ctc=0.{0}, loss_att=nan, cer=nan, loss=99",
    "exits": (
        "loss_ctc={0}, cer_ctc=0.{0}, loss_interctc_layer4={0}.4, "
        "cer_interctc_layer4=0.{0}4, loss_interctc_layer2={0}.2, "
        "cer_interctc_layer2=0.{0}2, loss=99"
    ),
    "encrl": (
        "loss_clip=5, cer_ctc=0.{0}, loss_ctc={0}, cer_ctc_layer4=0.{0}4, "
        "loss_ctc_layer4={0}.4, cer_ctc_layer2=0.{0}2, loss_ctc_layer2={0}.2, loss=99"
    ),
    "modes": (
        "loss_ctc_full={0}, cer_ctc_full=0.{0}, loss_ctc_streaming={0}.5, "
        "cer_ctc_streaming=0.{0}5, cer=0.99, loss=99"
    ),
    "silent": "loss_clip=5, loss=99",
}


def write_log(folder, kind, first, last):
    """Epochs 1, 2...; the error rate of the n-th is 10 n percent, and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"INFO {number}epoch results: [train] loss=7, time=1 second, total_count=1, "
        f"[valid] {RATES[kind].format(rate)}, time=1 second, total_count=1\n"
        for number, rate in enumerate(range(first, last + 1), 1)
    ]
    (folder / "train.log").write_text("".join(lines))


def make_family(exp, after):
    folder = exp / "asr_e_family"
    meta = {"method": "encrl_finetune", "serves": [6, 4, 2], "seed": 1}
    write_json(folder / "meta.json", {**meta, "after": after})
    return folder


def curves(folders):
    """Epochs, error rates and losses of each row, by size or mode."""
    keys = ("curve_epochs", "dev_cer_by_epoch", "dev_loss_by_epoch")
    return {
        row.get("mode") or row["size"]: tuple(row[key] for key in keys)
        for row in entries_to_json(gather(folders))["rows"]
    }


def test_own_training_with_ctc_loss_alone(tmp_path):
    own = make_model(tmp_path, "own")
    write_log(own, "plain", 3, 4)
    assert curves([own]) == {6: ("1 2", "30 40", "3 4")}


def test_a_pruned_models_training_lies_below(tmp_path):
    pruned = make_model(tmp_path, "m", "magnitude", 12, size=4)
    write_log(pruned / "train", "plain", 3, 4)
    assert curves([pruned]) == {4: ("1 2", "30 40", "3 4")}


def test_sizes_cut_from_one_training_have_their_own_rates(tmp_path):
    make_shared(tmp_path)
    family = make_family(tmp_path, "encrl_main")
    write_log(tmp_path / "encrl_main", "encrl", 8, 9)
    write_log(family, "exits", 5, 6)
    models = [
        make_model(tmp_path, f"e{n}", "encrl", n, shared=family.name) for n in (6, 4, 2)
    ]
    # Two layers are fine-tuned once more.
    write_log(models[2], "plain", 3, 4)
    assert curves([family, tmp_path / "encrl_main", *models]) == {
        6: ("1 2 3 4", "80 90 50 60", "8 9 5 6"),
        4: ("1 2 3 4", "84 94 54 64", "8.4 9.4 5.4 6.4"),
        2: ("1 2 3 4 5 6", "82 92 52 62 30 40", "8.2 9.2 5.2 6.2 3 4"),
    }
    # Of a training that is not among the folders nothing is known.
    assert curves([family, *models])[4][0] == "1 2"
    assert curves(models)[2] == ("1 2", "30 40", "3 4")
    assert curves(models)[4] == (None, None, None)


@pytest.mark.parametrize("name", ["main", "exp/encrl_main"])
def test_epochs_that_say_nothing_of_a_size_still_count(tmp_path, name):
    encrl = make_shared(tmp_path)
    write_log(encrl, "silent", 1, 2)
    model = make_model(tmp_path, "e4", "encrl", 4, shared=name)
    write_log(model, "plain", 3, 3)
    assert curves([model, encrl]) == {4: ("1 2 3", "nan nan 30", "nan nan 3")}


def test_modes_of_one_training(tmp_path):
    shared = make_shared(tmp_path, "dual")
    write_log(shared, "modes", 1, 2)
    folders = [shared]
    for mode in ("full", "streaming"):
        folder = make_model(tmp_path, mode, "dual", variant=mode, shared=shared.name)
        meta = {"method": "dual", "layers": 6, "seed": 1, "variant": mode}
        meta = {**meta, "mode": mode, "shared": shared.name, "params": 1}
        write_json(folder / "meta.json", meta)
        folders.append(folder)
    assert curves(folders) == {
        "full": ("1 2", "10 20", "1 2"),
        "streaming": ("1 2", "15 25", "1.5 2.5"),
    }

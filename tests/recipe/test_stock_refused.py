"""What does not fit in a finished recipe of ESPnet, and imports that lack something."""

import json
import shutil

import numpy as np
import pytest
import sentencepiece
import yaml
from stock_recipe import (
    CHARS,
    MEAN,
    SETS,
    make_stock,
    refused,
    table,
    write_experiment,
    write_stats,
)

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.best_experiment import earlier_choice
from espnet_plugin.recipe.import_recipe import import_recipe
from espnet_plugin.recipe.stock import Overrides, find_recipe


@pytest.fixture
def stock(tmp_path):
    return make_stock(tmp_path)


def test_bpe_tokens_of_another_model_are_refused(stock):
    def train_bpe(lines, size):
        folder = stock.root / "data/en_token_list/bpe_unigram9"
        folder.mkdir(parents=True, exist_ok=True)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_prefix=str(folder / "bpe"),
            vocab_size=size,
            minloglevel=2,
            hard_vocab_limit=False,
        )
        model = sentencepiece.SentencePieceProcessor(
            model_file=str(folder / "bpe.model")
        )
        pieces = [model.id_to_piece(i) for i in range(3, model.get_piece_size())]
        tokens = ["<blank>", "<unk>", *pieces, "<sos/eos>"]
        (folder / "tokens.txt").write_text("\n".join(tokens) + "\n")
        return tokens

    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    config["token_list"] = train_bpe(["AB BA ABBA"] * 20, 9)
    config["token_type"] = "bpe"
    config["bpemodel"] = "data/en_token_list/bpe_unigram9/bpe.model"
    (stock.exp / "config.yaml").write_text(yaml.safe_dump(config))
    recipe = find_recipe(stock.root)
    assert recipe.token_list.parent.name == "bpe_unigram9"
    import_recipe(recipe, stock.out)
    (stock.out / "found.sh").unlink()
    kept = stock.root / "data/kept.txt"
    kept.write_text(recipe.token_list.read_text())
    train_bpe(["XY YX XXYY"] * 20, 9)
    assert "the token lists differ: token 2" in refused(stock)
    # The right list does not make the wrong model right.
    wanted = Overrides(token_list=kept)
    assert "does not have, e.g. X" in refused(stock, wanted)


def _untrained(stock):
    (stock.exp / "config.yaml").unlink()


def _other_tokens(stock):
    stock.tokens.write_text("\n".join([*CHARS[:3], "C", *CHARS[4:]]) + "\n")


def _moved(stock):
    for utt in SETS["train_sp"]:
        (stock.root / f"dump/audio/{utt}.flac").unlink()


def _other_front_end(stock):
    write_stats(stock.stats / "train/feats_stats.npz", np.append(MEAN, 0.0))


def _other_statistics(stock):
    write_stats(stock.stats / "train/feats_stats.npz", MEAN + [0, 1.0, 0])


def _no_shapes(stock):
    (stock.stats / "valid/speech_shape").unlink()


def _fewer_utterances(stock):
    table(stock.root / "dump/raw/train_sp/text", [("u1", "A")])


def _old_config(stock):
    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    del config["train_data_path_and_name_and_type"]
    (stock.exp / "config.yaml").write_text(yaml.safe_dump(config))


def _config_without_encoder(stock):
    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    del config["encoder"]
    (stock.exp / "config.yaml").write_text(yaml.safe_dump(config))


def _no_test_set(stock):
    (stock.root / "dump/raw/test/wav.scp").unlink()


@pytest.mark.parametrize(
    "damage, messages",
    [
        (_untrained, ["has no finished model", "stage 11", "--recipe_exp"]),
        (_other_tokens, ["token 3 is 'B'", "'C'", "--recipe_token_list"]),
        (_moved, ["3 of 3 utterances", "sp0.9-u1: dump/audio", "--recipe_dump"]),
        (_other_front_end, ["different front end: 4 features", "has 3"]),
        (_other_statistics, ["differs by 0.50 standard deviations"]),
        (_no_shapes, ["valid/speech_shape is missing", "--recipe_stats"]),
        (_fewer_utterances, ["lack 2 of the 3 utterances", "sp0.9-u1"]),
        (_old_config, ["train_data_path_and_name_and_type", "--reference"]),
        (_config_without_encoder, ["has no finished model", "lacks encoder"]),
        (_no_test_set, ["no test set", "--recipe_test_sets"]),
    ],
)
def test_what_does_not_fit_is_refused(stock, damage, messages):
    damage(stock)
    text = refused(stock)
    for message in messages:
        assert message in text


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        find_recipe(tmp_path / "nowhere")


@pytest.mark.parametrize("name, option", [("train_sp", "train"), ("dev", "valid")])
def test_a_set_that_was_moved_is_named(stock, name, option):
    (stock.root / f"dump/raw/{name}").rename(stock.root / f"dump/{name}")
    said = refused(stock)
    assert f"dump/raw/{name}/wav.scp is missing" in said and f"{stock.exp} was" in said
    assert "--recipe_dump" in said and f"--recipe_{option}_set" in said
    assert "test set" not in said


def test_a_test_set_without_transcripts_is_mentioned(stock):
    (stock.root / "dump/raw/test/text").unlink()
    said = refused(stock)
    assert "(there are: dev, train_sp; without text: test)" in said


def test_small_models_are_no_references(stock):
    """They are there if an EncRL recipe writes into the same folder of experiments."""
    small = write_experiment(stock.root, "asr_encrl_s1_2l", cers=(1.0,))
    assert find_recipe(stock.root).experiment.folder == small
    (small / "meta.json").write_text('{"method": "encrl"}')
    assert find_recipe(stock.root).experiment.folder == stock.exp
    (small / "meta.json").write_text('{"method": "reference"}')
    assert find_recipe(stock.root).experiment.folder == small


@pytest.mark.parametrize("left, says", [("u4 A B\n", "1 of the 2"), ("", "2 of the 2")])
def test_transcripts_that_a_test_set_lacks(stock, left, says):
    """Scoring would find it, after all trainings."""
    text = stock.root / "dump/raw/test/text"
    text.write_text(left)
    said = refused(stock)
    assert f"{text} lacks {says} utterances" in said and "--recipe_test_sets" in said


@pytest.mark.parametrize("deleted", [False, True])
def test_statistics_that_change_after_the_import_are_not_overlooked(stock, deleted):
    import_recipe(find_recipe(stock.root), stock.out)
    write_stats(stock.stats / "train/feats_stats.npz", MEAN + 1)
    if deleted:
        (stock.stats / "train/feats_stats.npz").unlink()
    said = "cannot be read" if deleted else "a mean differs by"
    with pytest.raises(UserError, match=f"feats_stats.npz .*{said}"):
        import_recipe(find_recipe(stock.root), stock.out)


@pytest.mark.parametrize("lost", ["found.sh", "dump/test/wav.scp", "dump/dev"])
def test_what_was_deleted_of_an_import_is_made_again(stock, lost):
    import_recipe(find_recipe(stock.root), stock.out)
    path = stock.out / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    import_recipe(find_recipe(stock.root), stock.out)
    assert path.exists()


def test_a_record_of_the_import_without_keys_counts_as_none(stock):
    import_recipe(find_recipe(stock.root), stock.out)
    (stock.out / "done.json").write_text(json.dumps({"folder": str(stock.root)}))
    assert earlier_choice(stock.root, stock.out) is None


@pytest.mark.parametrize(
    "file, content, said",
    [
        ("dump/raw/train_sp/text", b"u1 \xe9\n", "text is not UTF-8 text"),
        ("dump/raw/train_sp/wav.scp", b"u1 \xe9\n", "wav.scp is not UTF-8 text"),
        ("dump/raw/test/wav.scp", b"u4 a\nu4 b\n", "wav.scp:2: 'u4' is listed twice"),
        ("exp/asr_stats_raw_en_char_sp/train/speech_shape", b"", "shape is empty: run"),
    ],
)
def test_damaged_tables_are_named(stock, file, content, said):
    (stock.root / file).write_bytes(content)
    assert said in refused(stock)


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("train_data_path_and_name_and_type", ["x"], "does not name speech and text"),
        ("train_shape_file", [3], "train_shape_file names no file"),
    ],
)
def test_an_odd_configuration_is_named(stock, key, value, said):
    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    (stock.exp / "config.yaml").write_text(yaml.safe_dump({**config, key: value}))
    with pytest.raises(UserError, match=said):
        find_recipe(stock.root)

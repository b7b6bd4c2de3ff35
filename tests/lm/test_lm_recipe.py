"""The stages of the language model recipe, on six sentences: its commands in turn."""

import json
import shutil

import pytest
import tiny_asr
import yaml
from tiny_lm import CONF, SENTENCES, build_tiny_lm, write_text, write_tokens

from espnet_plugin.bin import (
    lm_compress,
    lm_decode,
    lm_measure,
    lm_report,
    lm_text,
    lm_train,
)
from espnet_plugin.errors import UserError
from espnet_plugin.jobs.lm_text import LMText
from espnet_plugin.lm.record import Decoded, LMCost, LMRecord, Measured, SetFigures
from espnet_plugin.lm.table import TableRow, check_measured

ROWS = {
    "cut": dict(method="structured", keep=[0.7, 0.4], epochs=2),
    "svd": dict(method="low_rank", criterion="activations", keep=0.7, epochs=1),
    "scratch": dict(method="scratch", like="cut", keep=0.4),
    "more": dict(method="further", epochs=1),
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, tiny_asr_model):
    """Stages 3 to 8, with the tokens of a tiny recogniser."""
    root = tmp_path_factory.mktemp("lmprune")
    write_text(root / "train")
    write_text(root / "dev", {"d1": "A BED", "d2": "CAFE"})
    write_text(root / "test", {"t1": "A HEAD", "t2": "BEEF", "t3": "DAD FED A CAB"})
    config = {"lm": "transformer", "lm_conf": CONF, "max_epoch": 1, "optim": "adam"}
    config |= {"batch_type": "sorted", "batch_size": 3, "keep_nbest_models": 1}
    config |= {"num_workers": 0, "use_matplotlib": False, "use_tensorboard": False}
    (root / "train.yaml").write_text(yaml.safe_dump(config))
    (root / "tune.yaml").write_text(yaml.safe_dump({"optim_conf": {"lr": 0.0001}}))
    for name, row in ROWS.items():
        (root / f"{name}.yaml").write_text(yaml.safe_dump(row))
    exp, text = str(root / "exp"), str(root / "lm_text")
    commands = [
        (
            lm_text,
            ["--output_dir", text, "--train_text", f"{root}/train"]
            + ["--valid_text", f"{root}/dev", "--test_text", f"test={root}/test"]
            + ["--asr_exp", str(tiny_asr_model.dir)],
        ),
        (lm_train, training(root)),
        (lm_compress, compression(root, *ROWS)),
        (lm_measure, ["--exp_dir", exp, "--text_dir", text, "--speed", "true"]),
        (lm_decode, decoding(root, tiny_asr_model)),
        (
            lm_report,
            ["--exp_dir", exp, "--markdown", f"{root}/RESULTS.md"]
            + ["--results_json", f"{root}/results.json"],
        ),
    ]
    for command, options in commands:
        assert command.main(options) == 0, command
    return root


def training(root):
    return [
        *("--config", f"{root}/train.yaml", "--text_dir", f"{root}/lm_text"),
        *("--exp_dir", f"{root}/exp", "--seed", "3"),
    ]


def compression(root, *rows):
    return [
        *training(root),
        *("--fine_tuning_config", f"{root}/tune.yaml"),
        *("--rows", *(f"{root}/{row}.yaml" for row in rows)),
    ]


def decoding(root, asr):
    # The six utterances of the tiny recogniser are both dev and test set.
    data = asr.data_dir
    (data / "feats_type").write_text("raw\n")
    (data / "audio_format").write_text("wav\n")
    return [
        *("--exp_dir", f"{root}/exp", "--asr_exp", str(asr.dir)),
        *("--dump_dir", str(data.parent), "--dev_set", "test", "--beam", "2"),
        *("--lm_weights", "0.5"),
    ]


@pytest.mark.slow
def test_every_model_and_what_it_cost(recipe):
    folders = sorted(path.parent.name for path in recipe.glob("exp/*/lm.json"))
    assert folders == [
        *("lm_cut_k40_s3", "lm_cut_k70_s3", "lm_dense_s3", "lm_more_s3"),
        *("lm_scratch_k40_s3", "lm_svd_k70_s3"),
    ]
    read = {one: LMRecord.read(recipe / "exp" / one) for one in folders}
    dense, step = read["lm_dense_s3"], read["lm_cut_k70_s3"]
    last, scratch = read["lm_cut_k40_s3"], read["lm_scratch_k40_s3"]
    # Characters and ends of sentences, once.
    characters = sum(len(text) + 1 for text in SENTENCES.values())
    assert dense.own.tokens == dense.total.tokens == characters
    assert last.total == dense.own + step.own + last.own
    assert scratch.parameters == last.parameters < step.parameters < dense.parameters
    assert scratch.total.operations >= last.total.operations
    assert read["lm_more_s3"].total.tokens == 2 * characters
    plain = [read[one].plain for one in folders]
    assert plain == [False, False, True, True, False, False]
    for name in folders:
        plain = (recipe / "exp" / name / "plain/model.pth").is_file()
        assert plain != read[name].plain


@pytest.mark.slow
def test_measured_decoded_and_reported(recipe):
    for path in recipe.glob("exp/lm_*"):
        measured, decoded = Measured.read(path), Decoded.find(path)
        assert measured.ms_per_token > 0 and set(measured.sets) == {"valid", "test"}
        cut = path.name.startswith(("lm_cut", "lm_svd"))
        assert (measured.cut_perplexity is not None) == cut
        assert decoded.weight == 0.5 and decoded.beam == 2
        score = json.loads((path / decoded.score_file).read_text())
        assert score["wer"] == decoded.wer
    table = (recipe / "RESULTS.md").read_text().splitlines()
    rows = [line.split("|")[1].strip() for line in table if line.startswith("| ")]
    assert rows == ["model", "none", "dense", "cut", "cut", "more", "scratch", "svd"]
    assert any("cut 0.4 against scratch 0.4: perplexity x" in line for line in table)
    models = json.loads((recipe / "results.json").read_text())["models"]
    assert len(models) == 6


@pytest.mark.slow
def test_only_models_of_the_given_seeds(recipe, tiny_asr_model, tmp_path, caplog):
    """Seed 4 is a copy of the dense model of seed 3."""
    exp = tmp_path / "exp"
    for seed in (3, 4):
        folder = exp / f"lm_dense_s{seed}"
        shutil.copytree(recipe / "exp/lm_dense_s3", folder)
        record = json.loads((folder / "lm.json").read_text())
        (folder / "lm.json").write_text(json.dumps({**record, "seed": seed}))
        for name in ("measured.json", "wer.json"):
            (folder / name).unlink(missing_ok=True)
    (tmp_path / "lm_text").symlink_to(recipe / "lm_text")
    measuring = ["--exp_dir", str(exp), "--text_dir", str(tmp_path / "lm_text")]
    for command, options in (
        (lm_measure, measuring),
        (lm_decode, decoding(tmp_path, tiny_asr_model)),
    ):
        assert command.main([*options, "--seeds", "4"]) == 0
        caplog.clear()
        assert command.main([*options, "--seeds", "7", "8"]) == 2
        assert "with seed 7 or 8: run stage 4 first" in caplog.text
    for name in ("measured.json", "wer.json"):
        assert [path.parent.name for path in exp.glob(f"lm_dense*/{name}")] == [
            "lm_dense_s4"
        ]


@pytest.mark.slow
def test_nothing_is_done_twice(recipe, caplog):
    before = {path: path.stat().st_mtime_ns for path in recipe.glob("exp/*/*epoch.pth")}
    with caplog.at_level("INFO"):
        assert lm_train.main(training(recipe)) == 0
        assert lm_compress.main(compression(recipe, *ROWS)) == 0
    assert before == {
        path: path.stat().st_mtime_ns for path in recipe.glob("exp/*/*epoch.pth")
    }
    assert caplog.text.count("is already finished") == 6


@pytest.mark.slow
def test_another_row_of_the_same_name_is_refused(recipe, tmp_path, caplog):
    for name in ("train", "tune"):
        shutil.copy(recipe / f"{name}.yaml", tmp_path)
    (tmp_path / "svd.yaml").write_text(yaml.safe_dump({**ROWS["svd"], "epochs": 2}))
    for name in ("exp", "lm_text"):
        (tmp_path / name).symlink_to(recipe / name)
    assert lm_compress.main(compression(tmp_path, "svd")) == 2
    assert "lm_svd_k70_s3 holds a result with different inputs: " in caplog.text


@pytest.mark.slow
def test_a_recogniser_with_other_tokens_is_refused(recipe, tiny_asr_model, caplog):
    exp = recipe.parent / "other" / "asr"
    shutil.copytree(tiny_asr_model.dir, exp)
    config = yaml.safe_load((exp / "config.yaml").read_text())
    tokens = [*tiny_asr.TOKENS]
    tokens[4], tokens[5] = tokens[5], tokens[4]
    config["token_list"] = tokens
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    options = decoding(recipe, tiny_asr_model)
    options[options.index("--asr_exp") + 1] = str(exp)
    assert lm_decode.main(options) == 2
    assert "token 4 is 'B' in the first and 'C' in the second" in caplog.text


def test_text_wrong_options(tmp_path, caplog):
    train = write_text(tmp_path / "train")
    empty = write_text(tmp_path / "empty", {"u1": ""})
    tokens = write_tokens(tmp_path / "tokens.txt")

    def run(*options):
        caplog.clear()
        given = ["--output_dir", str(tmp_path / "out"), "--train_text", str(train)]
        given += ["--valid_text", str(train), *map(str, options)]
        assert lm_text.main(given) == 2
        assert not (tmp_path / "out").exists()
        return caplog.text

    assert "either --asr_exp or --token_list" in run()
    assert "contains no text" in run("--token_list", tokens, "--train_text", empty)
    assert "test=" in run("--token_list", tokens, "--test_text", "noname")
    message = run("--token_list", tokens, "--train_text", train, train)
    assert "is also an utterance of another training text" in message
    message = run("--token_list", tokens, "--token_type", "bpe")
    assert "token type bpe needs a BPE model" in message


def test_text_that_the_tokens_cannot_write_is_mentioned(tmp_path, caplog):
    given = ["--token_list", str(write_tokens(tmp_path / "tokens.txt"))]
    given += ["--train_text", str(write_text(tmp_path / "train"))]
    other = {"d1": "A BED", "d2": "A ZOO", "d3": "a"}
    given += ["--valid_text", str(write_text(tmp_path / "dev", other))]
    assert lm_text.main(["--output_dir", str(tmp_path / "out"), *given]) == 0
    said = [one.getMessage() for one in caplog.records if "<unk>" in one.getMessage()]
    # Z, O, O and the small letter.
    assert len(said) == 1 and "valid: 2 of 3 sentences, e.g. d2" in said[0]
    assert "4 tokens in all" in said[0]


def test_text_without_names_of_utterances(tmp_path, caplog):
    """The first word of each line would be taken as a name and not be learnt."""
    given = ["--token_list", str(write_tokens(tmp_path / "tokens.txt"))]
    given += ["--valid_text", str(write_text(tmp_path / "dev", {"d1": "A BED"}))]
    given += ["--output_dir", str(tmp_path / "out"), "--train_text"]
    named = write_text(tmp_path / "named", {"a": "A BED", "b": "A CAB", "BED": "A"})
    assert lm_text.main([*given, str(named)]) == 0
    assert "taken as the name" not in caplog.text
    # Its first words are different, and two of three are words of other lines.
    plain = write_text(tmp_path / "plain", {"A": "BED FED", "BED": "A CAB", "C": "BE"})
    assert lm_text.main([*given, str(plain)]) == 0
    said = [one.getMessage() for one in caplog.records if "name of" in one.getMessage()]
    assert len(said) == 1 and f"{plain}: the first word" in said[0]
    assert "in 2 of 3 lines (e.g. 'A')" in said[0]
    plain.write_text("A BED\nA CAB\n")
    assert lm_text.main([*given, str(plain)]) == 2
    assert f"{plain}:2: 'A' is listed twice" in caplog.text
    assert "the first word of a line is its name" in caplog.text


def test_a_missing_dense_model_and_a_recurrent_one(tmp_path, caplog):
    write_text(tmp_path / "train")
    options = ["--output_dir", f"{tmp_path}/lm_text", "--token_list"]
    options += [str(write_tokens(tmp_path / "tokens.txt"))]
    for name in ("--train_text", "--valid_text"):
        options += [name, f"{tmp_path}/train"]
    assert lm_text.main(options) == 0
    (tmp_path / "train.yaml").write_text("lm: transformer\n")
    (tmp_path / "tune.yaml").write_text("optim: adam\n")
    (tmp_path / "svd.yaml").write_text(yaml.safe_dump(ROWS["svd"]))
    assert lm_compress.main(compression(tmp_path, "svd")) == 2
    assert "run stage 4, which trains the dense model" in caplog.text
    (tmp_path / "train.yaml").write_text("lm: seq_rnn\n")
    assert lm_train.main(training(tmp_path)) == 2
    assert "--config: lm seq_rnn: only Transformer" in caplog.text
    folder = build_tiny_lm(tmp_path / "exp/lm_rnn", "seq_rnn", {"unit": 4})
    assert folder.is_dir()
    assert lm_measure.main(["--exp_dir", f"{tmp_path}/exp", "--text_dir", "x"]) == 2
    assert "no finished language model" in caplog.text


def test_a_test_set_that_is_no_longer_named_is_not_measured(tmp_path):
    write_text(tmp_path / "text")
    tokens = write_tokens(tmp_path / "tokens.txt")
    words = ["--output_dir", f"{tmp_path}/out", "--token_list", str(tokens)]
    words += ["--train_text", f"{tmp_path}/text", "--valid_text", f"{tmp_path}/text"]
    words += ["--test_text", *(f"{name}={tmp_path}/text" for name in ("old", "new"))]
    assert lm_text.main(words) == 0
    assert LMText(tmp_path / "out").tests() == ["new", "old"]
    assert lm_text.main([word for word in words if "old=" not in word]) == 0
    assert LMText(tmp_path / "out").tests() == ["new"]


@pytest.mark.parametrize("content", [{}, {"sets": []}, {"sets": {}, "unknown": 1}])
def test_damaged_records_are_named(tmp_path, content):
    for name, read in ("measured.json", Measured.read), ("wer.json", Decoded.find):
        (tmp_path / name).write_text(json.dumps(content))
        with pytest.raises(UserError, match=f"{name} is damaged .*: delete it and run"):
            read(tmp_path)


def table_row(record, **sets):
    figures = {k: SetFigures(2.0, v, [1.0], [1]) for k, v in sets.items()}
    return TableRow(record.row, record.keep, [record], [Measured(figures, None, 1)], ())


def test_figures_of_different_texts_are_not_put_into_one_table():
    cost = LMCost(1, 1, 1.0)
    named = [
        LMRecord(name, name, "", "", "", keep, 3, True, "x.pth", 1, cost, cost)
        for name, keep in (("dense", 1.0), ("cut", 0.5))
    ]
    dense, cut = (table_row(one, valid=["d1"], test=["t1"]) for one in named)
    check_measured([dense, cut], "test")
    with pytest.raises(UserError, match="dense, seed 3: was not measured on .*'other'"):
        check_measured([dense, cut], "other")
    other = table_row(named[1], valid=["d1"], test=["t2"])
    with pytest.raises(UserError, match="cut 0.5, seed 3: was measured on another"):
        check_measured([dense, other], "test")


@pytest.mark.parametrize(
    "file, content, said",
    [
        ("table", "# AN4: results\n", "--markdown .*: does not begin with a table"),
        ("figures", '{"rows": []}', "--results_json .*: has no list named 'models'"),
    ],
)
def test_other_results_are_not_overwritten(recipe, tmp_path, file, content, said):
    """Those of the EncRL recipe, for example, in the same folder."""
    files = {name: tmp_path / name for name in ("table", "figures")}
    files[file].write_text(content)
    options = ["--exp_dir", f"{recipe}/exp", "--markdown", f"{files['table']}"]
    args = lm_report.get_parser().parse_args(
        [*options, "--results_json", f"{files['figures']}"]
    )
    with pytest.raises(UserError, match=said):
        lm_report.report(args)
    assert [path.name for path in tmp_path.iterdir()] == [file]
    assert files[file].read_text() == content
    # Its own files are replaced.
    files[file].unlink()
    lm_report.report(args)
    lm_report.report(args)
    assert files["table"].read_text() == (recipe / "RESULTS.md").read_text()

"""What a training reads is looked at before ESPnet starts: each thing missing once."""

import io

import pytest
import sentencepiece
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.jobs.inputs_whole import check_inputs_whole

TEXTS = {"a": "ONE TWO", "b": "TWO TWO ONE"}


def bpe(path, texts, size):
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        vocab_size=size,
        model_type="bpe",
        minloglevel=2,
    )
    path.write_bytes(written.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(i) for i in range(3, size)]


@pytest.fixture
def options(tmp_path):
    """The options of a training whose files are all there, by their paths."""
    for utt, text in TEXTS.items():
        (tmp_path / f"{utt}.wav").write_bytes(b"RIFF")
    for name, rows in {
        "wav.scp": {utt: tmp_path / f"{utt}.wav" for utt in TEXTS},
        "text": TEXTS,
        "speech_shape": {utt: 16000 for utt in TEXTS},
    }.items():
        lines = [f"{utt} {value}\n" for utt, value in rows.items()]
        (tmp_path / name).write_text("".join(lines))
    (tmp_path / "feats_stats.npz").write_bytes(b"PK")
    pieces = bpe(tmp_path / "bpe.model", TEXTS.values(), 12)
    tokens = ["<blank>", "<unk>", *pieces, "<sos/eos>"]
    (tmp_path / "tokens.txt").write_text("\n".join(tokens) + "\n")
    options = []
    for part in ("train", "valid"):
        for table, kind in (("wav.scp,speech", "sound"), ("text,text", "text")):
            data = f"{tmp_path}/{table},{kind}"
            options += [f"--{part}_data_path_and_name_and_type", data]
        options += [f"--{part}_shape_file", f"{tmp_path}/speech_shape"]
    options += ["--normalize_conf", f"stats_file={tmp_path}/feats_stats.npz"]
    options += ["--token_type", "bpe", "--token_list", f"{tmp_path}/tokens.txt"]
    return [*options, "--bpemodel", f"{tmp_path}/bpe.model"]


def test_nothing_is_missing(options, tmp_path):
    check_inputs_whole({"optim_conf": {"lr": 1.0e-3, "name": "1e"}}, options, "x.yaml")
    # What Kaldi's tables may hold besides files.
    (tmp_path / "wav.scp").write_text(
        f"a sox a.sph -t wav - |\nb {tmp_path}/b.wav:13[0:9]\n"
    )
    check_inputs_whole({}, options, "x.yaml")


@pytest.mark.parametrize(
    "name, says",
    [
        ("b.wav", r"wav.scp:2: b: the file .*b.wav is missing.*stage 2"),
        ("speech_shape", "speech_shape, the list of lengths, is missing"),
        ("feats_stats.npz", "feats_stats.npz are missing: run stage 3"),
        ("tokens.txt", "tokens.txt is missing: run stage 2"),
        ("bpe.model", "BPE model .* cannot be read .*stage 2"),
        ("text", "text is missing"),
    ],
)
def test_a_lost_file_is_named(options, tmp_path, name, says):
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=says):
        check_inputs_whole({}, options, "x.yaml")


@pytest.mark.parametrize("name", ["wav.scp", "text", "speech_shape"])
def test_an_empty_table_is_named(options, tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=f"{name}.* empty.*: run stage"):
        check_inputs_whole({}, options, "x.yaml")


def test_a_bpe_model_that_was_replaced(options, tmp_path):
    bpe(tmp_path / "bpe.model", ["ONE WAY OUT", "TWO OWN TOWNS"], 18)
    with pytest.raises(UserError, match="3 tokens not in the token list"):
        check_inputs_whole({}, options, "x.yaml")
    # One that spells these transcripts in known tokens only may have others.
    bpe(tmp_path / "bpe.model", [*TEXTS.values(), "XXX"], 13)
    check_inputs_whole({}, options, "x.yaml")


@pytest.mark.parametrize(
    "text, right", [("1e-3", "1.0e-3"), ("2E5", "2.0e+5"), ("-1.5e3", "-1.5e+3")]
)
def test_a_number_that_yaml_reads_as_text(text, right):
    config = yaml.safe_load(f"optim_conf: {{lr: {text}}}")
    assert config["optim_conf"]["lr"] == text
    assert yaml.safe_load(right) == float(text)
    with pytest.raises(UserError) as caught:
        check_inputs_whole(config, [], "x.yaml")
    said = f"x.yaml: optim_conf.lr: {text} is text in YAML, not a number: write {right}"
    assert str(caught.value) == said

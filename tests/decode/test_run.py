"""Decoding a tiny ESPnet model, against the obvious way and against stock ESPnet."""

import os
from itertools import groupby

import numpy as np
import pytest
import soundfile
import torch
import yaml
from espnet2.tasks.asr import ASRTask

from espnet_plugin.bin import decode as decode_command
from espnet_plugin.decode.best_path import FILES
from espnet_plugin.decode.run import decode_model
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs


def spec(model):
    return [f"{model.wav_scp},speech,sound"]


def decode_obviously(model):
    """Decode one utterance at a time with nothing but the stock model."""
    asr, _ = ASRTask.build_model_from_file(model.config, model.checkpoint)
    asr.eval()
    texts, ids, scores = {}, {}, {}
    for key, path in read_pairs(model.wav_scp).items():
        wave = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        with torch.no_grad():
            encoded, _ = asr.encode(wave[None], torch.tensor([len(wave)]))
            log_probs = asr.ctc.log_softmax(encoded)[0]
        best = [token for token, _ in groupby(log_probs.argmax(-1).tolist())]
        ids[key] = [t for t in best if t not in (0, asr.eos)]
        tokens = [model.token_list[t] for t in ids[key]]
        texts[key] = "".join(tokens).replace("<space>", " ")
        scores[key] = float(log_probs.max(-1).values.sum())
    return texts, ids, scores


@pytest.mark.parametrize("batch_size", [1, 4, 6])
def test_equals_decoding_one_by_one(tiny_asr_model, tmp_path, batch_size):
    decode_model(
        tiny_asr_model.config,
        tiny_asr_model.checkpoint,
        [("test", spec(tiny_asr_model), tmp_path)],
        batch_size=batch_size,
    )
    texts, ids, scores = decode_obviously(tiny_asr_model)
    # A decoder that finds nothing would agree with itself.
    assert sum(map(len, ids.values())) > 20 and len(set(texts.values())) > 4
    # The lines start with the utterance; the text may be led by a space token.
    lines = [
        line.split(" ", 1) for line in (tmp_path / "text").open().read().split("\n")
    ]
    assert {line[0]: line[1] for line in lines[:-1]} == texts
    assert list(read_pairs(tmp_path / "text")) == list(
        read_pairs(tiny_asr_model.wav_scp)
    )
    found = read_pairs(tmp_path / "token_int")
    assert {key: list(map(int, value.split())) for key, value in found.items()} == ids
    found = read_pairs(tmp_path / "token")
    assert {key: value.split() for key, value in found.items()} == {
        key: [tiny_asr_model.token_list[i] for i in value] for key, value in ids.items()
    }
    for key, value in read_pairs(tmp_path / "score").items():
        assert float(value) == pytest.approx(scores[key], abs=1e-3)


def test_stock_inference_writes_the_same_files(tiny_asr_model, tmp_path):
    keys = list(read_pairs(tiny_asr_model.wav_scp))[3:5]
    key_file = tmp_path / "keys"
    key_file.write_text("".join(f"{key} x\n" for key in reversed(keys)))
    for method in ("best_path", "prefix"):
        decode_model(
            tiny_asr_model.config,
            tiny_asr_model.checkpoint,
            [("two", spec(tiny_asr_model), tmp_path / method, key_file)],
            method=method,
        )
    for name in FILES:
        tables = [read_pairs(tmp_path / m / name) for m in ("best_path", "prefix")]
        assert list(tables[0]) == list(tables[1]) == keys[::-1]
    written = {path.name for path in (tmp_path / "prefix").iterdir()}
    assert written == {*FILES, "decoded.json"}
    for key, value in read_pairs(tmp_path / "prefix" / "score").items():
        float(value)
    # The posteriors are steep, so both searches agree where neither was pruned.
    ours, theirs = (
        read_pairs(tmp_path / method / "token_int")
        for method in ("best_path", "prefix")
    )
    assert any(ours[key] == theirs[key] for key in keys)
    texts = [read_pairs(tmp_path / m / "text") for m in ("best_path", "prefix")]
    for key in keys:
        assert (ours[key] == theirs[key]) == (texts[0][key] == texts[1][key])


def test_a_hybrid_model_decodes_by_its_ctc_layer(tiny_hybrid_model, tmp_path):
    decode_model(
        tiny_hybrid_model.config,
        tiny_hybrid_model.checkpoint,
        [("test", spec(tiny_hybrid_model), tmp_path)],
    )
    _, ids, _ = decode_obviously(tiny_hybrid_model)
    found = read_pairs(tmp_path / "token_int")
    assert {key: list(map(int, value.split())) for key, value in found.items()} == ids


def test_features_decode_like_their_audio(tiny_asr_model, tmp_path):
    """Filter banks in files, as ``--feats_type fbank`` leaves them."""
    asr, _ = ASRTask.build_model_from_file(
        tiny_asr_model.config, tiny_asr_model.checkpoint
    )
    lines = []
    for key, path in read_pairs(tiny_asr_model.wav_scp).items():
        wave = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        feats, _ = asr.frontend(wave[None], torch.tensor([len(wave)]))
        np.save(tmp_path / f"{key}.npy", feats[0].numpy())
        lines.append(f"{key} {tmp_path}/{key}.npy\n")
    (tmp_path / "feats.scp").write_text("".join(lines))
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config.update(input_size=20, frontend=None, frontend_conf={})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    state = {k: v for k, v in asr.state_dict().items() if "frontend" not in k}
    torch.save(state, tmp_path / "model.pth")
    data = [f"{tmp_path}/feats.scp,speech,npy"]
    decode_model(
        tmp_path / "config.yaml",
        tmp_path / "model.pth",
        [("test", data, tmp_path / "out")],
        batch_size=3,
    )
    _, ids, _ = decode_obviously(tiny_asr_model)
    found = read_pairs(tmp_path / "out" / "token_int")
    assert {key: list(map(int, value.split())) for key, value in found.items()} == ids


def test_what_is_finished_is_not_done_again(tiny_asr_model, tmp_path):
    arguments = (
        tiny_asr_model.config,
        tiny_asr_model.checkpoint,
        [("test", spec(tiny_asr_model), tmp_path)],
    )
    decode_model(*arguments)
    text = (tmp_path / "text").read_text()
    (tmp_path / "text").write_text(text.replace("H", "Q"))
    decode_model(*arguments)
    assert (tmp_path / "text").read_text() == text.replace("H", "Q")
    decode_model(*arguments, overwrite=True)
    assert (tmp_path / "text").read_text() == text
    # Half a result, as a kill leaves it, is not a result.
    os.unlink(tmp_path / "text")
    decode_model(*arguments)
    assert (tmp_path / "text").read_text() == text


def test_an_utterance_too_short_is_empty(tiny_asr_model, tmp_path):
    wav_scp = tmp_path / "wav.scp"
    lines = tiny_asr_model.wav_scp.read_text().splitlines()[:1]
    for name, samples in (("short", 100), ("shorter_than_the_convolutions", 800)):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.full(samples, 0.1, dtype=np.float32), 16000)
        lines.append(f"{name} {path}")
    wav_scp.write_text("\n".join(lines) + "\n")
    decode_model(
        tiny_asr_model.config,
        tiny_asr_model.checkpoint,
        [("test", [f"{wav_scp},speech,sound"], tmp_path / "out")],
    )
    text = read_pairs(tmp_path / "out" / "text")
    assert text["short"] == text["shorter_than_the_convolutions"] == ""
    assert text[lines[0].split()[0]] != ""


def test_the_command_decodes_several_sets(tiny_asr_model, tmp_path):
    command = ["--asr_train_config", str(tiny_asr_model.config)]
    command += ["--asr_model_file", str(tiny_asr_model.checkpoint)]
    for name in ("dev", "test"):
        command += ["--output_dir", str(tmp_path / name)]
        command += ["--data_path_and_name_and_type", *spec(tiny_asr_model)]
    assert decode_command.main(command) == 0
    assert (tmp_path / "dev/text").read_text() == (tmp_path / "test/text").read_text()
    assert decode_command.main(command + ["--output_dir", "more"]) == 2


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(data="{scp},speech"), "three fields"),
        (dict(data="{scp},text,text"), "only takes speech"),
        (dict(data="{scp},speech,rttm"), "rttm"),
        (dict(data="nowhere/wav.scp,speech,sound"), "nowhere/wav.scp"),
        (dict(method="beam"), "best_path, prefix"),
        (dict(batch_size=0), "batch_size 0"),
        (dict(num_threads=0), "num_threads 0"),
        (dict(checkpoint="nowhere.pth"), "nowhere.pth"),
        (dict(config="nowhere.yaml"), "nowhere.yaml"),
        (dict(key_file="unknown"), "not in"),
        (dict(key_file="empty"), "lists no utterances"),
    ],
)
def test_bad_input_is_refused(tiny_asr_model, tmp_path, change, message):
    (tmp_path / "unknown").write_text("stranger x\n")
    (tmp_path / "empty").write_text("")
    data = change.pop("data", "{scp},speech,sound").format(scp=tiny_asr_model.wav_scp)
    key_file = change.pop("key_file", None)
    item = ("test", [data], tmp_path / "out", key_file and tmp_path / key_file)
    config = change.pop("config", tiny_asr_model.config)
    checkpoint = change.pop("checkpoint", tiny_asr_model.checkpoint)
    with pytest.raises(UserError, match=message):
        decode_model(config, checkpoint, [item], **change)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", ["best_path", "prefix"])
def test_both_searches_leave_what_is_too_short_empty(tiny_asr_model, tmp_path, method):
    """ESPnet's own inference writes ``<space>`` for it."""
    wave = np.random.default_rng(1).standard_normal(16000).astype(np.float32)
    table = tmp_path / "wav.scp"
    table.write_text("")
    for name, samples in (("long", wave), ("short", wave[:400])):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * samples, 16000)
        with table.open("a") as stream:
            stream.write(f"{name} {tmp_path / name}.wav\n")
    decode_model(
        tiny_asr_model.config,
        tiny_asr_model.checkpoint,
        [("two", [f"{table},speech,sound"], tmp_path / "out")],
        method=method,
    )
    for name in ("text", "token", "token_int"):
        assert read_pairs(tmp_path / "out" / name)["short"] == "", name
    assert list(read_pairs(tmp_path / "out/text")) == ["long", "short"]
    assert float(read_pairs(tmp_path / "out/score")["short"]) == 0.0

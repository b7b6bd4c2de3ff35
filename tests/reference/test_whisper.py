"""References with Whisper's encoder: imported and taught from without network."""

import json
import math
import struct
import sys
from types import SimpleNamespace

import pytest
import torch
import yaml
from espnet2.tasks.asr import ASRTask
from plain_model import write_plain_model
from tiny_asr import TOKENS, data_options
from tiny_encrl import batch, build
from tiny_whisper import NoNetwork, block_network, build_tiny_whisper

from espnet_plugin.bin import train_models, whisper_start
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json
from espnet_plugin.reference.importing import import_reference
from espnet_plugin.reference.whisper_start import write_whisper_start
from espnet_plugin.yaml_files import read_yaml

whisper = pytest.importorskip("whisper")

SMALL_STUDENT = (
    *("--student_encoder", "conformer", "--student_output_size", "16"),
    *("--student_linear_units", "32", "--student_encoder_conf", "attention_heads=2"),
    *("--student_encoder_conf", "cnn_module_kernel=7"),
    *("--student_encoder_conf", "rel_pos_type=latest"),
    *("--student_frontend", "default", "--student_frontend_conf", "n_mels=20"),
    *("--student_frontend_conf", "hop_length=160", "--normalize", "utterance_mvn"),
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """No test here may use the network, nor what an earlier download left."""
    block_network(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random Whisper of the size of tiny.en, in Whisper's own form of file."""
    return build_tiny_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def experiment(tiny, tmp_path_factory):
    """The folder that the tool makes of it."""
    folder = tmp_path_factory.mktemp("recipe") / "exp" / "whisper_start"
    tokens = folder.parents[1] / "tokens.txt"
    tokens.write_text("".join(f"{token}\n" for token in TOKENS))
    options = ["--weights", str(tiny.path), "--token_list", str(tokens)]
    with pytest.MonkeyPatch.context() as patch:
        block_network(patch)
        assert whisper_start.main([*options, "--output_dir", str(folder)]) == 0
    return folder


def as_reference(folder, tiny_asr_model):
    """Return what the options of a tiny training name, with this reference."""
    files = dict(config=folder / "config.yaml", checkpoint=folder / "model.pth")
    return SimpleNamespace(**{**vars(tiny_asr_model), **files})


def noise(seconds):
    generator = torch.Generator().manual_seed(7)
    return 0.1 * torch.randn(int(16000 * seconds), generator=generator)


def padded_differently(folder, target, **encoder_conf):
    """Copy the experiment with other options of the encoder."""
    target.mkdir()
    config = read_yaml(folder / "config.yaml")
    config["encoder_conf"].update(encoder_conf)
    (target / "config.yaml").write_text(yaml.safe_dump(config))
    (target / "model.pth").symlink_to(folder / "model.pth")
    return target


def test_espnet_itself_wants_the_network(experiment, monkeypatch):
    monkeypatch.setattr(whisper.audio, "N_MELS", 80, raising=False)
    with pytest.raises(NoNetwork):
        ASRTask.build_model_from_file(
            experiment / "config.yaml", experiment / "model.pth"
        )


@pytest.mark.parametrize("seconds, pad", [(30, False), (2.5, True)])
def test_an_imported_encoder_computes_what_whispers_does(
    experiment, tiny, tmp_path, seconds, pad
):
    source = padded_differently(experiment, tmp_path / "x", do_pad_trim=pad)
    folder = import_reference(source, tmp_path / "exp" / "asr_reference")
    model, args = load_asr_model(folder / "config.yaml", folder / "model.pth")
    assert args.token_list == TOKENS
    samples = noise(seconds)
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples))
    with torch.no_grad():
        expected = tiny.model.encoder(mel[None])
        found, lengths = model.encode(samples[None], torch.tensor([len(samples)]))
    assert found.shape == expected.shape == (1, 1500, 384)
    assert lengths.tolist() == [math.ceil(seconds * 50)]
    assert expected.std() > 0.1
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_checkpoint_is_strict(experiment, tmp_path):
    source = padded_differently(experiment, tmp_path / "x", whisper_model="base")
    with pytest.raises(UserError, match=r"with a different shape .* not \[512"):
        import_reference(source, tmp_path / "exp" / "asr_reference")


def test_it_teaches_a_small_model_of_another_kind(
    experiment, tiny_asr_model, tmp_path, monkeypatch
):
    folder = import_reference(experiment, tmp_path / "exp" / "asr_reference")
    meta = read_json(folder / "meta.json")
    assert meta["params"] > 7e6 and meta["layers"] == 4
    reference = as_reference(folder, tiny_asr_model)
    torch.manual_seed(0)
    model, args = build(reference, tmp_path / "encrl", *SMALL_STUDENT)
    assert model.resample_targets and args.input_size is None
    speech, lengths = batch()
    theirs = model.teacher(speech, lengths)
    for row, length, encoding in zip(speech, lengths, theirs.encoding):
        alone, frames = model.teacher.model.encode(row[None, :length], length[None])
        # The others of a batch, whose padding Whisper does not mask, change nothing.
        assert torch.allclose(encoding[: frames[0]], alone[0], atol=1e-5)
    model.eval()
    ours, frames = model.encode(speech, lengths)
    assert theirs.lengths.tolist() == [50, 38, 28]
    assert frames.tolist() == [24, 18, 13]  # 25 a second, less the convolutions' edges
    assert theirs.encoding.size(-1) == 384 and ours.size(-1) == 16
    model.train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss, stats, _ = model(speech, lengths)
    assert {"clip", "mse"} <= {name.removeprefix("loss_") for name in stats}
    loss.backward()
    optimizer.step()
    moved = [n for n, value in model.named_parameters() if not value.equal(before[n])]
    assert any(name.startswith("encoder.encoders.1.") for name in moved)
    assert any(name.startswith("objectives.") for name in moved)
    torch.save(model.state_dict(), tmp_path / "1epoch.pth")
    config = {name: getattr(args, name) for name in vars(args)}
    path = write_plain_model(
        config, tmp_path / "1epoch.pth", [1], tmp_path / "plain/model.pth"
    )
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "whisper", None)  # which stock ESPnet needs not
        plain, _ = ASRTask.build_model_from_file(tmp_path / "plain/config.yaml", path)
    assert plain.token_list == TOKENS and len(plain.encoder.encoders) == 1
    layer = "encoders.0.feed_forward.w_1.weight"
    trained = model.encoder.state_dict()["encoders.1.feed_forward.w_1.weight"]
    assert plain.encoder.state_dict()[layer].equal(trained)


@pytest.mark.slow
def test_stage_4_fine_tunes_it(experiment, tiny_asr_model, tmp_path, monkeypatch):
    """By conf/whisper_reference.yaml, whose encoder starts from the file."""
    config = read_yaml("conf/whisper_reference.yaml")
    assert config["init_param"] == ["exp/whisper_start/model.pth:encoder:encoder"]
    monkeypatch.chdir(experiment.parents[1])
    config.update(batch_type="unsorted", batch_size=3, max_epoch=1, num_workers=0)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    tokens = experiment.parents[1] / "tokens.txt"
    status = train_models.main(
        [
            *("--kind", "reference", "--config", str(tmp_path / "train.yaml")),
            *("--output", str(tmp_path / "asr_reference"), "--seed", "1"),
            *data_options(tiny_asr_model.data_dir),
            *("--token_type", "char", "--token_list", str(tokens)),
            *("--use_matplotlib", "false", "--use_tensorboard", "false"),
        ]
    )
    assert status == 0
    made = Experiment(tmp_path / "asr_reference")
    assert made.meta().method == "reference" and made.meta().width == 384
    state = torch.load(made.averaged_file("cer_ctc"), weights_only=True)
    start = torch.load(experiment / "model.pth", weights_only=True)
    name = "encoder.encoders.blocks.3.attn.query.weight"
    # Learning rates begin small, so that it is still near where it started.
    assert 0 < (state[name] - start[name]).abs().max() < 0.01
    assert import_reference(made.folder, tmp_path / "imported").is_dir()


def test_the_encoder_may_come_as_safetensors(tiny, experiment, tmp_path):
    """In half precision, as a converted encoder is."""
    state = {k: v.half() for k, v in tiny.model.encoder.state_dict().items()}
    header, data = {"__metadata__": {"model": "tiny.en"}}, b""
    for name, value in state.items():
        raw = value.contiguous().numpy().tobytes()
        offsets = [len(data), len(data) + len(raw)]
        shape = list(value.shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    tokens = experiment.parents[1] / "tokens.txt"
    model_file = write_whisper_start(path, tokens, tmp_path / "a")
    found = torch.load(model_file, weights_only=True)
    for name, value in state.items():
        assert found[f"encoder.encoders.{name}"].equal(value.float()), name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="truncated"):
        write_whisper_start(path, tokens, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_what_cannot_be_built_says_why(experiment, tmp_path, monkeypatch):
    for name, message in (
        ("large-v3", "takes 128 mel bins, but .* computes 80"),
        ("huge", "'huge' is not known"),
    ):
        source = padded_differently(experiment, tmp_path / name, whisper_model=name)
        monkeypatch.setattr(whisper, "available_models", lambda: ["large-v3", "huge"])
        with pytest.raises(UserError, match=message):
            import_reference(source, tmp_path / "exp" / "asr_reference")
    monkeypatch.setitem(sys.modules, "whisper", None)
    with pytest.raises(UserError, match="pip install openai-whisper"):
        import_reference(experiment, tmp_path / "exp" / "asr_reference")


def test_wrong_files_are_refused(experiment, tmp_path, tiny_asr_model):
    tokens = experiment.parents[1] / "tokens.txt"
    for weights, message in (
        (tmp_path / "none.pt", "is missing"),
        (tokens, "cannot be read as a file of openai-whisper"),
        (tiny_asr_model.checkpoint, "cannot be read as a file of openai-whisper"),
    ):
        with pytest.raises(UserError, match=message):
            write_whisper_start(weights, tokens, tmp_path / "new")
    with pytest.raises(UserError, match="is not empty"):
        write_whisper_start(tmp_path / "none.pt", tokens, experiment)


def test_audio_that_whisper_does_not_hear_is_refused(
    experiment, tiny_asr_model, tmp_path
):
    shapes = tmp_path / "speech_shape"
    shapes.write_text("a 480000\nb 480016\n")
    options = ("--train_shape_file", str(shapes))
    reference = as_reference(experiment, tiny_asr_model)
    with pytest.raises(UserError, match="b has 30.0 s, .* --max_wav_duration 30"):
        build(reference, tmp_path / "a", *SMALL_STUDENT, *options)


def test_a_student_needs_a_front_end_and_an_encoder(
    experiment, tiny_asr_model, tmp_path
):
    reference = as_reference(experiment, tiny_asr_model)
    with pytest.raises(UserError, match="--student_encoder, e.g. conformer"):
        build(reference, tmp_path / "a")
    with pytest.raises(UserError, match="--student_frontend, e.g. default"):
        build(reference, tmp_path / "a", "--student_encoder", "conformer")


def changed(tiny, path, change):
    """Write Whisper's file with other tensors."""
    content = torch.load(tiny.path, weights_only=True)
    change(content["model_state_dict"])
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "change, said",
    [
        # It would stay as it was drawn at random.
        (lambda s: s.pop("encoder.blocks.2.attn.query.weight"), "lacks blocks.2.attn"),
        (lambda s: s["encoder.ln_post.bias"].fill_(math.nan), "that are not finite"),
        (lambda s: s.update({"encoder.x": "text"}), "encoder.x is no tensor"),
    ],
)
def test_damaged_weights_are_named(tiny, tmp_path, change, said):
    path = changed(tiny, tmp_path / "damaged.pt", change)
    (tmp_path / "tokens.txt").write_text("".join(f"{one}\n" for one in TOKENS))
    with pytest.raises(UserError, match=said):
        write_whisper_start(path, tmp_path / "tokens.txt", tmp_path / "start")
    assert not (tmp_path / "start").exists()


@pytest.mark.parametrize(
    "content, said",
    [
        ("<blank>\nA\nA\n".encode(), "'A' is"),
        ("<blank>\n\nA\n".encode(), "line 2 is empty"),
        ("<blank>\n".encode(), "only <blank>"),
        ("<blank>\né\n".encode("latin-1"), "is not UTF-8"),
    ],
)
def test_damaged_token_lists_are_named(tiny, tmp_path, content, said):
    tokens = tmp_path / "tokens.txt"
    tokens.write_bytes(content)
    with pytest.raises(UserError, match=f"--token_list .*{said}"):
        write_whisper_start(tiny.path, tokens, tmp_path / "start")


@pytest.mark.parametrize("there, said", [(False, "missing"), (True, "cannot be read")])
def test_a_wrong_bpe_model_leaves_no_folder(tiny, tmp_path, there, said):
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("<blank>\nA\n")
    model = tokens if there else tmp_path / "bpe.model"
    with pytest.raises(UserError, match=said):
        write_whisper_start(tiny.path, tokens, tmp_path / "start", "bpe", model)
    assert not (tmp_path / "start").exists()

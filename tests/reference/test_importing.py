"""Importing a reference: what is right comes over whole, what is wrong not at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from espnet2.bin.asr_inference import Speech2Text
from espnet2.main_funcs.pack_funcs import pack
from espnet2.tasks.asr import ASRTask
from imported_reference import (
    NAME,
    assert_complete,
    assert_refused,
    edit,
    edit_state,
    packed,
)

from espnet_plugin.bin import import_reference as command
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json
from espnet_plugin.reference.importing import import_reference


def test_imports_an_experiment_folder(experiment, tiny_asr_model):
    folder = import_reference(experiment, "exp/asr_reference")
    shutil.rmtree(experiment.parents[1])  # nothing of it is needed any more
    assert_complete(folder, tiny_asr_model)


def test_imports_a_packed_model(experiment, tiny_asr_model, monkeypatch, tmp_path):
    zip_file = packed(experiment, monkeypatch, tmp_path / "model.zip")
    shutil.rmtree(experiment.parents[1])
    folder = import_reference(zip_file, "exp/asr_reference")
    assert_complete(folder, tiny_asr_model)


def test_imports_a_pack_of_files_outside_of_the_folder(
    experiment, tiny_asr_model, monkeypatch, tmp_path
):
    """``pack`` then writes absolute names into meta.yaml."""
    stats = experiment.parents[1] / "exp" / "stats" / "feats_stats.npz"
    edit(experiment, normalize_conf=dict(stats_file=str(stats)))
    pack(
        files={"asr_model_file": experiment / NAME},
        yaml_files={"asr_train_config": experiment / "config.yaml"},
        option=[stats],
        outpath=tmp_path / "model.zip",
    )
    shutil.rmtree(experiment.parents[1])
    folder = import_reference(tmp_path / "model.zip", "exp/asr_reference")
    assert_complete(folder, tiny_asr_model)


def test_a_hybrid_reference_keeps_its_decoder(tiny_hybrid_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = import_reference(tiny_hybrid_model.dir, "exp/asr_reference")
    model, _ = ASRTask.build_model_from_file(folder / "config.yaml", folder / NAME)
    assert model.decoder is not None and model.ctc is not None


def test_a_bpe_model_comes_along(experiment):
    sentencepiece = pytest.importorskip("sentencepiece")
    text = experiment / "text"
    text.write_text("one two three\nfour five six\n" * 9)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(experiment / "some"), vocab_size=18
    )
    edit(experiment, token_type="bpe", bpemodel="exp/asr_big/some.model")
    folder = import_reference(experiment, "exp/asr_reference")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["bpemodel"] == "exp/asr_reference/bpe.model"
    copied = (folder / "bpe.model").read_bytes()
    assert copied == (experiment / "some.model").read_bytes()
    speech2text = Speech2Text(folder / "config.yaml", folder / NAME, ctc_weight=1.0)
    assert speech2text.tokenizer is not None
    (experiment / "some.model").unlink()
    with pytest.raises(UserError, match="bpemodel: exp/asr_big/some.model does not"):
        import_reference(experiment, "exp/other")


def test_the_checkpoint_can_be_chosen(experiment):
    shutil.copy(experiment / NAME, experiment / "7epoch.pth")
    folder = import_reference(experiment, "exp/a", model_file="7epoch.pth")
    assert (folder / "7epoch.pth").is_file() and not (folder / NAME).exists()
    assert (import_reference(experiment, "exp/b") / NAME).is_file()


def test_importing_again_changes_nothing(experiment, monkeypatch, tmp_path):
    zip_file = packed(experiment, monkeypatch, tmp_path / "model.zip")
    for number, source in enumerate((experiment, zip_file)):
        output_dir = Path(f"exp/asr_{number}")
        output_dir.mkdir(parents=True)  # an empty one does no harm
        import_reference(source, output_dir)
        before = {p: p.stat().st_mtime_ns for p in output_dir.iterdir()}
        import_reference(source, output_dir)
        assert before == {p: p.stat().st_mtime_ns for p in output_dir.iterdir()}
    edit_state(experiment, lambda state: state["ctc.ctc_lo.bias"].add_(1.0))
    with pytest.raises(UserError, match="exp/asr_0 already holds something other"):
        import_reference(experiment, "exp/asr_0")
    with pytest.raises(UserError, match="exp/asr_1 already holds something other"):
        import_reference(experiment, "exp/asr_1")


def test_a_comment_is_no_other_reference(experiment):
    import_reference(experiment, "exp/asr_0")
    before = {p: p.stat().st_mtime_ns for p in Path("exp/asr_0").iterdir()}
    config = experiment / "config.yaml"
    text = config.read_text().replace("ngpu: 0\n", "ngpu: 3\n\n")
    assert text != config.read_text()
    config.write_text(f"# mine\n{text}")
    meta = read_json("exp/asr_0/meta.json")
    import_reference(experiment, "exp/asr_0")
    assert before == {p: p.stat().st_mtime_ns for p in Path("exp/asr_0").iterdir()}
    # As an earlier version noted it: then nobody can know.
    short = meta["source_sha256"].partition(" means ")[0]
    assert len(short) == 64
    write_json("exp/asr_0/meta.json", {**meta, "source_sha256": short})
    with pytest.raises(UserError, match="exp/asr_0 already holds something other"):
        import_reference(experiment, "exp/asr_0")


def test_what_is_there_is_named_and_no_option_that_nobody_gave(experiment):
    import_reference(experiment, "exp/asr_0")
    meta = Path("exp/asr_0/meta.json")
    trained = {k: v for k, v in read_json(meta).items() if not k.startswith("source")}
    write_json(meta, trained)
    with pytest.raises(UserError) as caught:
        import_reference(experiment, "exp/asr_0")
    said = str(caught.value)
    assert "exp/asr_0 already holds something other than --reference" in said
    assert "a reference that was trained in this folder" in said
    assert "--output_dir" not in said and "--expdir" in said


def test_several_at_once_import_it_once(experiment):
    """As jobs of several seeds do; each is a process of its own."""
    program = (
        "import sys; from espnet_plugin.bin.import_reference import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    asked = ["--reference", str(experiment), "--output_dir", "exp/asr_reference"]
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", program, *asked], stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [job.communicate()[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    assert sorted("imported into" in text for text in said) == [False, True]
    assert sorted("already holds this reference" in text for text in said)[-1]


def test_a_folder_of_something_else_is_left_alone(experiment):
    Path("exp/mine").mkdir(parents=True)
    Path("exp/mine/notes").write_text("keep")
    with pytest.raises(UserError, match="choose another folder"):
        import_reference(experiment, "exp/mine")
    assert Path("exp/mine/notes").read_text() == "keep"
    assert [path.name for path in Path("exp").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: (f / "config.yaml").unlink(), "no config.yaml"),
        (lambda f: (f / NAME).unlink(), "no checkpoint"),
        (lambda f: edit(f, model_conf=dict(ctc_weight=0.0)), "ctc_weight is 0"),
        (lambda f: edit(f, model="pit_espnet"), "pit_espnet cannot be a reference"),
        (lambda f: edit(f, token_list=["a", "<blank>", "<sos/eos>"]), "token 0 is 'a'"),
        (lambda f: edit(f, token_list=[]), "token_list is empty"),
        (lambda f: edit(f, token_list=["<blank>", 1]), "something other than tokens"),
        (
            lambda f: edit(f, token_list=["<blank>", "a", "<sos/eos>"]),
            "lists 3 tokens, but the CTC layer .* has 30",
        ),
        (
            lambda f: edit_state(f, lambda s: s.pop("ctc.ctc_lo.weight")),
            "has no CTC layer",
        ),
        (
            lambda f: edit_state(f, lambda s: s.pop("encoder.after_norm.weight")),
            "1 missing .encoder.after_norm.weight",
        ),
        (
            lambda f: edit_state(f, lambda s: s.update(other=torch.zeros(2))),
            "1 surplus .other",
        ),
        (
            lambda f: edit_state(
                f, lambda s: s.update({"encoder.after_norm.bias": torch.zeros(7)})
            ),
            r"encoder.after_norm.bias is \[7\], not \[16\]",
        ),
        (lambda f: os.truncate(f / NAME, 5000), "truncated"),
        (
            lambda f: (f.parent / "stats" / "feats_stats.npz").unlink(),
            "stats_file: exp/stats/feats_stats.npz does not exist",
        ),
        (
            lambda f: os.truncate(f.parent / "stats" / "feats_stats.npz", 100),
            "feats_stats.npz cannot be read",
        ),
    ],
)
def test_refuses_what_is_wrong(experiment, change, message):
    change(experiment)
    assert_refused(experiment, message)


def test_refuses_what_is_not_there():
    missing = "no/such/where"  # no/where might be a name in the model zoo
    assert_refused(missing, f"{missing} does not exist", "no_exp/asr_reference")


def test_the_command(experiment, caplog):
    options = ["--reference", str(experiment), "--output_dir", "exp/asr_x"]
    assert command.main(options) == 0
    assert Path("exp/asr_x/meta.json").is_file()
    assert command.main(["--reference", "no/such/where"]) == 2
    assert "no/such/where does not exist" in caplog.text


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_the_command_again_is_quick_unless_something_changed(
    experiment, monkeypatch, tmp_path, caplog, form
):
    """Every stage asks for the reference; only a new one may cost ESPnet's start."""
    reference = experiment
    if form == "zip":
        reference = packed(experiment, monkeypatch, tmp_path / "model.zip")
    shutil.copy(experiment / NAME, experiment / "7epoch.pth")
    (experiment / "dead.pth").symlink_to("gone.pth")
    options = ["--reference", str(reference), "--output_dir", "exp/asr_x"]
    assert command.main(options) == 0
    code = (
        "import sys; from espnet_plugin.bin.import_reference import main; "
        f"sys.exit(main({options!r}) or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    # Touched, or moved, it is the same reference still.
    os.utime(reference / NAME if form == "folder" else reference, (1, 1))
    assert command.main(options) == 0
    before = Path("exp/asr_x/meta.json").stat().st_mtime_ns
    assert command.main(["--reference", "exp/asr_x/", *options[2:]]) == 0
    assert Path("exp/asr_x/meta.json").stat().st_mtime_ns == before
    # Another checkpoint of it, or other content, is not.
    assert command.main([*options, "--reference_model_file", "7epoch.pth"]) == 2
    edit_state(experiment, lambda state: state["ctc.ctc_lo.bias"].add_(1.0))
    if form == "zip":
        packed(experiment, monkeypatch, reference)
    caplog.clear()
    assert command.main(options) == 2
    assert "exp/asr_x already holds something other than" in caplog.text

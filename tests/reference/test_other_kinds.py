"""References that are something else: named for what they are, or read as before."""

import shutil

import pytest
import torch
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.best_experiment import find_experiment
from espnet_plugin.reference.importing import import_reference
from espnet_plugin.reference.named import check_reference

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 12\n"


@pytest.fixture
def model(tiny_asr_model, tmp_path):
    """A copy of a model; its statistics are in its own folder."""
    folder = tmp_path / "asr"
    shutil.copytree(tiny_asr_model.dir, folder)
    edit(folder, normalize_conf={"stats_file": str(folder / "feats_stats.npz")})
    return folder


def edit(folder, **changes):
    path = folder / "config.yaml"
    config = {**yaml.safe_load(path.read_text()), **changes}
    path.write_text(yaml.safe_dump(config))


def checkpoint(folder):
    (path,) = folder.glob("*.pth")
    return path


def renamed(prefix):
    def change(folder):
        path = checkpoint(folder)
        state = torch.load(path)
        torch.save({f"{prefix}{name}": value for name, value in state.items()}, path)

    return change


def pointer(name):
    def change(folder):
        path = checkpoint(folder) if name == "*.pth" else folder / name
        path.write_text(LFS)

    return change


def bpe_pointer(folder):
    (folder / "bpe.model").write_text(LFS)
    edit(folder, token_type="bpe", bpemodel=str(folder / "bpe.model"))


def bpe_damaged(folder):
    (folder / "bpe.model").write_bytes(b"\x0a\x0b")
    edit(folder, token_type="bpe", bpemodel=str(folder / "bpe.model"))


def torchscript(folder):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(2)), folder / "t")
    shutil.move(folder / "t", checkpoint(folder))


def broken_link(folder):
    checkpoint(folder).unlink()
    (folder / "valid.acc.best.pth").symlink_to("12epoch.pth")


def safetensors(folder):
    checkpoint(folder).rename(folder / "model.safetensors")


def page(folder):
    checkpoint(folder).write_text("<!DOCTYPE html><html>not found</html>")


def another_task(**keys):
    def change(folder):
        path = folder / "config.yaml"
        config = {**yaml.safe_load(path.read_text()), **keys}
        for name in ("encoder", "ctc_conf"):
            del config[name]
        path.write_text(yaml.safe_dump(config))

    return change


WRONG = {
    "a pointer as the checkpoint": (pointer("*.pth"), "pointer, not the checkpoint"),
    "a pointer as the statistics": (
        pointer("feats_stats.npz"),
        "feats_stats.npz: it is a Git LFS pointer, not the statistics: run 'git lfs",
    ),
    "a pointer as the configuration": (
        pointer("config.yaml"),
        "a Git LFS pointer, not the configuration",
    ),
    "a pointer as the BPE model": (bpe_pointer, "a Git LFS pointer, not the BPE model"),
    "a damaged BPE model": (bpe_damaged, "bpe.model cannot be read"),
    "a web page": (page, "it is a web page, not the checkpoint"),
    "TorchScript": (torchscript, "is a TorchScript archive"),
    "DataParallel": (renamed("module."), "tensors begin with 'module.'"),
    "Lightning": (renamed("model."), "tensors begin with 'model.'"),
    "a broken link": (broken_link, "only valid.acc.best.pth, a link to 12epoch.pth"),
    "safetensors": (safetensors, "only model.safetensors of other programs"),
    "a transducer of another task": (
        another_task(joint_network_conf={}),
        "one of ESPnet's task asr_transducer",
    ),
    "speech synthesis": (another_task(tts="vits"), "one of ESPnet's task tts"),
    "a language model": (another_task(lm="transformer"), "one of ESPnet's task lm"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", WRONG)
def test_it_is_named_for_what_it_is(model, tmp_path, what):
    change, said = WRONG[what]
    change(model)
    with pytest.raises(UserError) as error:
        import_reference(model, tmp_path / "out")
    assert said in str(error.value)
    assert "\n" not in str(error.value) and "weights_only" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["warpctc", "cudnnctc"])
def test_a_loss_of_an_earlier_version(model, tmp_path, kind):
    """Its weights are those of today's loss; ESPnet 202611 refuses its name."""
    before = yaml.safe_load((model / "config.yaml").read_text())["ctc_conf"]
    edit(model, ctc_conf={**before, "ctc_type": kind})
    made = import_reference(model, tmp_path / "out")
    config = yaml.safe_load((made / "config.yaml").read_text())
    assert config["ctc_conf"] == {**before, "ctc_type": "builtin"}


def refused(given):
    with pytest.raises(UserError) as error:
        check_reference(str(given))
    return str(error.value)


def test_other_paths_than_the_folder(model, tmp_path):
    said = f"is a file: give its folder, --reference {model}"
    assert refused(model / "config.yaml").endswith(said)
    path = checkpoint(model)
    assert refused(path).endswith(f"{said} --reference_model_file {path.name}")
    assert refused(tmp_path).endswith(f"give one of them, e.g. {model}")
    hub = tmp_path / "hub/models--espnet--x"
    (hub / "snapshots/0a").mkdir(parents=True)
    (hub / "snapshots/0a/meta.yaml").touch()
    assert refused(hub).endswith(f"give one of them, e.g. {hub}/snapshots/0a")
    old = tmp_path / "train_pytorch"
    old.mkdir()
    (old / "model.json").touch()
    assert "is a model of ESPnet 1 (model.json)" in refused(old)
    assert "(~ is not replaced inside quotes" in refused("~/exp/asr")
    address = refused("https://huggingface.co/espnet/some_model/")
    assert address.endswith("(for this one: espnet/some_model)")


def test_a_broken_link_in_a_finished_recipe(model, tmp_path):
    broken_link(model)
    with pytest.raises(UserError, match="is not finished: it has no averaged"):
        find_experiment(tmp_path, str(model))

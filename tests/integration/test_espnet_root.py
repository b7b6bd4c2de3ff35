"""An unmodified asr.sh on mini_an4, and this plugin beside it and inside it.

    ESPNET_ROOT=/espnet pytest -m slow tests/integration/test_espnet_root.py

``ESPNET_ROOT`` is a tree of ESPnet with ``egs2`` (only read; the recipe is copied).
ESPnet itself is the installed one, also if the tree has another release of it.
Skipped, saying why, without it or without what its scripts import. sox is used where it
is there (speed perturbation). Half an hour on a busy core, most of it to start Python.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "stock_recipe"
TREE = os.environ.get("ESPNET_ROOT")


def why_not() -> str:
    if not TREE:
        return "ESPNET_ROOT is not set: it names the ESPnet tree whose asr.sh is run"
    needed = (
        "egs2/TEMPLATE/asr1/asr.sh",
        "egs2/mini_an4/asr1/run.sh",
        "egs/an4/asr1/local/data_prep.py",
        "egs/mini_an4/asr1/downloads.tar.gz",
        "tools",
        "utils",
    )
    missing = [name for name in needed if not Path(TREE, name).exists()]
    if missing:
        return f"ESPNET_ROOT={TREE} lacks {', '.join(missing)}"
    # Releases differ in what the scripts of the tree import.
    scripts = Path(TREE, "egs2/TEMPLATE/asr1/pyscripts/audio/format_wav_scp.py")
    wanted = [n for n in ("kaldiio", "resampy") if f"import {n}" in scripts.read_text()]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    missing += [n for n in ("perl", "bc", "wget") if shutil.which(n) is None]
    return f"asr.sh of that tree needs {', '.join(missing)}" if missing else ""


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]

SPEED = ["--speed_perturb_factors", "0.9 1.0 1.1"] if shutil.which("sox") else []
OPTIONS = [
    *("--ngpu", "0", "--nj", "1", "--inference_nj", "1", "--use_lm", "false"),
    *("--audio_format", "flac.ark", "--token_type", "bpe", "--nbpe", "30"),
    # asr.sh looks for the perturbed set's transcripts where there are none.
    *("--bpe_train_text", "data/train_nodev/text", "--test_sets", "test test_seg"),
    *("--inference_config", "conf/decode_ctc.yaml"),
    *("--inference_asr_model", "valid.cer_ctc.ave.pth"),
    *SPEED,
]
TAG = f"raw_en_bpe30{'_sp' if SPEED else ''}"
LAUNCH = ["--python", "python3 -m espnet_plugin.launch"]


def call(command, folder, **environment):
    """Run a command and show all it printed if it fails."""
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    return result.stdout


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """The stock recipe, run to the end of stage 11 by the unmodified asr.sh."""
    root = tmp_path_factory.mktemp("espnet")
    (root / "egs2/mini_an4").mkdir(parents=True)
    for name in ("tools", "egs", "egs2/TEMPLATE"):
        (root / name).symlink_to(Path(TREE, name).resolve())
    recipe = root / "egs2/mini_an4/asr1"
    shutil.copytree(Path(TREE, "egs2/mini_an4/asr1"), recipe, symlinks=True)
    # The tree's scripts import its espnet. Its espnet2 would hide the installed one and
    # wants other packages.
    packages = root / "packages"
    packages.mkdir()
    (packages / "espnet").symlink_to(Path(TREE, "espnet").resolve())
    for path in FILES.glob("*.yaml"):
        reference = f"exp/asr_train_reference_{TAG}"
        text = path.read_text().replace("@REFERENCE@", reference)
        (recipe / "conf" / path.name).write_text(text)
    path = [str(Path(sys.prefix) / "bin"), os.environ["PATH"]]
    if shutil.which("sph2pipe") is None:
        path.insert(0, str(FILES / "bin"))
    environment = {
        "PATH": ":".join(path),
        "PYTHONPATH": f"{ROOT}:{packages}",
    }

    def run(*options):
        return call(["./run.sh", *OPTIONS, *options], recipe, **environment)

    run(
        *("--stage", "1", "--stop_stage", "11"),
        *("--asr_config", "conf/train_reference.yaml"),
    )
    assert (recipe / f"exp/asr_train_reference_{TAG}/valid.cer_ctc.ave.pth").is_file()
    return SimpleNamespace(recipe=recipe, run=run)


def listing(folder):
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def test_beside_it(stock, tmp_path):
    """Route 1: stages 5 to 7 from what the stock recipe left; nothing of it changes.

    It is mounted read-only where that is allowed. The training is the one that setup.sh
    writes into run.sh; only the sizes are others, as the reference has three layers.
    """
    mine = tmp_path / "mini_an4/encrl1"
    call([str(ROOT / "egs2/TEMPLATE/encrl1/setup.sh"), str(mine)], tmp_path)
    before = listing(stock.recipe)
    options = ["--asr_recipe", str(stock.recipe), "--sizes", "2 1"]
    run = ["./run.sh", *options, "--stage", "5", "--stop_stage", "7"]
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0:
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        run = ["unshare", "-m", "bash", "-c", script, str(stock.recipe), *run]
    printed = call(run, mine, VENV=sys.prefix, ESPNET_ROOT="")
    assert listing(stock.recipe) == before
    for found in (f"asr_train_reference_{TAG}", "train_dev", "test_seg", "bpe tokens"):
        assert found in printed
    # Stage 5 trains both with CTC and EncRL, and stage 6 only the smallest further.
    log = (mine / "exp/encrl_encrl_s1/train.log").read_text()
    assert "6epoch results" in log and "loss_kl" in log and "loss_ctc" in log
    assert "CTC fine-tuning of 1 layer; 2 layers: cut out" in printed
    for size, weights in ((2, "model.pth"), (1, "valid.cer_ctc.ave.pth")):
        assert (mine / f"exp/asr_encrl_s1_{size}l" / weights).is_file()
        for name in ("train_dev", "test", "test_seg"):
            folder = mine / f"exp/asr_encrl_s1_{size}l/decode_best_path/{name}"
            text = stock.recipe / f"dump/raw/{name}/text"
            decoded = {line.split()[0] for line in open(folder / "text")}
            assert decoded == {line.split()[0] for line in open(text)}
            assert (folder / "score.json").is_file()
    assert not (mine / "exp/asr_encrl_s1_2l/valid.cer_ctc.ave.pth").exists()
    for config in mine.glob("exp/asr_encrl_s1_*l/config.yaml"):
        assert "model: espnet\n" in config.read_text()


def test_encrl_inside_it(stock):
    """Route 2: the same asr.sh trains, decodes and packs an EncRL model."""
    config = ["--asr_config", "conf/train_encrl.yaml", *LAUNCH]
    stock.run("--stage", "11", "--stop_stage", "12", *config)
    folder = stock.recipe / f"exp/asr_train_encrl_{TAG}"
    log = (folder / "train.log").read_text()
    assert "layers [0, 2] of the reference" in log and "loss_clip=" in log
    assert list(folder.glob("decode_ctc_*/test/text"))
    # Step 2 needs nothing of this plugin.
    stock.run(
        *("--stage", "11", "--stop_stage", "11"),
        *("--asr_config", "conf/train_finetune.yaml"),
        *("--pretrained_model", str(folder / "valid.cer_ctc.ave.pth")),
    )
    tuned = stock.recipe / f"exp/asr_train_finetune_{TAG}"
    assert "Loading pretrained params" in (tuned / "train.log").read_text()
    assert (tuned / "valid.cer_ctc.ave.pth").is_file()
    if shutil.which("sclite") is None:
        return  # stage 13 needs it, and stage 14 what stage 13 leaves
    config += ["--skip_packing", "false"]
    stock.run("--stage", "13", "--stop_stage", "14", *config)
    assert list(folder.glob("decode_ctc_*/test/score_wer/result.txt"))
    assert list(folder.glob("*.zip"))


def test_dual_mode_inside_it(stock):
    config = ["--asr_config", "conf/train_dual_mode.yaml", *LAUNCH]
    stock.run("--stage", "11", "--stop_stage", "12", "--test_sets", "test", *config)
    folder = stock.recipe / f"exp/asr_train_dual_mode_{TAG}"
    assert "encoder: dual_mode_conformer" in (folder / "config.yaml").read_text()
    assert list(folder.glob("decode_ctc_*/test/text"))

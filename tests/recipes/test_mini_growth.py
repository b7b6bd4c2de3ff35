"""A reference that grows from a shallower model, in the recipe."""

import json

import pytest
import torch
import yaml
from mini_recipe import ROOT, run

pytestmark = pytest.mark.slow


def test_a_reference_grows(copy, tmp_path):
    config = yaml.safe_load((ROOT / "conf/tiny_reference.yaml").read_text())
    config["max_epoch"] = 1
    small = {**config, "encoder_conf": {**config["encoder_conf"], "num_blocks": 2}}
    for name, content in (("small", small), ("large", config)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    grow = (
        *("--stage", "4", "--stop_stage", "4", "--reference_exp", "exp/asr_grown"),
        *("--reference_start", str(tmp_path / "small.yaml")),
        *("--reference_config", str(tmp_path / "large.yaml")),
    )
    run(copy, *grow)
    start, grown = (copy / f"exp/asr_grown{end}" for end in ("_start", ""))
    metas = [
        json.loads((folder / "meta.json").read_text()) for folder in (start, grown)
    ]
    assert metas[0]["layers"] == 2 and metas[0]["serves"] == [3]
    assert metas[1]["layers"] == 3 and metas[1]["shared"] == "asr_grown_start"
    read = [
        torch.load(path, weights_only=True)
        for path in (start / metas[0]["checkpoint"], grown / "init/model.pth")
    ]
    name = "encoder.encoders.{}.feed_forward.w_1.weight"
    for new, old in enumerate([0, 0, 1]):
        assert torch.equal(read[1][name.format(new)], read[0][name.format(old)])
    # The report counts what the start took as the reference's, apart from its own.
    (copy / "exp/asr_reference").rename(copy / "not_this_one")
    for stage in ("7", "9"):
        run(copy, "--stage", stage, "--stop_stage", stage, *grow[4:6])
    results = json.loads((copy / "results.json").read_text())
    (row,) = (row for row in results["rows"] if row["method"] == "reference")
    assert row["shared"] == "asr_grown_start" and row["epochs"] == 1
    (entry,) = (e for e in results["shared"] if e["name"] == row["shared"])
    assert entry["epochs"] == 1 and entry["train_flops"] > 0
    # What is finished is not done again; what does not fit is refused before training.
    before = (grown / "train.log").stat().st_mtime_ns
    assert "is finished already" in run(copy, *grow).stderr
    assert (grown / "train.log").stat().st_mtime_ns == before
    small["encoder_conf"]["output_size"] = 20
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    result = run(copy, *grow, "--reference_exp", "exp/asr_other", check=False)
    assert result.returncode == 2 and "output_size 20 and 16" in result.stderr
    assert not (copy / "exp/asr_other_start").exists()

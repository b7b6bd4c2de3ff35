"""Inputs of a finished stage that are missing, and folders of another kind."""

import pytest
from stale_recipe import finished_recipe

from espnet_plugin.data.content import Contents
from espnet_plugin.errors import UserError
from espnet_plugin.jobs.inputs import difference, job_inputs
from espnet_plugin.jobs.models import export_once
from espnet_plugin.jobs.requests import CutRequest, PretrainingRequest


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return finished_recipe(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize(
    "name, stage, option",
    [
        ("data/tokens.txt", "stage_4", "token_list"),
        ("data/bpe.model", "stage_4", "bpemodel"),
        ("exp/asr_stats/train/feats_stats.npz", "stage_4", "normalize_conf.stats_file"),
        ("exp/asr_reference/config.yaml", "stage_5", "reference_config"),
    ],
)
def test_a_file_that_is_missing_is_named(made, name, stage, option):
    path, kept = made.path(name), made.path("kept")
    path.rename(kept)
    try:
        with pytest.raises(UserError, match=f"{option}: {path} is missing: bring it"):
            getattr(made, stage)()
    finally:
        kept.rename(path)


def test_one_of_several_files_that_is_missing_is_named(tmp_path):
    files = [tmp_path / "one", tmp_path / "two"]
    for file in files:
        file.write_text(f"{file.name} 16000\n")
    options = ["--train_shape_file", *map(str, files)]
    request = PretrainingRequest({}, options, 1)
    contents = Contents(tmp_path / "digests")
    known = {"inputs": job_inputs(request, contents)}
    assert difference(known, request, contents)[0] is None
    files[1].unlink()
    with pytest.raises(UserError, match="train_shape_file: .*two is missing: bring"):
        difference(known, request, contents)


def test_a_training_is_never_replaced_by_a_cut(made):
    folder = made.path(f"{made.exp}/asr_6")
    with pytest.raises(
        UserError, match="different inputs: kind .was PlainRequest, is CutRequest"
    ):
        export_once(folder, CutRequest("family", 1, "0a"), lambda: None)
    assert (folder / "1epoch.pth").read_text() == "weights"

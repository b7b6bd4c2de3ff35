"""Rows of one seed that learnt from different references are named in the table."""

import hashlib

import pytest
from result_folders import make_results

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import write_json
from espnet_plugin.results.references import read_reference, reference_note


def row(method, seed=1, variant="", **more):
    return {"method": method, "variant": variant, "layers": 6, "seed": seed, **more}


def note_of(rows, shared=()):
    results = make_results(rows, shared)
    return reference_note(results.rows, results.runs)


def test_the_checkpoint_of_a_reference_is_what_models_name(tmp_path):
    (tmp_path / "model.pth").write_bytes(b"weights")
    experiment = Experiment(tmp_path)
    meta = Meta(method="reference", checkpoint="model.pth")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert read_reference(experiment, meta) == digest[:12]
    # Baselines say it in meta.json, EncRL in what it was asked for.
    of = Meta(method="layer_copy", reference_sha256=digest)
    assert read_reference(experiment, of) == digest[:12]
    write_json(tmp_path / "request.json", {"reference": digest, "seed": 1})
    assert read_reference(experiment, Meta(method="encrl_pretrain")) == digest[:12]


@pytest.mark.parametrize("content", ["{}", '{"reference": null}', "half a fi"])
def test_a_folder_may_not_say_it(tmp_path, content):
    experiment = Experiment(tmp_path)
    assert read_reference(experiment, Meta(method="scratch")) is None
    gone = Meta(method="reference", checkpoint="gone.pth")
    assert read_reference(experiment, gone) is None
    (tmp_path / "request.json").write_text(content)
    assert read_reference(experiment, Meta(method="scratch")) is None


def test_one_reference_or_none_at_all_needs_no_note():
    rows = [row("reference", reference="a"), row("scratch"), row("encrl", shared="e")]
    shared = [{"name": "e", "reference": "a"}]
    assert note_of(rows, shared) == ""
    # Each seed has a reference of its own.
    rows += [row("reference", 2, reference="b"), row("layer_copy", 2, reference="b")]
    assert note_of(rows) == ""


def test_rows_of_one_seed_that_differ_are_named():
    rows = [
        row("reference", 3, reference="a"),
        row("encrl", 3, shared="family"),
        row("layer_copy", 3, "spaced", reference="b"),
        row("layer_copy", 3, "spaced", reference="b"),
        row("encrl", 4, reference="b"),
    ]
    # The fine-tuning goes on from the EncRL run, which knows its reference.
    shared = [
        {"name": "family", "after": "run"},
        {"name": "run", "reference": "a"},
    ]
    assert note_of(rows, shared) == (
        " NOT ALL ROWS OF SEED 3 LEARNT FROM THE SAME REFERENCE: reference, encrl from "
        "a; layer_copy spaced from b."
    )

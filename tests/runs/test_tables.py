"""Comparisons of a plan's tables: which of their rows are there."""

import json

import pytest
import yaml
from result_folders import make_model

from espnet_plugin.errors import UserError
from espnet_plugin.results.gather import gather
from espnet_plugin.results.merge import merge
from espnet_plugin.runs.spec import read_spec
from espnet_plugin.runs.tables import comparisons, labels

PLAN = {
    "sizes": [6, "4x72", 2],
    "rows": {"a": {"options": ""}},
    "tables": {
        "R.md": {
            "options": "--stage 9",
            "groups": ["main"],
            "compare": [["scratch {size}", "encrl {size}"]],
        }
    },
}


def test_sizes_with_a_width_are_compared(tmp_path):
    folders = [
        make_model(tmp_path, f"{method}_{layers}_{width}", method, layers, width=width)
        for method in ("scratch", "encrl")
        for layers, width in ((6, None), (4, 72), (4, None))
    ]
    names = labels(tmp_path)
    # The names that --compare finds rows by.
    results = merge(None, gather(folders), "mini")
    assert names == {group.label for group in results.groups}
    (tmp_path / "experiments.yaml").write_text(yaml.safe_dump(PLAN))
    spec = read_spec(tmp_path / "experiments.yaml")
    assert comparisons(spec.tables["R.md"], spec.sizes, names) == [
        ("scratch 6", "encrl 6"),
        ("scratch 4x72", "encrl 4x72"),
    ]


@pytest.mark.parametrize("size", ["4x", "six", 0, 2.5])
def test_other_sizes_are_refused(tmp_path, size):
    path = tmp_path / "experiments.yaml"
    path.write_text(json.dumps({**PLAN, "sizes": [6, size]}))
    with pytest.raises(UserError, match="experiments.yaml.*sizes"):
        read_spec(path)

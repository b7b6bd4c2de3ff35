"""Configurations are read, written and merged in one way."""

import copy
from pathlib import Path

import pytest
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.yaml_files import deep_merge, read_yaml, write_yaml


def test_read_yaml(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("lr: 0.1\nname: Köln\n", encoding="utf-8")
    assert read_yaml(path) == {"lr": 0.1, "name": "Köln"}
    for content, what in (
        (b"", "holds no keys"),
        (b"- a\n", "holds no keys"),
        (b"a: [1\n", "is not YAML"),
        (b"a: \xff\n", "is not YAML"),
        (b"a: 1\nb: {c: 1,\n  c: 2}\n", "is not YAML: the key c .* twice, line 3"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"--train_config .*a.yaml {what}"):
            read_yaml(path, "--train_config")
    with pytest.raises(UserError, match="--config nowhere.yaml is missing"):
        read_yaml(Path("nowhere.yaml"))


def test_what_is_written_is_read_again_in_the_same_order(tmp_path):
    content = {"b": 1.0e-5, "a": {"z": [None, True], "Köln": "no"}, "c": "1"}
    write_yaml(tmp_path / "deep/a.yaml", content)
    read = yaml.safe_load((tmp_path / "deep/a.yaml").read_text(encoding="utf-8"))
    assert read == content and list(read) == ["b", "a", "c"]
    assert "Köln" in (tmp_path / "deep/a.yaml").read_text(encoding="utf-8")


def test_only_named_values_are_replaced():
    base = {"a": {"x": 1, "y": {"p": 1, "q": 2}}, "b": [1, 2], "c": 3}
    before = copy.deepcopy(base)
    changes = {"a": {"y": {"q": 9}, "z": 0}, "b": [3], "c": {"now": "deep"}, "d": None}
    assert deep_merge(base, changes) == {
        "a": {"x": 1, "y": {"p": 1, "q": 9}, "z": 0},
        "b": [3],
        "c": {"now": "deep"},
        "d": None,
    }
    assert base == before


def test_null_replaces_or_removes():
    base = {"encoder_conf": {"pruning": {"end": 0.5}, "layers": 3}, "x": 1}
    changes = {"encoder_conf": {"pruning": None}, "x": None, "never": None}
    kept = {"encoder_conf": {"pruning": None, "layers": 3}, "x": None, "never": None}
    assert deep_merge(base, changes) == kept
    removed = {"encoder_conf": {"layers": 3}}
    assert deep_merge(base, changes, null_removes=True) == removed


def test_what_an_alias_brings_may_be_replaced(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n")
    assert read_yaml(tmp_path / "a.yaml")["b"] == {"x": 3, "y": 2}

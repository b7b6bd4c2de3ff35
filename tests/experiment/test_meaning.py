"""Files that say the same count as equal, whatever their comments and line ends."""

import json

import pytest

from espnet_plugin.experiment.inputs import first_difference
from espnet_plugin.experiment.meaning import meaning, same, with_meaning

CONFIG = "encoder: conformer\nencoder_conf:\n    num_blocks: 12\n    dropout: 1.0\n"


def said(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return meaning(path)


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("config.yaml", CONFIG, "# a comment\n" + CONFIG + "\n# the end\n"),
        ("config.yaml", CONFIG, CONFIG.replace("\n", "\r\n")),
        ("c.yml", CONFIG, "encoder_conf: {dropout: 1, 'num_blocks': 12}\n"
         'encoder: "conformer"\n'),
        ("config.yaml", CONFIG, CONFIG + "ngpu: 2\nnum_workers: 0\ndist_rank: 1\n"),
        ("config.yaml", CONFIG, CONFIG + "init: null\nmodel_conf: {}\n"),
        ("a.json", '{"a": [1, 2], "b": 2.0}', '{"b": 2,\n "a": [1,2]}\n'),
        ("tokens.txt", "<blank>\n<unk>\nA", "<blank>\n<unk>\nA\n"),
        ("tokens.txt", "<blank>\n<unk>\nA\n", "<blank>\r\n<unk> \r\nA\r\n"),
    ],
)  # fmt: skip
def test_the_same_content(tmp_path, name, old, new):
    assert said(tmp_path, name, old) == said(tmp_path, name, new) is not None


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("config.yaml", CONFIG, CONFIG.replace("12", "11")),
        ("config.yaml", CONFIG, CONFIG.replace("12", "'12'")),
        ("config.yaml", CONFIG, CONFIG + "x: 1\n"),
        ("config.yaml", "a: true\n", "a: 1\n"),
        ("config.yaml", "a: [1, 2]\n", "a: [2, 1]\n"),
        ("config.yaml", "a: [1, null]\n", "a: [1]\n"),
        ("config.yaml", "a: {ngpu: 1}\n", "a: {ngpu: 2}\n"),  # not ESPnet's option
        ("a.json", '{"a": "# x"}', '{"a": "#"}'),
        # ESPnet reads an empty line as one more token, and the order is the index.
        ("tokens.txt", "<blank>\nA\n", "<blank>\nA\n\n"),
        ("tokens.txt", "<blank>\nA\nB\n", "<blank>\nB\nA\n"),
        ("tokens.txt", "<blank>\nA\n", "<blank>\n A\n"),
    ],
)
def test_other_content(tmp_path, name, old, new):
    assert None is not said(tmp_path, name, old) != said(tmp_path, name, new)


@pytest.mark.parametrize(
    "name, content",
    [
        ("bpe.model", b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02"),
        ("a.txt", b"caf\xe9\n"),
        ("config.yaml", b"a: [1\n"),
        ("config.yaml", b"a: !!python/name:os.system\n"),
        ("a.json", b"{"),
        ("a.json", b"[" * 100_000),
    ],
)
def test_what_is_no_text_has_no_meaning(tmp_path, name, content):
    assert said(tmp_path, name, content) is None
    assert with_meaning("0" * 20, tmp_path / name) == "0" * 20


def test_a_missing_file_has_no_meaning(tmp_path):
    assert meaning(tmp_path / "config.yaml") is None


A, B = "a" * 20, "b" * 20
M, N = "1" * 20, "2" * 20


@pytest.mark.parametrize(
    "old, new, equal",
    [
        # A record of an earlier version has the bytes alone.
        (f"content {A}", f"content {A} means {M}", True),
        (f"content {A}", f"content {B} means {M}", False),
        (f"content {A} means {M}", f"content {B} means {M}", True),
        (f"content {A} means {M}", f"content {A} means {N}", True),
        (f"content {A} means {M}", f"content {B} means {N}", False),
        (f"content {A} means {M}:a:b", f"content {B} means {M}:a:c", False),
        (f"content {A}:a:b", f"content {A} means {M}:a:b", True),
        (f"other {A} means {M}", f"content {B} means {M}", False),
        (f"{'c' * 64}", f"{'c' * 64} means {M}", True),
        (f"{'c' * 64} means {M}", f"{'d' * 64} means {M}", True),
        ([f"{A} means {M}", 1], [f"{B} means {M}", 1], True),
        ([f"{A} means {M}", 1], [f"{B} means {M}", 2], False),
        ({"x": f"{A} means {M}"}, {"x": f"{B} means {M}"}, True),
        ({"x": f"{A} means {M}"}, {"y": f"{A} means {M}"}, False),
        (f"24 utterances, {A} (text)", f"24 utterances, {B} (text)", False),
        (None, f"{A} means {M}", False),
        (1, 2, False),
    ],
)
def test_records(old, new, equal):
    assert same(old, new) is same(new, old) is equal
    assert (first_difference({"a": old}, {"a": new}) is None) is equal


def test_a_record_survives_json(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    noted = json.loads(json.dumps({"config": with_meaning("c" * 64, path)}))
    path.write_text("# changed\n" + CONFIG)
    assert first_difference(noted, {"config": with_meaning("d" * 64, path)}) is None

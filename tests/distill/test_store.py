"""The store of outputs: what is read is what was written, or an error."""

import resource
import shutil

import numpy as np
import pytest
import torch

from espnet_plugin.distill.store import OutputStore, expand_top
from espnet_plugin.distill.store_format import check_folder
from espnet_plugin.distill.store_writer import StoreWriter
from espnet_plugin.errors import UserError

MADE_OF = {"reference": "abc", "data": "def"}
VOCABULARY, WIDTH = 7, 3
LENGTHS = {"a": 4, "b": 1, "c": 6}


def outputs(name):
    generator = torch.Generator().manual_seed(ord(name))
    logits = 3 * torch.randn(LENGTHS[name], VOCABULARY, generator=generator)
    return logits.log_softmax(-1), torch.randn(WIDTH, generator=generator)


def encoding(name):
    generator = torch.Generator().manual_seed(100 + ord(name))
    return 5 * torch.randn(LENGTHS[name], WIDTH, generator=generator)


def write(folder, names="abc", top=0, finish=True, encodings=False):
    writer = StoreWriter(folder, MADE_OF, VOCABULARY, WIDTH, top, encodings)
    for name in names:
        writer.add(name, *outputs(name), encoding(name))
    if finish:
        writer.finish(seconds=1.5)
    return writer


def test_what_is_read_is_what_was_written(tmp_path):
    write(tmp_path)
    store = OutputStore(tmp_path, MADE_OF)
    assert len(store) == 3 and "b" in store and "x" not in store
    assert store.figures["seconds"] == 1.5 and store.width == WIDTH
    posteriors, pooled, lengths, _ = store.read(["c", "a"])
    assert posteriors.shape == (2, 6, VOCABULARY) and lengths.tolist() == [6, 4]
    for row, name in enumerate("ca"):
        expected, mean = outputs(name)
        # Half precision has eleven bits.
        assert torch.allclose(posteriors[row, : LENGTHS[name]], expected, rtol=2**-10)
        assert torch.equal(pooled[row], mean)
    assert not posteriors[1, 4:].any()


def test_all_sizes_are_as_small_as_said(tmp_path):
    write(tmp_path)
    assert (tmp_path / "posteriors.bin").stat().st_size == 11 * VOCABULARY * 2
    assert (tmp_path / "pooled.bin").stat().st_size == 3 * WIDTH * 4


def test_the_most_probable_tokens_and_an_even_rest(tmp_path):
    write(tmp_path, top=3)
    posteriors, _, _, _ = OutputStore(tmp_path, MADE_OF).read(["c"])
    expected, _ = outputs("c")
    values, tokens = expected.topk(3)
    assert torch.allclose(posteriors[0].gather(1, tokens), values, rtol=2**-10)
    assert torch.allclose(posteriors[0].exp().sum(-1), torch.ones(6), atol=1e-2)
    rest = posteriors[0].clone().scatter_(1, tokens, float("nan"))
    for row in rest:
        others = row[~row.isnan()]
        assert len(others) == 4 and others.max() == others.min()


def test_expanding_everything_is_the_identity():
    expected, _ = outputs("c")
    values, tokens = expected.topk(VOCABULARY)
    assert torch.equal(expand_top(values, tokens, VOCABULARY), expected)


@pytest.mark.parametrize("cut", ["posteriors.bin", "index.tsv", None])
def test_an_interrupted_writing_goes_on(tmp_path, cut):
    write(tmp_path / "whole")
    write(tmp_path / "half", "ab", finish=False)
    if cut is not None:  # a kill in the middle of the next utterance
        with open(tmp_path / "half" / cut, "ab") as stream:
            stream.write(b"c\t6")
    writer = StoreWriter(tmp_path / "half", MADE_OF, VOCABULARY, WIDTH)
    assert list(writer.entries) == ["a", "b"]
    writer.add("c", *outputs("c"))
    writer.finish(seconds=1.5)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "half" / path.name).read_bytes()


@pytest.mark.parametrize("lost", ["meta.json", "posteriors.bin", "pooled.bin"])
def test_what_a_power_cut_has_left_is_made_again(tmp_path, lost):
    """Outputs of nobody knows which inputs, or zeros, must not be taken over."""
    write(tmp_path / "whole")
    write(tmp_path / "half", "ab", finish=False)
    if lost == "meta.json":
        (tmp_path / "half" / lost).unlink()
    else:
        (tmp_path / "half" / lost).write_bytes(b"")
    writer = StoreWriter(tmp_path / "half", MADE_OF, VOCABULARY, WIDTH)
    assert not writer.entries
    for name in "abc":
        writer.add(name, *outputs(name))
    writer.finish(seconds=1.5)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "half" / path.name).read_bytes()


def test_an_unfinished_store_is_not_read(tmp_path):
    write(tmp_path, finish=False)
    with pytest.raises(UserError, match="done.json is missing"):
        OutputStore(tmp_path, MADE_OF)


def test_a_stale_store_is_noticed(tmp_path):
    write(tmp_path)
    other = {**MADE_OF, "data": "new"}
    with pytest.raises(UserError, match="different inputs: data .was .*delete the"):
        OutputStore(tmp_path, other)
    with pytest.raises(UserError, match="different inputs: data"):
        StoreWriter(tmp_path, other, VOCABULARY, WIDTH)
    with pytest.raises(UserError, match="different inputs: top"):
        StoreWriter(tmp_path, MADE_OF, VOCABULARY, WIDTH, top=2)


def test_damage_is_noticed(tmp_path):
    write(tmp_path)
    path = tmp_path / "posteriors.bin"
    content = bytearray(path.read_bytes())
    content[3] ^= 1  # a bit of the first utterance
    path.write_bytes(content)
    store = OutputStore(tmp_path, MADE_OF)
    with pytest.raises(UserError, match="the data of a is damaged"):
        store.read(["b", "a"])
    store.read(["b", "c"])
    path.write_bytes(content[:-1])
    with pytest.raises(UserError, match="153 bytes, not 154"):
        OutputStore(tmp_path, MADE_OF)


@pytest.mark.parametrize("line", [b"c\t6\n", b"c\tsix\t5\t1\n", b"\xff\t6\t5\t1\n"])
def test_a_damaged_index_is_named(tmp_path, line):
    write(tmp_path, "ab")
    with open(tmp_path / "index.tsv", "ab") as stream:
        stream.write(line)
    with pytest.raises(UserError, match="index.tsv is damaged .*delete"):
        OutputStore(tmp_path, MADE_OF)


def test_utterances_that_are_not_there(tmp_path):
    write(tmp_path, "ab")
    with pytest.raises(UserError, match="does not hold c"):
        OutputStore(tmp_path, MADE_OF).read(["a", "c"])


def test_outputs_that_are_no_numbers_are_refused(tmp_path):
    writer = StoreWriter(tmp_path, MADE_OF, VOCABULARY, WIDTH)
    posteriors, pooled = outputs("a")
    posteriors[0, 0] = float("nan")
    with pytest.raises(UserError, match="outputs for a are not finite"):
        writer.add("a", posteriors, pooled)
    # Impossible tokens are as good as very improbable ones.
    with pytest.raises(UserError, match="top 9"):
        StoreWriter(tmp_path / "b", MADE_OF, VOCABULARY, WIDTH, top=9)


def test_a_refused_write_is_named_and_what_is_written_stays(tmp_path):
    folder, later = tmp_path / "store", tmp_path / "later"
    writer = write(folder, "a", finish=False)
    # The file with the outputs may grow by half of what is to come.
    written = (folder / "posteriors.bin").stat().st_size
    limit = written + LENGTHS["c"] * VOCABULARY
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(UserError, match="cannot write .*File too large.*Free some"):
            writer.add("c", *outputs("c"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    shutil.copytree(folder, later)  # what another process finds
    write(later, "c")
    store = OutputStore(later, MADE_OF)
    assert store.names == ["a", "c"]
    posteriors, _, lengths, _ = store.read(["a", "c"])
    assert lengths.tolist() == [4, 6]
    assert torch.allclose(posteriors[1], outputs("c")[0], rtol=2**-10)


def test_values_are_little_endian_half_precision(tmp_path):
    write(tmp_path, "a")
    raw = np.frombuffer((tmp_path / "posteriors.bin").read_bytes(), dtype="<f2")
    assert np.array_equal(raw, outputs("a")[0].numpy().astype("<f2").ravel())


@pytest.mark.parametrize("top", [0, 3])
def test_encodings_of_all_frames_are_kept_where_asked_for(tmp_path, top):
    write(tmp_path, "abc", top=top, encodings=True)
    # In half precision, one utterance after the other, as in the index.
    raw = np.frombuffer((tmp_path / "encodings.bin").read_bytes(), dtype="<f2")
    whole = torch.cat([encoding(name) for name in "abc"]).numpy().astype("<f2")
    assert np.array_equal(raw, whole.ravel())
    store = OutputStore(tmp_path, MADE_OF)
    assert store.has_encodings
    read = store.read(["b", "c"])
    assert read.encodings.shape == (2, 6, WIDTH) and read.encodings.dtype == torch.float
    assert torch.equal(read.encodings[0, :1], encoding("b").half().float())
    assert torch.equal(read.encodings[1], encoding("c").half().float())
    assert not read.encodings[0, 1:].any()
    # The rest is what it is without them.
    write(tmp_path / "other", "abc", top=top)
    other = OutputStore(tmp_path / "other").read(["b", "c"])
    assert other.encodings is None and not (tmp_path / "other/encodings.bin").exists()
    for name in ("log_posteriors", "pooled", "lengths"):
        assert torch.equal(getattr(read, name), getattr(other, name)), name
    assert store.digest != OutputStore(tmp_path / "other").digest


def test_an_interrupted_store_of_encodings_goes_on_with_them(tmp_path):
    write(tmp_path / "whole", encodings=True)
    write(tmp_path / "half", "ab", finish=False, encodings=True)
    with open(tmp_path / "half/encodings.bin", "ab") as stream:
        stream.write(b"c\t6")
    # Also for a training that does without them.
    write(tmp_path / "half", "c")
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "half" / path.name).read_bytes()


def test_encodings_are_not_added_to_a_store_that_was_begun_without(tmp_path):
    write(tmp_path, "ab", finish=False)
    refused = (
        "different inputs: content .was mean encodings, is encodings of every frame"
    )
    with pytest.raises(UserError, match=refused):
        StoreWriter(tmp_path, MADE_OF, VOCABULARY, WIDTH, encodings=True)


def test_damaged_encodings_are_noticed(tmp_path):
    write(tmp_path, encodings=True)
    path = tmp_path / "encodings.bin"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # a bit of the last utterance
    path.write_bytes(content)
    store = OutputStore(tmp_path, MADE_OF)
    store.read(["a", "b"])
    with pytest.raises(UserError, match="the data of c is damaged"):
        store.read(["b", "c"])
    path.write_bytes(content[:-2])
    with pytest.raises(UserError, match="encodings.bin is damaged: 64 bytes, not 66"):
        OutputStore(tmp_path, MADE_OF)


def test_encodings_beyond_half_precision_are_refused(tmp_path):
    writer = StoreWriter(tmp_path, MADE_OF, VOCABULARY, WIDTH, encodings=True)
    large = encoding("a")
    large[1, 1] = 7e4
    with pytest.raises(UserError, match="encodings of a are beyond half precision"):
        writer.add("a", *outputs("a"), large)
    assert not writer.entries


def test_a_folder_of_something_else_is_refused(tmp_path):
    store, model, files = (tmp_path / name for name in ("store", "model", "files"))
    check_folder(store)  # will be made
    store.mkdir()
    (store / ".lock").touch()
    check_folder(store)
    write(store, finish=False)
    check_folder(store)
    (store / "meta.json").unlink()
    check_folder(store)
    for folder, name in ((model, "meta.json"), (files, "wav.scp")):
        folder.mkdir()
        (folder / name).write_text("{}")
        with pytest.raises(UserError, match=f"{folder}: holds .*{name}.*auto"):
            check_folder(folder)

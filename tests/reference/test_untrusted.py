"""Models of strangers: refused with file and place, nothing run, nothing unpacked.

What archives, pickles and paths may not do is in test_importing.py and
tests/checkpoints/test_load.py; here is what announces more than it holds, or says a
thing twice. All samples are harmless.
"""

import pickle
import shutil
import zipfile

import numpy as np
import pytest
import torch
import yaml

from espnet_plugin.bin import recognise
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.reference.importing import import_reference
from espnet_plugin.yaml_files import parse_yaml, read_yaml

NAME = "valid.cer_ctc.ave.pth"
RAN = []


def note(what):
    RAN.append(what)


class Trap:
    """Notes it when it is unpickled."""

    def __reduce__(self):
        return note, ("unpickled",)


@pytest.fixture(autouse=True)
def nothing_ran():
    RAN.clear()
    yield
    assert RAN == []


@pytest.fixture
def model(tiny_asr_model, tmp_path):
    """An experiment's folder to change at will."""
    folder = tmp_path / "theirs"
    shutil.copytree(tiny_asr_model.dir, folder)
    return folder


def change_config(folder, change):
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))


def assert_refused(folder, *says):
    """By import and by recognition; both name the file and say what is wrong."""
    target = folder.parent / "exp/asr_reference"
    with pytest.raises(UserError) as error:
        import_reference(folder, target)
    assert all(one in str(error.value) for one in says), error.value
    assert not target.exists()
    assert not [path for path in target.parent.glob("*")]


LAUGHS = "".join(
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    ]
)


@pytest.mark.parametrize(
    "text, says",
    [
        ("x: !!python/object/apply:test_untrusted.note [yaml]", "could not determine"),
        ("x: !!python/name:os.system", "could not determine"),
        ("x: !!python/module:os", "could not determine"),
        (LAUGHS, "its aliases expand to 1234567901233 values"),
        ("x: &x [1, *x]", "its aliases expand"),
        ("x: " + "[" * 1200, "nested too deeply"),
        ("x: 9" + "9" * 5000, "digits"),
        ("x: !!int ''", "index out of range"),
        ("x: !!bool perhaps", "perhaps"),
        ("x: !!timestamp never", "NoneType"),
        ("x: 2026-99-99", "month must be"),
        ("? [a, b]\n: c", "unhashable"),
        ("x: \x07", "special characters"),
        ("x: [1", "line 1"),
    ],
)
def test_yaml(model, text, says):
    with pytest.raises(ValueError, match=".") as error:
        parse_yaml(text)
    assert says in str(error.value) and "\n" not in str(error.value)
    path = model / "config.yaml"
    for whole in (text, f"{path.read_text()}\n{text}\n"):
        path.write_text(whole)
        with pytest.raises(UserError, match=f"--config {path} is not YAML"):
            read_yaml(path)
        assert_refused(model, f"configuration {path} cannot be read")


def test_an_alias_alone_is_fine(tmp_path):
    path = tmp_path / "conf.yaml"
    path.write_text("a: &a {b: [1, 2]}\nc: *a\nd: [*a, *a]\n")
    inner = {"b": [1, 2]}
    assert read_yaml(path) == {"a": inner, "c": inner, "d": [inner, inner]}


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[" * 10**5, b"9" * 5000, b"{", b"\0" * 100]
)
def test_json(tmp_path, content):
    path = tmp_path / "meta.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path} is not JSON"):
        read_json(path)


@pytest.mark.parametrize(
    "conf, key, value",
    [
        ("encoder_conf", "num_blocks", 10**9),
        ("encoder_conf", "output_size", 10**12),
        ("encoder_conf", "linear_units", 10**12),
        ("encoder_conf", "cnn_module_kernel", 10**12 + 1),
        ("decoder_conf", "num_blocks", 10**9),
    ],
)
def test_a_model_larger_than_its_checkpoint(model, conf, key, value):
    change_config(model, lambda config: config[conf].update({key: value}))
    says = f"{conf}.{key}: {value} belongs to a far larger model"
    assert_refused(model, str(model / "config.yaml"), says, "of the same training")
    with pytest.raises(UserError, match=says):
        load_asr_model(model / "config.yaml", model / NAME)


def test_a_layer_larger_than_its_checkpoint(model):
    sizes = {"output_size": 90000, "linear_units": 90000}
    change_config(model, lambda config: config["encoder_conf"].update(sizes))
    assert_refused(
        model, "encoder_conf: a layer of 8100000000 weights", "of the same training"
    )


def deflated(path, member, size):
    """Put compressed zeros in the place of a member of a zip file."""
    with zipfile.ZipFile(path) as old:
        content = {one.filename: old.read(one) for one in old.infolist()}
    name = next(one for one in content if one.endswith(member))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for one, data in content.items():
            new.writestr(one, bytes(size) if one == name else data)
    return name


def test_compressed_zeros_in_a_checkpoint(model):
    name = deflated(model / NAME, "data/0", 100 * 2**20)
    says = f"checkpoint {model / NAME} has"
    assert_refused(model, says, f"({name}: {100 * 2**20}); do not trust this file")


def test_compressed_zeros_in_statistics(model):
    stats = model / "feats_stats.npz"
    with open(model / "big.npy", "wb") as stream:
        np.save(stream, np.zeros(100 * 2**20, dtype="u1"))
    with zipfile.ZipFile(stats, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in ("count", "sum", "sum_square"):
            opened.write(model / "big.npy", f"{name}.npy")
    change_config(
        model, lambda config: config.update(normalize_conf={"stats_file": str(stats)})
    )
    assert_refused(model, f"statistics {stats} has", "count.npy: 104857")


def test_an_array_that_announces_more_than_there_is(model):
    stats = model / "feats_stats.npz"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(stats, "w") as opened:
        for name in ("count", "sum", "sum_square"):
            opened.writestr(f"{name}.npy", array)
    change_config(
        model, lambda config: config.update(normalize_conf={"stats_file": str(stats)})
    )
    assert_refused(model, f"statistics {stats} cannot be read")


def test_a_sparse_tensor_of_an_enormous_shape(model):
    state = torch.load(model / NAME, weights_only=True)
    indices = torch.zeros((2, 0), dtype=torch.long)
    shape = (10**6, 10**5)
    state["ctc.ctc_lo.weight"] = torch.sparse_coo_tensor(indices, torch.ones(0), shape)
    torch.save(state, model / NAME)
    assert_refused(
        model, f"{model / NAME}: ctc.ctc_lo.weight is a sparse tensor of shape {shape}"
    )
    # As files of this plugin have them.
    state["ctc.ctc_lo.weight"] = torch.eye(30)[:, :16].to_sparse()
    torch.save(state, model / NAME)
    read = read_checkpoint(model / NAME)["ctc.ctc_lo.weight"]
    assert torch.equal(read, torch.eye(30)[:, :16])


def test_a_view_of_an_enormous_shape(model):
    """A stride of zero repeats one value: the file is small, the shape is not."""
    state = torch.load(model / NAME, weights_only=True)
    state["ctc.ctc_lo.bias"] = torch.zeros(1).expand(10**12)
    torch.save(state, model / NAME)
    assert_refused(model, str(model / NAME))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickles_under_every_name(model, protocol, caplog):
    """What is called .pth, .npz or YAML and is a pickle runs nowhere."""
    content = pickle.dumps(Trap(), protocol)
    for name in (NAME, "feats_stats.npz", "config.yaml"):
        kept = (model / name).read_bytes()
        (model / name).write_bytes(content)
        change = {"normalize_conf": {"stats_file": str(model / "feats_stats.npz")}}
        if name != "config.yaml":
            change_config(model, lambda config: config.update(change))
        assert_refused(model, str(model / name))
        assert recognise.main([str(model), str(model / "a.wav")]) == 2
        (model / name).write_bytes(kept)


def test_a_member_that_is_there_twice(model, tmp_path):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for one in ("config.yaml", NAME, "tokens.txt"):
            opened.write(model / one, one)
        with pytest.warns(UserWarning, match="Duplicate name"):
            opened.write(model / "config.yaml", "config.yaml")
    with pytest.raises(UserError, match=r"model.zip: member 'config.yaml' is in it tw"):
        import_reference(path, tmp_path / "exp/asr_reference")
    # Under another spelling of the same place.
    with zipfile.ZipFile(path, "w") as opened:
        opened.write(model / "config.yaml", "config.yaml")
        opened.writestr(zipfile.ZipInfo("./config.yaml"), "encoder: conformer")
    with pytest.raises(UserError, match=r"model.zip: member './config.yaml' is in it"):
        import_reference(path, tmp_path / "exp/asr_reference")
    assert not (tmp_path / "exp/asr_reference").exists()


def test_a_member_that_is_file_and_folder(model, tmp_path):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.write(model / "config.yaml", "config.yaml")
        opened.writestr("config.yaml/more", "x")
    with pytest.raises(UserError, match="model.zip cannot be unpacked"):
        import_reference(path, tmp_path / "exp/asr_reference")


def test_a_link_that_leads_to_itself(model):
    (model / NAME).unlink()
    (model / NAME).symlink_to(NAME)
    (model / "config.yaml").unlink()
    (model / "config.yaml").symlink_to("config.yaml")
    assert_refused(model, "config.yaml")
    assert recognise.main([str(model), str(model / "a.wav")]) == 2


@pytest.mark.parametrize(
    "key, value",
    [
        ("token_list", 7), ("token_list", [1, 2]), ("token_list", {"a": 1}),
        ("token_list", []), ("token_list", None), ("token_list", "/etc"),
        ("encoder", 7), ("encoder", ["conformer"]), ("encoder", "os.system"),
        ("encoder_conf", {"output_size": "many"}), ("encoder_conf", {1: 2}),
        ("encoder_conf", {"output_size": -16}), ("encoder_conf", {"output_size": 0}),
        ("encoder_conf", {"num_blocks": -1}), ("encoder_conf", {"__class__": "x"}),
        ("frontend", 7), ("frontend_conf", 7), ("frontend_conf", {"fs": "loud"}),
        ("frontend_conf", {"n_fft": -1}), ("normalize", "no_such"),
        ("normalize_conf", []), ("normalize_conf", {"stats_file": 7}),
        ("specaug_conf", {"no": 1}), ("model_conf", {"ctc_weight": "all"}),
        ("model_conf", {"no_such": 1}), ("ctc_conf", {"ctc_type": "none"}),
        ("model", 7), ("token_type", 7), ("bpemodel", 7), ("input_size", "wide"),
    ],
)  # fmt: skip
def test_odd_values(model, key, value):
    """A clear error that names the file, whatever ESPnet makes of it."""

    def change(config):
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            config[key].update(value)
        else:
            config[key] = value

    change_config(model, change)
    assert_refused(model, str(model))

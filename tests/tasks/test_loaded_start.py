"""A student that starts from another model than its teacher, by ESPnet's init_param."""

import pytest
import tiny_encrl
import torch
from espnet2.torch_utils.load_pretrained_model import load_pretrained_model

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.encrl import EncRLTask
from espnet_plugin.tasks.named_weights import loaded_names


def start(model, *parts):
    """Return the options that load parts of a model into a student of random layers."""
    return (
        *("--student_init", "random", "--student_num_layers", "2"),
        *("--init_param", ":".join([str(model.checkpoint), *parts])),
        *("--ignore_init_mismatch", "true"),
    )


@pytest.mark.parametrize(
    "parts",
    [(), ("encoder", "encoder"), ("", "", "encoder.encoders.1,ctc"), ("ctc", "ctc")],
)
def test_the_names_are_those_that_espnet_loads(tiny_asr_model, tmp_path, parts):
    model, args = tiny_encrl.build(
        tiny_asr_model, tmp_path, *start(tiny_asr_model, *parts)
    )
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(77)
    load_pretrained_model(args.init_param[0], model, ignore_init_mismatch=True)
    filled = {
        name
        for name, tensor in model.state_dict().items()
        if not torch.equal(tensor, torch.full_like(tensor, 77))
    }
    assert filled and loaded_names(args.init_param, model) == filled


def test_a_loaded_front_end_may_be_frozen(tiny_asr_model, tmp_path):
    options = (*start(tiny_asr_model), "--freeze_param", "encoder.embed")
    args = tiny_encrl.options(tiny_asr_model, tmp_path, *options)
    EncRLTask.main(cmd=[*args, "--max_epoch", "1"])
    before = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    after = torch.load(tmp_path / "1epoch.pth", weights_only=True)
    changed = {n for n in after if n in before and not torch.equal(after[n], before[n])}
    assert any(name.startswith("encoder.encoders.0") for name in changed)
    assert not any(name.startswith("encoder.embed") for name in changed)


def test_what_is_not_loaded_may_not_be_frozen(tiny_asr_model, tmp_path):
    options = (*start(tiny_asr_model, "ctc", "ctc"), "--freeze_param", "encoder.embed")
    with pytest.raises(UserError, match="encoder.embed: encoder.embed.* keep random"):
        tiny_encrl.build(tiny_asr_model, tmp_path, *options)
    lost = (*options[:-2], "--init_param", "none.pth")
    with pytest.raises(UserError, match="init_param none.pth: .* does not exist"):
        tiny_encrl.build(tiny_asr_model, tmp_path, *lost)

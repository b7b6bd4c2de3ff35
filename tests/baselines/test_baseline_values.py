"""Values of a method's options are checked when the file is read."""

import pytest
import yaml

from espnet_plugin.baselines.config import read_baseline
from espnet_plugin.errors import UserError


@pytest.mark.parametrize(
    "method, options, says",
    [
        ("ctc_kd", {"temperature": -1.0}, "temperature -1.0: must be above 0"),
        ("ctc_kd", {"kl_weight": 0.0}, "kl_weight 0.0"),
        ("ctc_kd", {"blank_weight": -0.5}, "blank_weight -0.5"),
        ("ctc_kd", {"student_init": "best"}, "student_init 'best'.*spaced"),
        ("early_exit", {"layers": "best"}, "layers 'best'.*random, first"),
        ("early_exit", {"interctc_weight": 1.5}, "interctc_weight 1.5"),
        ("layer_copy", {"layers": "random"}, "layers 'random'.*first, last"),
        ("layer_prune", {"max_utterances": 0}, "max_utterances 0"),
        ("magnitude", {"amounts": [0.2, 1.0]}, "amounts 1.0"),
        ("magnitude", {"amounts": ["half"]}, r"amounts \['half'\]"),
        ("magnitude", {"begin": 0.7}, "begin 0.7, end 0.6"),
        ("magnitude", {"every": 0}, "every 0"),
        ("gates", {"eta": {6: "x"}}, "eta .*that of 6 is 'x'"),
        ("gates", {"eta": {6: -1.0}}, "eta .*that of 6 is -1.0"),
        ("gates", {"threshold": -1.0}, "threshold -1.0"),
    ],
)
def test_a_value_out_of_range(tmp_path, method, options, says):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"method": method, "options": options}))
    with pytest.raises(UserError, match=f"mine.yaml.*{says}"):
        read_baseline(file)


def test_numbers_that_yaml_reads_as_text(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("method: gates\noptions: {eta: {6: 2e-5}}\n")
    assert float(read_baseline(file).options.eta[6]) == 2e-5

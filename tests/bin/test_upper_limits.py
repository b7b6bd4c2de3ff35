"""Numbers that no run could want, refused by the parser."""

import pytest

from espnet_plugin.bin import estimate, score


@pytest.mark.parametrize(
    "command, option, largest, needed",
    [
        (
            score,
            "--resamples",
            10**6,
            ["--ref", "a", "--hyp", "b", "--output_dir", "c"],
        ),
        (
            estimate,
            "--finished",
            10,
            [
                *("--reference_config", "a", "--encrl_config", "b"),
                *("--finetune_config", "c"),
            ],
        ),
    ],
)
def test_a_number_above_the_largest_is_refused(
    command, option, largest, needed, capsys
):
    parser = command.get_parser()
    parser.parse_args([*needed, option, str(largest)])
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([*needed, option, str(largest + 1)])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and f"from 1 to {largest}" in said and option in said

"""The values of all rows are checked before the first one is trained."""

import pytest

from espnet_plugin.bin import dual_mode_train

CONFIG = """
encoder: dual_mode_conformer
encoder_conf: {output_size: 16, attention_heads: 4, linear_units: 32, num_blocks: 2}
optim: adamw
optim_conf: {lr: 0.001}
"""


@pytest.mark.parametrize(
    "changes, says",
    [
        ("encoder_conf: {attention_heads: 3}", "attention_heads 3"),
        ("encoder_conf: {pruning: {sparsity: 1.5}}", "sparsity"),
        ("encoder_conf: {chunk_frame: 4}", "chunk_frame; did you mean chunk_frames"),
        ("optim_conf: {lrr: 1}", "lrr; did you mean lr"),
        ("accum_grad: 0", "accum_grad 0"),
    ],
)
def test_a_wrong_value_of_the_second_row(tmp_path, caplog, changes, says):
    (tmp_path / "train.yaml").write_text(CONFIG)
    (tmp_path / "first.yaml").write_text("changes: {max_epoch: 1}\n")
    (tmp_path / "second.yaml").write_text(f"changes:\n    {changes}\n")
    cmd = ["--config", str(tmp_path / "train.yaml"), "--exp_dir", f"{tmp_path}/exp"]
    cmd += ["--rows", f"{tmp_path}/first.yaml", f"{tmp_path}/second.yaml"]
    assert dual_mode_train.main(cmd) == 2
    assert f"{tmp_path}/second.yaml" in caplog.text and says in caplog.text
    assert not (tmp_path / "exp").exists()

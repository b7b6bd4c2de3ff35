"""Which models stage 10 exports."""

from types import SimpleNamespace

from espnet_plugin.recipe.stages import models


class Runner:
    """Notes commands and says that they were successful."""

    def __init__(self):
        self.called = []

    def python(self, name, *words):
        return [name, *words]

    def status_of(self, command):
        self.called.append(command)
        return 0


def test_a_model_that_is_named_again_is_exported_once(tmp_path, monkeypatch):
    """--export_models can name one of the students."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    given = ["exp/b", "exp/a", "./exp/a/", str(tmp_path / "elsewhere/exp/b"), "exp/c"]
    options = SimpleNamespace(export_opts="", export_targets=("onnx", "sherpa-onnx"))
    runner = Runner()
    models.export(options, given, ["--dev", "dev"], runner)
    for command, target in zip(runner.called, options.export_targets, strict=True):
        assert command[:6] == ["export", "exp/b", "exp/a", "exp/c", "--target", target]

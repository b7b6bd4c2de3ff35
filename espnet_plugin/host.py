"""The only module that knows which ESPnet this is, and registers with it."""

from espnet2.tasks.asr import encoder_choices, model_choices

__all__ = ["DUAL_MODE", "DUAL_MODE_MODEL", "ENCRL", "PRUNED", "register"]

ENCRL = "encrl"  # ESPnet's registries take lower-case names only
PRUNED = "pruned"
DUAL_MODE = "dual_mode_conformer"  # an encoder
DUAL_MODE_MODEL = "dual_mode"


def register() -> None:
    """Make this plugin's classes known to ESPnet's ASR task; safe to call twice.

    ESPnet has no entry points: its registries are dictionaries, read when a parser is
    built. So this is called where our task modules are imported, which also happens
    when a spawned rank un-pickles a task.
    """
    from espnet_plugin.distill.model import ESPnetEncRLModel
    from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
    from espnet_plugin.dual_mode.model import ESPnetDualModeModel
    from espnet_plugin.pruning.model import ESPnetPrunedModel

    encoder_choices.classes[DUAL_MODE] = DualModeConformerEncoder
    model_choices.classes[ENCRL] = ESPnetEncRLModel
    model_choices.classes[PRUNED] = ESPnetPrunedModel
    model_choices.classes[DUAL_MODE_MODEL] = ESPnetDualModeModel

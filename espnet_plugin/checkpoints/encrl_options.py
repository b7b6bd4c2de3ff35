"""Options and tensors that an EncRL model has and a stock ESPnet model has not."""

__all__ = ["CONFIGURED", "DERIVED", "NAMED", "TRAINING_TENSORS"]

# Options of model_conf that a configuration of EncRL may set.
CONFIGURED = (
    "objectives",
    "ctc_loss_weight",
    "exit_weights",
    "consistency",
    "self_distillation",
    "fading",
)

# Options that follow from the reference; they are written to the configuration.
DERIVED = ("teacher_dim", "resample_targets")

# Options of a training that ESPnet's own task starts.
NAMED = ("reference_config", "reference_model_file", "student_init", "student_layers")

# Tensors of the training alone, by the beginnings of their names.
TRAINING_TENSORS = ("objectives.", "consistency.", "self_distillation.", "fading.")

"""In which precision a model computes."""

import torch


def product_dtypes(model, run):
    """Return the dtypes that a model's linear layers gave out while it ran."""
    seen = {}

    def note(name):
        def hook(layer, inputs, output):
            seen[name] = output.dtype

        return hook

    hooks = [
        layer.register_forward_hook(note(name))
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    run()
    for hook in hooks:
        hook.remove()
    return seen

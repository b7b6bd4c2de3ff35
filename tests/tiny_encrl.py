"""A tiny EncRL training: its options, its model, a batch for it."""

import torch

from espnet_plugin.tasks.encrl import EncRLTask


def options(reference, folder, *more):
    """Return the options of a short training of two layers."""
    data = f"{reference.wav_scp},speech,sound"
    text = f"{reference.text},text,text"
    shape = reference.data_dir / "utt2num_samples"
    return [
        *("--reference_config", str(reference.config)),
        *("--reference_model_file", str(reference.checkpoint)),
        *("--student_num_layers", "2", "--output_dir", str(folder)),
        *("--train_data_path_and_name_and_type", data),
        *("--train_data_path_and_name_and_type", text),
        *("--valid_data_path_and_name_and_type", data),
        *("--valid_data_path_and_name_and_type", text),
        *("--train_shape_file", str(shape), "--valid_shape_file", str(shape)),
        *("--batch_type", "unsorted", "--batch_size", "3", "--max_epoch", "2"),
        *("--num_workers", "0", "--optim", "adamw", "--optim_conf", "lr=0.01"),
        *("--num_att_plot", "0", "--keep_nbest_models", "1"),
        *("--use_matplotlib", "false", "--use_tensorboard", "false"),
        *more,
    ]


def build(reference, folder, *more):
    """Build the student with its teacher; return it and the task's arguments."""
    args = EncRLTask.get_parser().parse_args(options(reference, folder, *more))
    model = EncRLTask.build_model(args)
    if args.teacher_cache:  # filled before ESPnet builds the optimisers
        EncRLTask.build_optimizers(args, model)
    return model, args


def batch():
    """Return three utterances of noise, ``(3, 16000)``, and their lengths."""
    generator = torch.Generator().manual_seed(5)
    speech = 0.1 * torch.randn(3, 16000, generator=generator)
    return speech, torch.tensor([16000, 12000, 9000])

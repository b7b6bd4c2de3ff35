"""The keys of training configurations, checked before the first stage.

ESPnet refuses an unknown key when the training that uses it starts, which may be hours
later. Its parser takes many seconds to import, so the keys are listed here.
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Mapping

from espnet_plugin.errors import UserError
from espnet_plugin.suggest import did_you_mean
from espnet_plugin.yaml_files import read_yaml

__all__ = [
    "ASR",
    "DUAL_MODE",
    "ENCRL",
    "LM",
    "PRUNED",
    "check_baseline_keys",
    "check_keys",
]

# ESPnet's ASR training, with the options that this plugin adds to all of its trainings.
ASR = frozenset("""
    accum_grad adapter adapter_conf allow_multi_rates allow_variable_data_keys
    aux_ctc_tasks batch_bins batch_size batch_type best_model_criterion bpemodel
    category_sample_size category_upsampling_factor chunk_default_fs
    chunk_discard_short_samples chunk_excluded_key_prefixes chunk_length
    chunk_max_abs_length chunk_shift_ratio cleaner collect_stats config
    create_graph_in_tensorboard ctc_conf ctc_start cudnn_benchmark cudnn_deterministic
    cudnn_enabled data_selection_conf dataset_scaling_factor dataset_upsampling_factor
    ddp_comm_hook decoder decoder_conf deepspeed_config detect_anomaly dist_backend
    dist_init_method dist_launcher dist_master_addr dist_master_port dist_rank
    dist_world_size drop_last_iter dry_run early_stopping_criterion encoder encoder_conf
    exclude_weight_decay exclude_weight_decay_conf fold_length freeze_param frontend
    frontend_conf g2p grad_clip grad_clip_type grad_noise gradient_as_bucket_view
    ignore_init_mismatch init init_param input_size iterator_type joint_net_conf
    keep_nbest_models local_rank log_interval log_level max_batch_size max_cache_fd
    max_cache_size max_epoch min_batch_size model model_conf multi_task_dataset
    multiple_iterator multiprocessing_distributed nbest_averaging_interval ngpu
    no_forward_run noise_apply_prob noise_db_range noise_scp non_linguistic_symbols
    normalize normalize_conf num_att_plot num_cache_chunks num_iters_per_epoch
    num_workers on_plateau optim optim_conf output_dir patience postencoder
    postencoder_conf preencoder preencoder_conf preprocessor preprocessor_conf
    pretrain_path print_config resume rir_apply_prob rir_scp save_strategy scheduler
    scheduler_conf seed sharded_ddp short_noise_thres shuffle_within_batch sort_batch
    sort_in_batch specaug specaug_conf speech_volume_normalize token_list token_type
    train_data_path_and_name_and_type train_dtype train_shape_file unused_parameters
    upsampling_factor use_adapter use_amp use_deepspeed use_lang_prompt use_matplotlib
    use_nlp_prompt use_preprocessor use_tensorboard use_tf32 use_wandb
    val_scheduler_criterion valid_batch_bins valid_batch_size valid_batch_type
    valid_data_path_and_name_and_type valid_iterator_type valid_max_cache_size
    valid_shape_file wandb_allow_val_change wandb_entity wandb_id
    wandb_model_log_interval wandb_name wandb_project write_collected_feats
    """.split())
_TEACHER = frozenset("""
    reference_config reference_model_file teacher_cache teacher_cache_top
    """.split())
ENCRL = ASR | _TEACHER | frozenset("""
    objectives student_dtype student_encoder student_encoder_conf student_exits
    student_frontend student_frontend_conf student_init student_layers
    student_linear_units student_num_layers student_output_size teacher_dtype
    """.split())
DUAL_MODE = ASR | _TEACHER | frozenset("""
    reference_layers start_from start_masks start_whole
    """.split())
# A language model; what only recognisers have, ESPnet refuses itself.
LM = ASR | {"lm", "lm_conf"}
PRUNED = ASR | frozenset("""
    dense_model_file pruner pruner_conf pruner_nonzero pruner_without
    """.split())
# Where later versions of ESPnet declare options.
_DECLARED = ("tasks/abs_task.py", "tasks/asr.py")


def check_keys(
    file: str, option: str, keys: frozenset[str] = ASR, content: Any = None
) -> None:
    """Check that ESPnet knows all keys of a training configuration.

    Args:
        file: The configuration.
        option: What names it, for messages.
        keys: Known keys.
        content: What it holds; None: it is read.

    Raises:
        UserError: Naming the first unknown key, and the one that is spelt alike.
    """
    if content is None:
        content = read_yaml(file, option)
    for key in content if isinstance(content, Mapping) else ():
        if key in keys or _is_declared(str(key)):
            continue
        near = did_you_mean(str(key), keys)
        way_out = near or ": remove it, or correct its spelling"
        raise UserError(f"{option} {file}: ESPnet has no option {key}{way_out}")


def _is_declared(key: str) -> bool:
    """Return whether the installed ESPnet declares an option that is not listed."""
    spec = find_spec("espnet2")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    name = re.compile(rf'"(--{re.escape(key)}|{re.escape(key.removesuffix("_conf"))})"')
    for file in (Path(folder, name) for folder in folders for name in _DECLARED):
        if file.is_file() and name.search(file.read_text(encoding="utf-8")):
            return True
    return False


def check_baseline_keys(file: Path, training: str = "") -> None:
    """Check the training configuration of a baseline, and what replaces parts of it.

    Args:
        file: The baseline's configuration.
        training: Training configuration that is used instead of the baseline's.

    Raises:
        UserError: See :func:`check_keys`.
    """
    content = read_yaml(file, "--baselines")
    conf = content.get("training_conf")
    check_keys(str(file), "training_conf of", PRUNED, conf or {})
    named = content.get("training")
    if isinstance(named, str) and not training:
        check_keys(str(file.parent / named), f"{file}: training", PRUNED)

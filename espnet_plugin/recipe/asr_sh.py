"""Options of ESPnet's ``asr.sh`` that recipes do not have, and what does the same."""

import re
from typing import Collection

__all__ = ["instead_of"]

_CONFIGS = "--reference_config, --encrl_config or --finetune_config"
_STAGES = "choose the stages with --stage and --stop_stage"
_SEARCH = "stage 7 decodes with CTC alone, as --decoding says"
_BPE = "a BPE model is trained on the transcripts of --train_set, with --nbpe tokens"
_AS_THEY_ARE = "transcripts are used as they are: change them before stage 2"
_INSTEAD = {
    "asr_config": "the reference's configuration is --reference_config, those of the "
    "small models are --encrl_config and --finetune_config",
    "asr_args": "options of ESPnet are passed on by --encrl_args and --finetune_args; "
    "for the reference, write them into --reference_config",
    "asr_tag": "--tag names the small models, --reference_exp the reference's folder",
    "asr_stats_dir": "the statistics of another recipe are named by --recipe_stats",
    "inference_nj": "the number of decoding processes is --decode_nj",
    "gpu_inference": "decoding uses a GPU with --ngpu 1",
    "inference_asr_model": "the reference's checkpoint is --reference_model_file",
    **dict.fromkeys(
        ("inference_config", "inference_args", "inference_tag", "inference_lm"),
        _SEARCH,
    ),
    **dict.fromkeys(
        ("inference_ngram", "use_lm", "use_ngram", "lm_config", "lm_exp"), _SEARCH
    ),
    **dict.fromkeys(
        ("bpemode", "bpe_train_text", "bpe_nlsyms", "bpe_char_cover"), _BPE
    ),
    "bpe_input_sentence_size": _BPE,
    "nlsyms_txt": "the file of symbols is --nlsyms",
    "lang": "the tokens are made from the transcripts, with --token_type",
    **dict.fromkeys(
        ("skip_data_prep", "skip_train", "skip_eval", "skip_upload", "skip_stages"),
        _STAGES,
    ),
    "skip_upload_hf": _STAGES,
    "download_model": "a model to start from is --reference",
    "pretrained_model": "a model to start from is --reference",
    "local_score_opts": "scoring runs no script of the recipe",
    "cleaner": _AS_THEY_ARE,
    "g2p": _AS_THEY_ARE,
    "feats_normalize": "the normalisation is that of --reference_config",
    "config": f"name one of {_CONFIGS}",
    **dict.fromkeys(
        ("batch_size", "batch_bins", "batch_type", "lr", "accum_grad", "max_epoch"),
        f"it is an option of ESPnet: write it into {_CONFIGS}",
    ),
    **dict.fromkeys(
        ("patience", "optim", "grad_clip", "keep_nbest_models", "use_amp"),
        f"it is an option of ESPnet: write it into {_CONFIGS}",
    ),
    "resume": "a stage that is called again resumes by itself (--stage)",
}


def instead_of(name: str, declared: Collection[str]) -> str:
    """Return what does the same as an option of ``asr.sh``.

    Args:
        name: Name of the option, without dashes.
        declared: Names of the options that the recipe has.

    Returns:
        A sentence; empty if the option is another, or the recipe lacks what the
        sentence names.
    """
    said = _INSTEAD.get(name, "")
    named = re.findall(r"--(\w+)", said)
    return said if all(one in declared for one in named) else ""

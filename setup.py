"""Install the plugin beside ESPnet: ``pip install -e .`` in an ESPnet environment."""

from setuptools import find_packages, setup

setup(
    name="espnet_plugin",
    version="0.1.0",
    description="Small ESPnet speech recognisers from one large trained model",
    license="Apache-2.0",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
    packages=find_packages(include=["espnet_plugin", "espnet_plugin.*"]),
    package_data={
        "espnet_plugin.report": ["page/*"],
        "espnet_plugin.web": ["page/*"],
    },
    # ESPnet 202511 is the last release for Python 3.11 and older. The plugin only
    # imports what that release has as well, but the pair is untested.
    python_requires=">=3.12,<3.14",
    install_requires=[
        "espnet>=202511",
        "torch",
        "torchaudio",
        "sentencepiece",
        "jiwer",
        "pyyaml",
        # ESPnet brings these as well; they are imported here by name.
        "espnet-model-zoo",
        "humanfriendly",
        "numpy",
        "scipy",
        "soundfile",
        # The report's templates.
        "jinja2",
        "markupsafe",
    ],
    extras_require={
        # The synthesised corpus of egs2/mini_synth: espeak-ng as a Python package.
        "demo": ["espeakng-loader"],
        # ESPnet's trainer writes curves with both, and espnet[asr] brings neither.
        "plots": ["matplotlib", "tensorboard"],
        # References with `encoder: whisper` (conf/whisper_reference.yaml).
        "whisper": ["openai-whisper"],
        # To derive a model for a device (bin/export.py); training needs none of it.
        "device": ["onnx", "onnxruntime", "soundfile"],
        # An export for sherpa-onnx is tried in it, if it is there.
        "sherpa": ["sherpa-onnx"],
        # `recognise.py mic` of a streaming export.
        "microphone": ["sounddevice"],
        # make docs; training needs none of it.
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.5,<10"],
        "test": [
            "pytest",
            "pytest-xdist",
            "espeakng-loader",
            "kaldialign",
            "grimp",
            "onnx",
            "onnxruntime",
            # ESPnet's reader of Kaldi archives.
            "omniio",
            "sherpa-onnx",
            "sherpa-onnx-bin",
            "kaldi-native-fbank",
            "openai-whisper",
        ],
    },
)

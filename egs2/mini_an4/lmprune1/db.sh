# Where the corpora are. Empty: the recipe fetches the corpus from its public address. Fill in
# the folder here, or for one call: AN4=/path/to/an4 ./run.sh

AN4=${AN4:-}
LIBRISPEECH=${LIBRISPEECH:-}
LIBRISPEECH_MINI=${LIBRISPEECH_MINI:-}
TEDLIUM2=${TEDLIUM2:-}
TEDLIUM3=${TEDLIUM3:-}

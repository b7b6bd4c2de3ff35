# Commands that a stage's command is passed to. Empty: run on this machine. Each stage is one
# process, so a job of a queue needs one node.
#   train_cmd   CPU work: formatting, statistics, reports
#   cuda_cmd    training
#   decode_cmd  decoding
# On a cluster, one job for each stage (run.sh) or many jobs at once (jobs.sh):
#   cmd_backend=slurm ./run.sh ...                       srun
#   cmd_backend=queue.pl KALDI_UTILS=/espnet/egs2/TEMPLATE/asr1/utils ./run.sh ...
#       Kaldi's scripts, which ESPnet's repository also contains: run.pl, queue.pl, slurm.pl,
#       pbs.pl, ssh.pl, set up by conf/queue.conf and the like

cmd_backend=${cmd_backend:-local}

case ${cmd_backend} in
    local)
        export train_cmd="" cuda_cmd="" decode_cmd=""
        ;;
    slurm)
        export train_cmd="srun --cpus-per-task=4 --mem=16G"
        export cuda_cmd="srun --cpus-per-task=4 --mem=16G --gres=gpu:1"
        export decode_cmd="srun --cpus-per-task=2 --mem=8G"
        ;;
    run.pl | queue.pl | slurm.pl | pbs.pl | ssh.pl)
        PATH=${KALDI_UTILS:+${KALDI_UTILS}:}${PATH}
        if ! command -v "${cmd_backend}" > /dev/null; then
            echo "cmd.sh: ${cmd_backend} is not on PATH: set KALDI_UTILS to its folder" >&2
            return 1
        fi
        # The script's own options may follow, e.g. --mem 16G; ngpu is the recipe's option.
        export train_cmd="${cmd_backend}" decode_cmd="${cmd_backend}"
        export cuda_cmd="${cmd_backend} --gpu ${ngpu:-0}"
        ;;
    *)
        echo "cmd.sh: cmd_backend=${cmd_backend} is unknown: choose local, slurm, run.pl," \
            "queue.pl, slurm.pl, pbs.pl or ssh.pl" >&2
        return 1
        ;;
esac

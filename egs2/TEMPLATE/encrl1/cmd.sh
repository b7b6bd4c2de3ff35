# The words put in front of a stage's command. Empty: run here. Each stage is one process,
# so a job of a queue needs one node.
#   train_cmd   CPU work: formatting, statistics, reports
#   cuda_cmd    training
#   decode_cmd  decoding
# On a cluster: cmd_backend=slurm ./run.sh ...

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
    *)
        echo "cmd.sh: cmd_backend=${cmd_backend} is unknown: choose local or slurm" >&2
        return 1
        ;;
esac

# Sourced by a recipe's table.sh.

# side_by_side JOBS OPTIONS: run.sh with each line of standard input, so many at a time,
# and with OPTIONS, quoted for eval. A job's log is named after what it does; one that
# fails is named at once, and all the same the others run.
side_by_side() {
    local line name
    mkdir -p exp/log
    while read -r line; do
        name=$(echo "${line}" | tr -cs 'a-z0-9' '_' | cut -c1-120)
        printf './run.sh %s %s > exp/log/%s.log 2>&1 || { echo "failed: exp/log/%s.log" >&2; false; }\0' \
            "${line}" "$2" "${name}" "${name}"
    done | xargs -0 -P "$1" -I{} bash -c '{}'
}

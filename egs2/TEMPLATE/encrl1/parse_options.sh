# Source this after the defaults: every variable set before becomes an option.
#   --name value   sets $name;  --help prints ${help_message}
# Kaldi's utils/parse_options.sh in small: no Kaldi is needed here.

while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h)
            echo "${help_message:-no help}"
            exit 0
            ;;
        --*)
            _name=${1#--}
            _name=${_name//-/_}
            if ! [[ ${_name} =~ ^[a-z_][a-z0-9_]*$ ]] || [ -z "${!_name+set}" ]; then
                echo "$0: unknown option $1 (see $0 --help)" >&2
                exit 2
            fi
            if [ $# -lt 2 ]; then
                echo "$0: $1 needs a value" >&2
                exit 2
            fi
            case "${!_name}:$2" in
                true:true | true:false | false:true | false:false) ;;
                true:* | false:*)
                    echo "$0: $1 $2: must be true or false" >&2
                    exit 2
                    ;;
            esac
            printf -v "${_name}" '%s' "$2"
            shift 2
            ;;
        *)
            echo "$0: $1 is not an option (see $0 --help)" >&2
            exit 2
            ;;
    esac
done
unset _name

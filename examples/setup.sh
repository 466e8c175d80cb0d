# What the examples share; sourced from an example's own folder.
# KMSPLAN: an installed kmsplan to use; without it a virtual environment is made. KMSPLAN_STATE: where state is kept.
project=$(cd ../.. && pwd)
. "$project/tests/setup.sh"

# prepare EXAMPLE EXTRAS PACKAGE:COMMAND...: sets everything up and starts the example over.
prepare() {
    local example=$1 extras=$2; shift 2
    debian_packages "$@"
    if [ -n "${KMSPLAN:-}" ]; then
        PATH=$(dirname "$KMSPLAN"):$PATH
    else
        (cd "$project" && virtual_environment "$extras")
        PATH=${KMSPLAN_VENV:-$project/.venv}/bin:$PATH
    fi
    export PATH
    export KMSPLAN_VAR_state_folder=${KMSPLAN_STATE:-$project/state}/$example
    rm -rf "$KMSPLAN_VAR_state_folder"
}

# show COMMAND...: prints a command as a user would type it, then runs it.
show() { printf '\n$ %s\n' "$*"; "$@"; }

# expect CODE COMMAND...: like show; the command must end with that exit code.
expect() {
    local wanted=$1 code=0; shift
    printf '\n$ %s\n' "$*"
    "$@" || code=$?
    [ "$code" -eq "$wanted" ] || fail "'$*' ended with exit code $code, not $wanted"
    printf '(exit code %s)\n' "$code"
}

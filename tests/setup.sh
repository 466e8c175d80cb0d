# What tests/run and the examples share; sourced by them, from the top of the project.
# Every function is quick when there is nothing to do, asks nothing, and says what to do when it may not do it.

step() { printf '\n== %s\n' "$*" >&2; }

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# debian_packages PACKAGE:COMMAND...: installs the packages whose commands are missing.
debian_packages() {
    local wanted=() pair
    for pair in "$@"; do
        command -v "${pair#*:}" >/dev/null 2>&1 || [ -x "/usr/bin/${pair#*:}" ] || wanted+=("${pair%%:*}")
    done
    [ ${#wanted[@]} -gt 0 ] || return 0
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && root=(sudo -n) \
            || fail "these Debian packages are missing: ${wanted[*]}. Install them as root: apt-get install ${wanted[*]}"
    fi
    command -v apt-get >/dev/null 2>&1 \
        || fail "these packages are missing and there is no apt-get here: ${wanted[*]}. Install them with your system's own package tool."
    step "installing ${wanted[*]}"
    local log; log=$(mktemp)
    { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}" \
        || { "${root[@]}" apt-get update && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}"; }; } \
        >"$log" 2>&1 || { tail -n 20 "$log" >&2; rm -f "$log"; fail "could not install ${wanted[*]}; run: apt-get install ${wanted[*]}"; }
    rm -f "$log"
}

# virtual_environment EXTRAS: makes and enters a virtual environment with kmsplan and those extras.
virtual_environment() {
    local home=${KMSPLAN_VENV:-$PWD/.venv} python=${PYTHON:-python3} stamp
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
        || fail "Python 3.11 or newer is needed; '$python' is not. Name another with PYTHON=/path/to/python3."
    local wanted=.${1:+[$1]}
    stamp=$home/kmsplan-$(printf '%s\n' "$1" "$PWD" | cat - pyproject.toml | sha256sum | cut -c1-16)
    if [ ! -e "$stamp" ]; then
        step "setting up $home"
        # One that was made here by another Python is made anew: a mixture of both would find the parts of neither.
        local base='import sys; print(sys.base_prefix, *sys.version_info[:2])' anew=()
        if compgen -G "$home/kmsplan-*" >/dev/null \
            && [ "$("$home/bin/python" -c "$base" 2>&1)" != "$("$python" -c "$base")" ]; then anew=(--clear); fi
        "$python" -m venv "${anew[@]}" "$home" 2>/dev/null || {
            debian_packages python3-venv:no-such-command
            "$python" -m venv "${anew[@]}" "$home"
        }
        # editable_mode=compat: a plain path entry, which costs a start less than an import hook does.
        "$home/bin/pip" install --quiet --disable-pip-version-check --editable "$wanted" \
            --config-settings editable_mode=compat \
            || fail "pip could not install kmsplan and what it needs; see the lines above"
        touch "$stamp"
    fi
    # Some images set this for smaller layers. Thousands of commands that each compile kmsplan anew cost minutes.
    unset PYTHONDONTWRITEBYTECODE
    PATH=$home/bin:$PATH
    VIRTUAL_ENV=$home
    export PATH VIRTUAL_ENV
}

# node_packages FOLDER: installs what the folder's package-lock.json names into its node_modules.
node_packages() {
    local modules=$1/node_modules stamp
    stamp=$modules/.kmsplan-$(cat "$1/package.json" "$1/package-lock.json" | sha256sum | cut -c1-16)
    [ ! -e "$stamp" ] || return 0
    step "setting up $modules"
    # No script of a package runs; npm ci takes only what has the lock file's hashes.
    npm --prefix "$1" ci --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null \
        || fail "npm could not install what $1/package-lock.json names; see the lines above"
    touch "$stamp"
}

# Asks for what a bare Debian with a Rust toolchain lacks; sourced by the other scripts.
#
# need PROGRAM PACKAGE …   collects the packages of programs that are not there
# need_now WHY             installs them when we are root and apt-get is there, else says what to do and ends with 3

needed_packages=""
needed_programs=""

need() {
    command -v "$1" >/dev/null 2>&1 && return 0
    # Debian keeps some programs where an ordinary user's PATH does not look.
    for folder in /usr/sbin /sbin; do
        [ -x "$folder/$1" ] && return 0
    done
    needed_programs="$needed_programs $1"
    shift
    needed_packages="$needed_packages $*"
}

need_now() {
    [ -n "$needed_packages" ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing$needed_packages: $1" >&2
        # shellcheck disable=SC2086 # a list of words
        if { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $needed_packages; } >&2; then
            needed_packages="" needed_programs=""
            return 0
        fi
    fi
    echo "error: not installed:$needed_programs ($1)" >&2
    echo "  on Debian or Ubuntu: sudo apt-get install$needed_packages" >&2
    exit 3
}

# Rust comes from rustup as a rule: Debian's own is too old.
need_cargo() {
    command -v cargo >/dev/null 2>&1 || PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null 2>&1 && return 0
    echo "error: there is no cargo; install Rust from https://rustup.rs and try again" >&2
    exit 3
}

#!/usr/bin/env bash
# Makes the checkout's .venv and completes it. The two commands source this file and call `set_up EXTRA...`.
#
#   TILLER_PYTHON       the Python to make .venv with; otherwise python3, or a newer one by its full name
#   TILLER_NO_TORCH=1   leaves torch out: everything but training works
#   TILLER_TORCH_INDEX  takes torch, and nothing else, from this package index
#
# bash 3.2 is enough, because macOS has no newer one. Every message goes to stderr: stdout belongs to the command.

checkout="$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="$checkout/.venv"
python="$venv/bin/python"
setup_log="$checkout/logs/setup.log"
stamp="$venv/tiller-setup"

# What a Python lacks to make .venv and to serve in it, as a sentence that begins with its name.
require_python='
import sys
if sys.version_info < (3, 11):
    sys.exit("is Python %d.%d: install 3.11 or newer, or name one in TILLER_PYTHON" % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    package = "python%d.%d-venv" % sys.version_info[:2]
    sys.exit("has no module to make environments with: install it (Debian, Ubuntu: apt install %s)" % package)
'

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# set_up EXTRA...: returns with a complete .venv; at once where it is complete already.
set_up() {
    local extras
    extras="$(choose "$@")"
    if is_complete "$extras"; then
        return
    fi
    if ! { mkdir -p "$checkout/logs" && exec 9>>"$checkout/logs/setup.lock"; } 2>/dev/null; then
        fail "cannot write in $checkout/logs: free some space there, or make it yours"
    fi
    find_python
    take_lock
    is_complete "$extras" || bring_up_to_date "$extras"
    exec 9>&-
}

# choose EXTRA...: each of them once, and no torch where it is not wanted.
choose() {
    local extra chosen=''
    for extra in "$@"; do
        if [ "$extra" = torch ] && [ "${TILLER_NO_TORCH:-0}" != 0 ]; then
            continue
        fi
        case " $chosen " in *" $extra "*) ;; *) chosen="$chosen $extra" ;; esac
    done
    printf '%s' "${chosen# }"
}

# The stamp is written last. Its first line holds the extras, the others all that an installation depends on.
is_complete() {
    local wanted="$1" extra installed inputs
    { IFS= read -r installed && inputs="$(cat)"; } 2>/dev/null <"$stamp" || return 1
    for extra in $wanted; do
        case " $installed " in *" $extra "*) ;; *) return 1 ;; esac
    done
    [ "$inputs" = "$(installation_inputs)" ]
}

installation_inputs() {
    printf '%s\n' "$checkout"
    "$python" -ISc 'import sys; print(sys.version)' 2>/dev/null || true
    cat "$checkout/pyproject.toml" "$checkout/setup.cfg" "$checkout/constraints.txt"
}

# Sets base_python.
find_python() {
    local candidate said problem='there is no Python: install 3.11 or newer, or name one in TILLER_PYTHON'
    local candidates=(python3 python3.14 python3.13 python3.12 python3.11 "$python")
    if [ -n "${TILLER_PYTHON:-}" ]; then
        candidates=("$TILLER_PYTHON")
        problem="$TILLER_PYTHON is no Python: name one of 3.11 or newer in TILLER_PYTHON, or none"
    fi
    for candidate in "${candidates[@]}"; do
        if said="$("$candidate" -c "$require_python" 2>&1)"; then
            base_python="$candidate"
            return
        fi
        # Any other answer is not a Python's: the command is missing, or it is a version manager's empty shim.
        case "$said" in 'is Python '* | 'has no module '*) problem="$candidate $said" ;; esac
    done
    fail "$problem"
}

# One set-up at a time. The lock is on the open file: it outlives the Python that takes it, stays with a pip that
# outlives this script, and nobody has to clean it up. (macOS has no flock command.)
take_lock() {
    local lock='import fcntl, sys; fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1:] else 0))'
    if ! "$base_python" -c "$lock" now 2>/dev/null; then
        say 'another set-up is at work in this checkout: waiting for it'
        with_progress 'waiting' "$setup_log" "$base_python" -c "$lock"
    fi
}

bring_up_to_date() {
    local extras="$1" installed='' began=$SECONDS
    { IFS= read -r installed <"$stamp"; } 2>/dev/null || true
    # shellcheck disable=SC2086 # what the other command installed stays in step
    extras="$(choose $extras $installed)"
    rm -f "$stamp"
    : >"$setup_log"
    say "installing into $venv (log: $setup_log)"
    make_venv
    install_packages "$extras"
    if ! { printf '%s\n' "$extras" && installation_inputs; } >"$stamp.new" || ! mv "$stamp.new" "$stamp"; then
        fail "cannot write $stamp: free some space there, or make it yours"
    fi
    say "installed in $((SECONDS - began)) s"
}

make_venv() {
    local half_installed
    if ! "$python" -Ic "${require_python}import pip" 2>/dev/null || ! is_installed pip; then
        with_progress 'making .venv' "$setup_log" "$base_python" -Im venv --clear "$venv" || explain_failure
    fi
    # pip writes INSTALLER once the files of a package are in place, but takes one without it for whole.
    for half_installed in "$venv"/lib/python3*/site-packages/*.dist-info; do
        [ -e "$half_installed/INSTALLER" ] || rm -rf "$half_installed"
    done
}

is_installed() {
    local package="$1" found
    for found in "$venv"/lib/python3*/site-packages/"$package"-*.dist-info/INSTALLER; do
        [ -e "$found" ] && return
    done
    return 1
}

install_packages() {
    local extras="$1"
    pip_install 'build tools' setuptools
    case " $extras " in *' torch '*) is_installed torch || prepare_torch ;; esac
    pip_install 'packages' --no-build-isolation --editable "${checkout}[${extras// /,}]"
    # Price histories with published results, for the tests: they read its files and import nothing of it.
    case " $extras " in *' dev '*) pip_install 'test data' --no-deps universal-portfolios ;; esac
}

prepare_torch() {
    if [ -n "${TILLER_TORCH_INDEX:-}" ]; then
        pip_install torch --no-deps --index-url "$TILLER_TORCH_INDEX" torch
    elif [ "$(uname -sm)" = 'Linux x86_64' ]; then
        say 'torch with its GPU libraries downloads about 2.7 GB, unless pip is set up to find a smaller build.' \
            'TILLER_TORCH_INDEX takes it from elsewhere (see README), TILLER_NO_TORCH=1 leaves it out.'
    fi
}

# pip_install LABEL ARGUMENT... (with the machine's own settings for pip, but for PIP_USER, which no environment takes)
pip_install() {
    local label="$1"
    shift
    PIP_USER=0 with_progress "installing $label" "$setup_log" \
        "$python" -Im pip install --disable-pip-version-check --constraint "$checkout/constraints.txt" "$@" ||
        explain_failure
}

explain_failure() {
    local said reason newline=$'\n'
    said="$(cat "$setup_log")"
    # On a full disk the log has no room for the reason either.
    printf '%65536s' '' 2>/dev/null >"$setup_log.probe" || said='No space left on device'
    rm -f "$setup_log.probe"
    case "$said" in
        *'No space left on device'* | *'Disk quota exceeded'*)
            reason='the disk is full: free some space' ;;
        *'connection broken by'* | *'Max retries exceeded'* | *'Read timed out'*)
            reason='pip cannot reach its package index: connect to the network' ;;
        *'The user requested (constraint) '*) # how pip puts it that no build of the exact version fits
            said="${said##*The user requested (constraint) }"
            reason="pip finds no ${said%%"$newline"*} for this Python: name another one in TILLER_PYTHON" ;;
        *'ERROR: '*)
            said="${said##*ERROR: }"
            reason="${said%%"$newline"*}: mend that" ;;
        *)
            reason="the last step failed ($(last_words "$setup_log")): mend that" ;;
    esac
    fail "$reason, then run this again (everything that was said: $setup_log)"
}

# with_progress LABEL LOG COMMAND...: runs a long command into a log and tells meanwhile how long it takes and what it
# said last: on a terminal in a line that renews itself each second, elsewhere in a line every ten.
with_progress() {
    local label="$1" output="$2" began=$SECONDS every=10 status=0
    shift 2
    [ ! -t 2 ] || every=1
    trap 'interrupted INT' INT
    trap 'interrupted TERM' TERM
    trap 'interrupted HUP' HUP
    "$@" </dev/null >>"$output" 2>&1 &
    working=$!
    # A sleep that outlives this for a moment keeps neither the lock nor a pipe that somebody reads.
    while sleep "$every" >/dev/null 2>&1 && kill -0 "$working" 2>/dev/null; do
        tell "$label, $((SECONDS - began)) s: $(last_words "$output")"
    done 9>&- &
    telling=$!
    wait "$working" 2>/dev/null || status=$?
    trap - INT TERM HUP
    stop_telling
    return "$status"
}

stop_telling() {
    kill "$telling" 2>/dev/null || true
    wait "$telling" 2>/dev/null || true
    [ ! -t 2 ] || printf '\r%79s\r' '' >&2
}

tell() {
    if [ -t 2 ]; then
        printf '\r%-79.79s' "$*" >&2
    else
        say "$*"
    fi
}

last_words() {
    local words
    words="$(tail -n 1 "$1")"
    words="${words#"${words%%[! ]*}"}"
    # pip names all packages in one line and is then silent while it puts them into place.
    case "$words" in 'Installing collected packages'*) words="now at $(newest_package)" ;; esac
    printf '%.100s' "$words"
}

newest_package() {
    local found newest=''
    for found in "$venv"/lib/python3*/site-packages/*; do
        if [ -z "$newest" ] || [ "$found" -nt "$newest" ]; then
            newest="$found"
        fi
    done
    printf '%s' "${newest##*/}"
}

# Ctrl-C does not reach a job in the background, so that is ended here before the signal takes its course.
interrupted() {
    trap - INT TERM HUP
    kill "$working" 2>/dev/null || true
    wait "$working" 2>/dev/null || true
    stop_telling
    say 'interrupted: the next run takes it up again'
    kill -s "$1" $$
}

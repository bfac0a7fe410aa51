#!/bin/sh
# Set up .venv: system packages, Python, the course with its two kernels, JupyterLab's settings.
# usage: tools/env.sh lab|test|site|bench     A second run finds everything done and takes a moment.
# PYTHON=/path/to/python3 chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd -P)
kind=${1:-lab}
log=.make/setup.log
# the tests build the site too
case $kind in test) extra=test,site ;; site) extra=site ;; *) extra= ;; esac
stamp=.venv/.ready${extra%%,*}

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
stop_with_log() { tail -n 15 "$log" >&2; fail "$1 The whole output is in $log."; }

# ---- Python ----------------------------------------------------------------------------------------------

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }
has_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

# The tests of a root user run as nobody too, so an interpreter that everybody can run comes first.
open_to_all() { [ "$(id -u)" != 0 ] || setpriv --reuid=65534 --regid=65534 --clear-groups "$1" -c '' 2>/dev/null; }

# Prints the interpreter to build .venv with, the best first; fails when there is none.
choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        path=$(command -v "$PYTHON") && new_enough "$path" && say "$path"
        return
    fi
    any=
    for name in /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3; do
        path=$(command -v "$name") && new_enough "$path" || continue
        if open_to_all "$path" && has_venv "$path"; then say "$path"; return; fi
        any=${any:-$path}
    done
    [ -n "$any" ] && say "$any"
}

# ---- system packages -------------------------------------------------------------------------------------

# Ubuntu's Chromium is a snap, whose browser sees neither /tmp nor hidden folders: the tests take Playwright's.
snap_country() { grep -q '^ID.*ubuntu' /etc/os-release 2>/dev/null; }

# A test compiles the eBPF programs again and compares every byte, for which the compiler must be Debian 12's.
debian_12() { grep -q '^VERSION_CODENAME=bookworm' /etc/os-release 2>/dev/null; }

unfit() { if snap_country; then say chromium; fi; if ! debian_12; then say clang-14; fi; }

wanted() {
    cat binder/apt.txt
    case $kind in
        test) unfit | grep -vxFf - tests/apt.txt ;;
        bench) cat benchmarks/apt.txt ;;
    esac
    works || [ -n "${PYTHON:-}" ] || has_venv "$(choose_python)" || printf 'python3\npython3-venv\n'
}

missing() {
    wanted | while read -r package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
    done
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

system_packages() {
    if ! command -v apt-get dpkg-query >/dev/null; then
        note="This machine has no apt-get: please install, by its own means, what Debian calls $(wanted | tr '\n' ' ')."
        return
    fi
    list=$(missing)
    [ -n "$list" ] || return 0
    if as_root true 2>/dev/null; then
        say "    apt-get install $list"
        as_root apt-get update >"$log" 2>&1 || true
        # shellcheck disable=SC2086  # a list of words
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $list >>"$log" 2>&1 ||
            stop_with_log "apt-get could not install $list."
        # Debian starts what it installs; the course starts BIRD and nginx itself, in its sandbox.
        case " $list" in *" bird2 "*) as_root systemctl disable --now bird.service >>"$log" 2>&1 || true ;; esac
        case " $list" in *" nginx-light "*) as_root systemctl disable --now nginx.service >>"$log" 2>&1 || true ;; esac
    else
        note="These system packages are missing and need an administrator: sudo apt-get install --no-install-recommends $list"
    fi
}

# ---- .venv -----------------------------------------------------------------------------------------------

# A moved clone or an upgraded Python leaves a .venv whose programs no longer start.
works() {
    .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null &&
        head -n 2 .venv/bin/pip 2>/dev/null | grep -qF "$here/.venv/bin/"
}

make_venv() {
    python=$(choose_python) || fail "No Python 3.10 or newer was found: name one, as in make PYTHON=/path/to/python3.${note:+ $note}"
    say "    with $python, $("$python" --version)"
    if has_venv "$python"; then
        "$python" -m venv --clear .venv
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --clear --without-pip .venv
        "$python" -m pip install --quiet --target "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" pip
        .venv/bin/python -m pip install --quiet --force-reinstall pip
    else
        fail "$python has neither venv nor pip: name another one, as in make PYTHON=/path/to/python3.${note:+ $note}"
    fi
}

# One line that changes while pip works, on a terminal only.
progress() {
    while read -r word rest; do
        [ -t 1 ] && [ "$word" = Collecting ] && printf '\r\033[K    %s' "$rest"
    done
    [ ! -t 1 ] || printf '\r\033[K'
}

install_course() {
    {
        .venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
            -e ".${extra:+[$extra]}" 2>&1 &&
            : >.make/pip-done
    } | tee "$log" | progress
    [ -e .make/pip-done ] || stop_with_log "pip could not install the course."
    rm .make/pip-done
}

has_kubectl() { [ -x .venv/bin/kubectl ] || command -v kubectl >/dev/null; }

fetch_kubectl() {
    .venv/bin/python tools/kubectl.py .venv/bin 2>"$log" ||
        note="${note:+$note }$(cat "$log") Chapters 05, 08 and 09 need it."
}

has_chromium() { [ -x .venv/bin/chromium ] || { ! snap_country && command -v chromium >/dev/null; }; }

# Playwright brings a Chromium where apt has none; its libraries need an administrator.
fetch_chromium() {
    as_root true 2>/dev/null && libraries=--with-deps || libraries=
    # shellcheck disable=SC2086  # one word or none
    PLAYWRIGHT_BROWSERS_PATH="$here/.venv/browsers" .venv/bin/python -m playwright install $libraries chromium \
        >"$log" 2>&1 &&
        ln -sf "$(find "$here/.venv/browsers" -type f -name chrome | head -n 1)" .venv/bin/chromium ||
        note="${note:+$note }The browser tests need a Chromium, and none could be fetched: put one on the PATH as chromium."
}

key() {
    {
        say "$here"
        .venv/bin/python --version
        cat pyproject.toml tools/env.sh tools/jupyter_settings.py labhelpers/sandbox/install.py
    } 2>/dev/null | cksum
}

fresh() { [ -e "$stamp" ] && [ "$(key)" = "$(cat "$stamp")" ]; }

# ---- the steps -------------------------------------------------------------------------------------------

umask 022
note=
if command -v flock >/dev/null; then
    exec 9<.
    flock -n 9 || { say "Another make is setting up this clone; waiting for it."; flock 9; }
fi

if fresh && [ -z "$(command -v dpkg-query >/dev/null && missing)" ] && has_kubectl && { [ "$kind" != test ] || has_chromium; }; then
    exit 0
fi
mkdir -p .make
say "[1/4] System packages"
system_packages
if ! fresh; then
    [ -w . ] || fail "$here has not been set up and you may not write to it: clone the course into a folder of yours."
    say "[2/4] Python environment .venv"
    works || make_venv
    say "[3/4] Python packages, a minute or two the first time"
    install_course
    say "[4/4] Kernels and JupyterLab settings"
    .venv/bin/python -m labhelpers.sandbox.install --sys-prefix >"$log" 2>&1 || stop_with_log "The kernels could not be registered."
    .venv/bin/python tools/jupyter_settings.py
    key >.venv/.ready
    for one in $(say "$extra" | tr , ' '); do cp .venv/.ready ".venv/.ready$one"; done
fi
if ! has_kubectl; then
    say "[+]   kubectl, which this machine has none of"
    fetch_kubectl
fi
if [ "$kind" = test ] && ! has_chromium; then
    say "[+]   Chromium for the browser tests"
    fetch_chromium
fi
[ -z "$note" ] || say "$note"

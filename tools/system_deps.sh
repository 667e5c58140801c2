#!/bin/sh
# The Debian packages that the tests need: GL, EGL, Qt's libraries, a font and Chromium.
#
#   tools/system_deps.sh check     name the missing ones; with CI=true fail on them
#   tools/system_deps.sh install   install the missing ones
set -eu

packages="libgl1 libegl1 libgl1-mesa-dri libx11-6 libxkbcommon0 libdbus-1-3 libfontconfig1
libglib2.0-0 fonts-dejavu-core chromium"

is_installed() {
    # Debian 13 renamed some libraries with a suffix for their 64-bit time.
    for name in "$1" "$1t64"; do
        if dpkg-query -W -f '${Status}\n' "$name" 2>/dev/null | grep -q 'ok installed'; then
            return 0
        fi
    done
    return 1
}

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is no Debian: the tests need the libraries of these Debian packages:" $packages
    exit 0
fi

missing=
for package in $packages; do
    is_installed "$package" || missing="$missing $package"
done

case ${1:-} in
check)
    [ -z "$missing" ] && exit 0
    echo "Missing Debian packages:$missing (make system-deps installs them;" \
        "tests that need them are skipped or fail)" >&2
    [ "${CI:-}" != true ]
    ;;
install)
    [ -z "$missing" ] && exit 0
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # one word a package
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing
    ;;
*)
    echo "usage: $0 check|install" >&2
    exit 2
    ;;
esac

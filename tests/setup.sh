#!/bin/sh
# Installs the Debian packages that are missing, after saying which. With none missing it does nothing.
#   tests/setup.sh          what building and testing needs
#   tests/setup.sh PKG...   these as well
set -eu

packages="build-essential clang libclang-rt-14-dev pkg-config perl python3 tzdata
protobuf-compiler protobuf-c-compiler libprotobuf-c-dev libzmq3-dev libsodium-dev liblmdb-dev libev-dev
libyaml-dev libmicrohttpd-dev libjansson-dev libsmartcols-dev libzip-dev libcsv-dev libcmocka-dev
libcurl4-openssl-dev libsqlite3-dev libcyaml-dev
python3-zmq python3-protobuf python3-pytest python3-pytest-xdist python3-yaml python3-aiosmtpd mypy openssl"

missing=""
for package in $packages "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $status in ii*) ;; *) missing="$missing $package" ;; esac
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup: these packages are missing and need root to install:$missing" >&2; exit 1; }
    as_root="sudo"
fi
echo "setup: installing these Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -q update
# shellcheck disable=SC2086
$as_root apt-get -q install -y --no-install-recommends $missing

# Sourced by the other scripts: messages, and Debian packages if they can be installed.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$(basename "$0"): $*"
  exit 1
}

# Installs Debian or Ubuntu packages; returns false if this machine or this user cannot.
install_packages() {
  command -v apt-get >/dev/null || return 1
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || return 1
    # Without a terminal a password cannot be typed.
    if [ -t 0 ]; then as_root=(sudo); else as_root=(sudo -n); fi
    "${as_root[@]}" true || return 1
  fi
  say "Installing $* …"
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$@")
  # New package lists are fetched only if the install fails with the current ones.
  "${install[@]}" >/dev/null 2>&1 && return
  { "${as_root[@]}" apt-get update -qq && "${install[@]}" >/dev/null; } >&2
}

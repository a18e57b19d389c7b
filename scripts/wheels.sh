# Sourced by the other scripts: files with known checksums from Python's package index, in a cache shared by
# all checkouts.
# shellcheck shell=bash

# shellcheck disable=SC2034  # used by the scripts that source this
cache=${MOCO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/swift-moco}

# Size and name of every file; it does not match after an interruption or on a full disk.
inventory() { (cd "$1" && find . -type f ! -name complete -printf '%s %p\n' | LC_ALL=C sort); }

is_complete() { [ -f "$1/complete" ] && inventory "$1" | cmp -s - "$1/complete"; }

has_hash() { [ -f "$2" ] && echo "$1  $2" | sha256sum --check --status; }

# Downloads one wheel into the current folder, twice at most.
fetch() {
  local hash=$1 wheel=$2 one attempt name number platform
  IFS=- read -r name number _ _ platform <<<"${wheel%.whl}"
  local options=(--no-deps --no-cache-dir --only-binary=:all: --implementation cp --python-version 3.12
    --abi cp312 --abi none)
  for one in ${platform//./ }; do options+=(--platform "$one"); done
  [ -t 2 ] || options+=(-q)
  for attempt in 1 2; do
    has_hash "$hash" "$wheel" && return
    if [ -f "$wheel" ]; then
      say "$cache/downloads/$wheel is damaged (its SHA-256 is not $hash): fetching it again."
      rm -f "$wheel"
    fi
    say "Fetching $name $number …"
    python3 -m pip download "${options[@]}" "$name==$number" </dev/null >&2 || say "Attempt $attempt failed."
  done
  has_hash "$hash" "$wheel" && return
  rm -f "$wheel"
  die "cannot fetch $wheel with SHA-256 $hash; is the network there?${fetch_remedy:-}"
}

# Fills one folder of the cache with a part of a list's wheels for this machine (see unpack_wheel.py). The
# folder is complete or missing: it is unpacked beside its final place and renamed.
fill() {
  local list=$1 folder=$2 part=$3 scripts hash wheel wheels=() partial=$2.partial
  scripts=$(cd "$(dirname "$list")" && pwd)
  mkdir -p "$cache/downloads"
  exec 9>"$cache/lock"
  flock -n 9 || { say "Another set-up is filling $cache: waiting for it …"; flock 9; }
  is_complete "$folder" && return
  cd "$cache/downloads" || return
  while read -r hash wheel; do
    [[ $wheel == *_$(uname -m).whl ]] || continue
    fetch "$hash" "$wheel"
    wheels+=("$wheel")
  done <"$list"
  say "Unpacking to $folder …"
  rm -rf "$partial"
  for wheel in "${wheels[@]}"; do python3 "$scripts/unpack_wheel.py" "$wheel" "$partial" "$part"; done
  inventory "$partial" >"$partial/complete"
  rm -rf "$folder"
  mv "$partial" "$folder"
  rm -rf "$cache/downloads"
}

#!/usr/bin/env bash
# clang 20.1.2 as in ziglang 0.15.1, seen 2026-11-29; clang 21 of Swift's toolchain does the same.
# A function with `target_clones` calls an inline constructor that is nowhere defined: where the call stands in an
# `always_inline` template, and the constructor is defined outside its class, clang leaves out the symbol that is called
# (C1), at -O0 and at -O2. The program does not link. Without `target_clones` the same code is whole.
# It met loops over bfloat16: the conversions of c10::BFloat16 in LibTorch's headers are such constructors, and loops
# for several vector widths are templates that thin cloned functions call.
# Cure: convert by a function that is no constructor.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ZIG_GLOBAL_CACHE_DIR=$work/cache ZIG_LOCAL_CACHE_DIR=$work/cache
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check ziglang==0.15.1
clang() { "$work/venv/bin/python" -m ziglang c++ -std=c++20 "$@"; }
clang --version | head -n 1

cat > "$work/round.cpp" <<'CPP'
struct Rounded {
  unsigned short bits;
  Rounded() = default;
  inline explicit Rounded(float x);
  static inline Rounded of(float x);
};
inline Rounded::Rounded(float x) : bits(static_cast<unsigned short>(x)) {}
inline Rounded Rounded::of(float x) {
  Rounded y;
  y.bits = static_cast<unsigned short>(x);
  return y;
}

template <class Number>
__attribute__((always_inline)) inline void round_loop(const float *x, Number *y, int count) {
  for (int i = 0; i < count; ++i) y[i] = CONVERT(x[i]);
}
static CLONES void round_all(const float *x, Rounded *y, int count) { round_loop(x, y, count); }

int main() {
  float x[4] = {1, 2, 3, 4};
  Rounded y[4];
  round_all(x, y, 4);
  return y[3].bits != 4;
}
CPP

# Succeeds if the assembler code of a build calls a conversion that it does not define.
misses_a_callee() {
  clang -S "$@" "$work/round.cpp" -o "$work/round.s" 2> "$work/errors" || { cat "$work/errors"; exit 1; }
  local name missing=1
  while read -r name; do
    grep -q "^$name:" "$work/round.s" || missing=0
  done < <(grep -oE 'call.*_ZN7Rounded(C[12]E|2ofE)f' "$work/round.s" | grep -o '_ZN.*' | sort -u)
  return $missing
}

clones='-DCLONES=__attribute__((target_clones("avx2", "default")))'
for level in -O0 -O2; do
  misses_a_callee $level "$clones" -DCONVERT=Number || { echo "$level: the behaviour changed"; exit 1; }
  ! misses_a_callee $level -DCLONES= -DCONVERT=Number || { echo "$level: the same without target_clones"; exit 1; }
  ! misses_a_callee $level "$clones" -DCONVERT=Number::of || { echo "$level: the cure does not work"; exit 1; }
  echo "$level: called and not defined with target_clones; not so without, or by a function that is no constructor"
done

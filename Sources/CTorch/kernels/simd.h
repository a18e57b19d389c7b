// Vector code.
#pragma once

/// For the loops that functions of several vector widths share, and their parts.
#define CT_INLINE __attribute__((always_inline)) inline

#if defined(__x86_64__) && defined(__linux__)
#define CT_X86_LINUX 1
/// Compiles a function for several vector widths; the loader picks one for the CPU. It does not go on
/// templates: a template is CT_INLINE and called by a thin CT_WIDE function for each type.
#define CT_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
/// The same for functions that gain by fused multiplications and additions: a CPU with AVX2 has those too,
/// but the compiler uses them only where they are named.
#define CT_WIDE_FUSED __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define CT_WIDE
#define CT_WIDE_FUSED
#endif

// Decompositions of matrices.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Eigenvalues of a symmetric matrix, ascending. Only the lower triangle is read.
ct_status ct_eigvalsh(ct_tensor **values, const ct_tensor *x);
/// With the eigenvectors as columns.
ct_status ct_eigh(ct_tensor **values, ct_tensor **vectors, const ct_tensor *x);

#ifdef __cplusplus
}
#endif

// LibTorch's headers for CUDA name types of cuBLAS, cuSPARSE and cuSOLVER, which are not used here. These few
// lines replace three wheels of headers.
#pragma once

typedef struct cublasContext *cublasHandle_t;
typedef enum { CUBLAS_STATUS_SUCCESS = 0 } cublasStatus_t;

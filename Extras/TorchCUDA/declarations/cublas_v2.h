// LibTorch's headers for CUDA name types of cuBLAS, cuSPARSE and cuSOLVER, of which nothing is used here. These few lines
// stand for three wheels of headers.
#pragma once

typedef struct cublasContext *cublasHandle_t;
typedef enum { CUBLAS_STATUS_SUCCESS = 0 } cublasStatus_t;

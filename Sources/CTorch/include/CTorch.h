// The only door between Swift and LibTorch: plain C, a header a topic.
//
// Every function that can fail returns a `ct_status`, writes its results through leading out-pointers, and
// lets no C++ exception through. A tensor handed out is owned by the caller and given back with
// `ct_tensor_free`. Only the functions with a comment about it block on another thread.
#pragma once

#include "ctorch_autograd.h"
#include "ctorch_counting.h"
#include "ctorch_cuda.h"
#include "ctorch_detection.h"
#include "ctorch_distributed.h"
#include "ctorch_error.h"
#include "ctorch_linalg.h"
#include "ctorch_masks.h"
#include "ctorch_neighbours.h"
#include "ctorch_nn.h"
#include "ctorch_ops.h"
#include "ctorch_optim.h"
#include "ctorch_pixels.h"
#include "ctorch_runtime.h"
#include "ctorch_segmentation.h"
#include "ctorch_stream.h"
#include "ctorch_tensor.h"

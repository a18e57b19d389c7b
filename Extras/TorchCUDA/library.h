// The functions of the table.
#pragma once

#include "shim/cuda_library.h"

namespace ctorch {

ct_status join_nccl(ct_group *group);
ct_status graph_begin(ct_graph **out);
ct_status graph_end(ct_graph *graph);
ct_status graph_replay(const ct_graph *graph);
void graph_free(ct_graph *graph);

}  // namespace ctorch

// Inside the shim only: c10d's process groups.
#pragma once

#define USE_C10D_GLOO

#include "shim.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

struct ct_group {
  c10::intrusive_ptr<c10d::ProcessGroup> value;
};

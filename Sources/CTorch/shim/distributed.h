// Inside the shim only: c10d's process groups.
#pragma once

#define USE_C10D_GLOO

#include "shim/shim.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <chrono>

struct ct_group {
  c10::intrusive_ptr<c10d::ProcessGroup> value;
  // For a second backend.
  c10::intrusive_ptr<c10d::Store> store;
  std::chrono::milliseconds timeout;
  c10::intrusive_ptr<c10d::Backend> nccl;  // where it has joined in
};

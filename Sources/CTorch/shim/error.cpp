#include "CTorch.h"
#include "shim/shim.h"

#include <string>

namespace {
struct Slot {
  ct_status kind = CT_OK;
  std::string message;
  int depth = 0;
};
thread_local Slot slot;
}  // namespace

namespace ctorch {
void record(ct_status kind, const char *message) noexcept {
  if (slot.kind != CT_OK) return;  // what failed first is the cause; the rest follows from it
  slot.kind = kind;
  try {
    slot.message = message;
  } catch (...) {
    slot.message.clear();
  }
}
}  // namespace ctorch

ct_status ct_error_kind(void) { return slot.kind; }
const char *ct_error_message(void) { return slot.message.c_str(); }
void ct_error_clear(void) {
  slot.kind = CT_OK;
  slot.message.clear();
}
void ct_error_scope_begin(void) { ++slot.depth; }
void ct_error_scope_end(void) { --slot.depth; }
int ct_error_scope_depth(void) { return slot.depth; }

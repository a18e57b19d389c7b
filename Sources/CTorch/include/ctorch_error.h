// Status, kind and text of failures. The slot is per thread and keeps the first failure of a scope.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ct_status {
  CT_OK = 0,
  CT_FAILED = 1,          // a shape, type or value LibTorch refused
  CT_OUT_OF_MEMORY = 2,   // host or device memory
  CT_NOT_IMPLEMENTED = 3  // no kernel for this type on this device
} ct_status;

/// The kind of this thread's recorded failure, CT_OK where there is none.
ct_status ct_error_kind(void);
/// Its text, without a C++ backtrace; empty where there is none. Valid until the slot is cleared.
const char *ct_error_message(void);
void ct_error_clear(void);

/// Inside a scope failures are kept for its end; outside one the caller must look at every status.
void ct_error_scope_begin(void);
void ct_error_scope_end(void);
int ct_error_scope_depth(void);

#ifdef __cplusplus
}
#endif

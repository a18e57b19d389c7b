// Several processes that train together: c10d's store, process groups, and the reducer inside
// DistributedDataParallel.
//
// All of these block: on peers, for the time given when they were made.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Keys and values that all processes see, over TCP.
typedef struct ct_store ct_store;
/// Connects to `host`; with `serves` this process answers for all, at `port`, or at a free one for 0: of the
/// IPv4 address `host`, or of all of the machine's addresses where `host` is a name.
ct_status ct_store_open(ct_store **out, const char *host, uint16_t port, bool serves, int64_t timeout_ms);
/// Whether anything accepts a connection at this address, asked for at most so long.
ct_status ct_is_listening(bool *out, const char *host, uint16_t port, int timeout_ms);
void ct_store_free(ct_store *store);
uint16_t ct_store_port(const ct_store *store);
ct_status ct_store_set(ct_store *store, const char *key, const uint8_t *bytes, size_t count);
/// Sets the value only where there is none yet. In both cases the value in force is written to `buffer`.
ct_status ct_store_settle(ct_store *store, const char *key, const uint8_t *bytes, size_t count,
                          uint8_t *buffer, size_t capacity, size_t *length);
/// Waits until there is a value; writes at most `capacity` bytes of it and its whole length.
ct_status ct_store_get(ct_store *store, const char *key, uint8_t *buffer, size_t capacity, size_t *length);
/// Waits until all keys have values; writes them one behind the other, at most `capacity` bytes in all, and
/// the whole length of each.
ct_status ct_store_get_all(ct_store *store, const char *const *keys, size_t count, uint8_t *buffer,
                           size_t capacity, size_t *lengths);
/// Whether all keys have values.
ct_status ct_store_has(bool *out, ct_store *store, const char *const *keys, size_t count);

/// The processes as one group, by Gloo; call it in every one of them. `name` distinguishes groups over one
/// store.
typedef struct ct_group ct_group;
ct_status ct_group_new(ct_group **out, const ct_store *store, const char *name, int rank, int count,
                       int64_t timeout_ms);
void ct_group_free(ct_group *group);

/// x becomes the sum of all ranks' x.
ct_status ct_all_reduce_(ct_tensor *x, const ct_group *group);
/// x becomes the root's x.
ct_status ct_broadcast_(ct_tensor *x, const ct_group *group, int root);
/// All ranks' x, one behind the other in the first dimension, on their way until ct_gathering_end waits for
/// them; that is called once, or never where another operation has failed. With a graph: a rank's gradient is
/// the sum of the gradients of all ranks' losses by its x.
typedef struct ct_gathering ct_gathering;
ct_status ct_gathering_begin(ct_gathering **out, const ct_tensor *x, const ct_group *group);
ct_status ct_gathering_end(ct_tensor **out, const ct_gathering *gathering);
void ct_gathering_free(ct_gathering *gathering);
ct_status ct_barrier(const ct_group *group);

/// Training-mode batch normalisation with the statistics of all values of all ranks, or with the means of the
/// ranks' statistics.
ct_status ct_sync_batch_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight,
                             const ct_tensor *bias, ct_tensor *running_mean, ct_tensor *running_var,
                             double momentum, double eps, bool weighs_ranks_equally, const ct_group *group);

/// Averages gradients over the ranks while backward still runs.
typedef struct ct_reducer ct_reducer;
ct_status ct_reducer_new(ct_reducer **out, ct_tensor *const *parameters, size_t count, const ct_group *group);
void ct_reducer_free(ct_reducer *reducer);
/// The next backward averages; one without this call only accumulates on its own rank.
ct_status ct_reducer_prepare(ct_reducer *reducer);

#ifdef __cplusplus
}
#endif

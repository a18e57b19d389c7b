#include "shim/distributed.h"

#include "kernels/batch_norm/sync.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct ct_store {
  c10::intrusive_ptr<c10d::TCPStore> value;
};

struct ct_gathering {
  at::Tensor x, all;
  c10::intrusive_ptr<c10d::Work> work;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
};

struct ct_reducer {
  std::vector<at::Tensor> parameters;
  std::vector<std::vector<size_t>> buckets;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::unique_ptr<c10d::Reducer> value;
  int64_t prepared = 0;

  void renew() {
    value.reset();  // takes its hooks off the parameters
    value = std::make_unique<c10d::Reducer>(
        parameters, buckets, group, std::vector<bool>(parameters.size(), false), c10d::kDefaultBucketBytesCap,
        /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
        std::unordered_map<size_t, std::string>{}, c10d::kDefaultFirstBucketBytes,
        /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, std::vector<int64_t>{});
  }
};

namespace {

using Group = c10::intrusive_ptr<c10d::ProcessGroup>;

std::vector<uint8_t> bytes_of(const uint8_t *bytes, size_t count) { return {bytes, bytes + count}; }

void hand_out(const std::vector<uint8_t> &value, uint8_t *buffer, size_t capacity, size_t *length) {
  std::memcpy(buffer, value.data(), std::min(value.size(), capacity));
  *length = value.size();
}

/// Every backend moves plain memory, and channels-last batches are plain memory in another order.
bool is_channels_last(const at::Tensor &x) {
  return x.dim() == 4 && !x.is_contiguous() && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

/// The work that brings all ranks' x into `all`.
c10::intrusive_ptr<c10d::Work> gather(const at::Tensor &x, c10d::ProcessGroup &group, at::Tensor &all) {
  if (is_channels_last(x)) {
    auto work = gather(x.permute({0, 2, 3, 1}), group, all);
    all = all.permute({0, 3, 1, 2});
    return work;
  }
  at::Tensor own = x.contiguous();
  std::vector<int64_t> shape = own.sizes().vec();
  TORCH_CHECK(!shape.empty(), "a scalar has no first dimension to gather along");
  shape[0] *= group.getSize();
  all = at::empty(shape, own.options());
  return group._allgather_base(all, own);
}

void sum_over_ranks(at::Tensor &x, c10d::ProcessGroup &group) {
  std::vector<at::Tensor> tensors{x};
  group.allreduce(tensors)->wait();
}

struct AllGather : torch::autograd::Function<AllGather> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &, const ct_gathering &gathering) {
    context->saved_data["group"] = gathering.group;
    gathering.work->wait();
    return gathering.all;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto group = context->saved_data["group"].toCustomClass<c10d::ProcessGroup>();
    at::Tensor all = gradients[0].contiguous().clone();
    sum_over_ranks(all, *group);
    const int64_t own = all.size(0) / group->getSize();
    return {all.narrow(0, group->getRank() * own, own), {}};
  }
};

/// A socket at a port, or at a free one for 0, of one IPv4 address, or of all of the machine's addresses
/// where `host` is a name. c10d's own would listen on all addresses in any case, and by IPv6: it then looks
/// up
/// ::ffff:127.0.0.1 by DNS, which can take seconds.
int listener(const char *host, uint16_t port) {
  sockaddr_in one{};
  sockaddr_in6 all{};
  one.sin_family = AF_INET, all.sin6_family = AF_INET6;
  one.sin_port = all.sin6_port = htons(port);
  const bool is_address = inet_pton(AF_INET, host, &one.sin_addr) == 1;
  const int socket = ::socket(is_address ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1, no = 0;
  const auto *place = is_address ? reinterpret_cast<sockaddr *>(&one) : reinterpret_cast<sockaddr *>(&all);
  if (socket >= 0)
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);  // the last run's, just ended
  if (socket >= 0 && !is_address) setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  if (socket >= 0 && bind(socket, place, is_address ? sizeof one : sizeof all) == 0 &&
      listen(socket, SOMAXCONN) == 0)
    return socket;
  const std::string reason = std::strerror(errno);
  if (socket >= 0) close(socket);
  TORCH_CHECK(false, "cannot listen at ", host, ":", port, ": ", reason);
}

/// Whether a connection to the address is accepted within the time.
bool accepts(const addrinfo &address, int timeout_ms) {
  const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return false;
  int failure = 0;
  socklen_t size = sizeof failure;
  pollfd waiting{socket, POLLOUT, 0};
  const bool is_open = connect(socket, address.ai_addr, address.ai_addrlen) == 0 ||
                       (errno == EINPROGRESS && poll(&waiting, 1, timeout_ms) == 1 &&
                        getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0);
  close(socket);
  return is_open;
}

uint16_t port_of(int socket) {
  sockaddr_in6 place{};  // the port of an IPv4 address lies in the same bytes
  socklen_t size = sizeof place;
  TORCH_CHECK(getsockname(socket, reinterpret_cast<sockaddr *>(&place), &size) == 0, std::strerror(errno));
  return ntohs(place.sin6_port);
}

/// c10d warns where the gradient of a 1×1 convolution has other strides than its bucket. The numbers lie in
/// one order all the same, and a user cannot change it.
struct WithoutStrides : c10::WarningHandler {
  void process(const c10::Warning &warning) override {
    if (warning.msg().find("Grad strides do not match") == std::string::npos)
      c10::WarningHandler::process(warning);
  }
};

c10::intrusive_ptr<c10d::Backend> gloo_backend(const c10::intrusive_ptr<c10d::Store> &store, int rank,
                                               int count, std::chrono::milliseconds timeout) {
  return c10::make_intrusive<c10d::ProcessGroupGloo>(
      store, rank, count, c10d::ProcessGroupGloo::Options::create_default(timeout));
}

}  // namespace

// MARK: store

ct_status ct_store_open(ct_store **out, const char *host, uint16_t port, bool serves, int64_t timeout_ms) {
  *out = nullptr;
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serves;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    if (serves) {
      options.masterListenFd = listener(host, port);
      options.port = port_of(*options.masterListenFd);
    }
    *out = new ct_store{c10::make_intrusive<c10d::TCPStore>(host, options)};
  });
}

ct_status ct_is_listening(bool *out, const char *host, uint16_t port, int timeout_ms) {
  *out = false;
  return guarded([&] {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    const int failure = getaddrinfo(host, std::to_string(port).c_str(), &wanted, &found);
    TORCH_CHECK(failure == 0, "the host ", host, " is not found: ", gai_strerror(failure));
    for (const addrinfo *one = found; one && !*out; one = one->ai_next) *out = accepts(*one, timeout_ms);
    freeaddrinfo(found);
  });
}

void ct_store_free(ct_store *store) { delete store; }

uint16_t ct_store_port(const ct_store *store) { return store->value->getPort(); }

ct_status ct_store_set(ct_store *store, const char *key, const uint8_t *bytes, size_t count) {
  return guarded([&] { store->value->set(key, bytes_of(bytes, count)); });
}

ct_status ct_store_settle(ct_store *store, const char *key, const uint8_t *bytes, size_t count,
                          uint8_t *buffer, size_t capacity, size_t *length) {
  *length = 0;
  return guarded(
      [&] { hand_out(store->value->compareSet(key, {}, bytes_of(bytes, count)), buffer, capacity, length); });
}

ct_status ct_store_get(ct_store *store, const char *key, uint8_t *buffer, size_t capacity, size_t *length) {
  *length = 0;
  return guarded([&] { hand_out(store->value->get(key), buffer, capacity, length); });
}

ct_status ct_store_get_all(ct_store *store, const char *const *keys, size_t count, uint8_t *buffer,
                           size_t capacity, size_t *lengths) {
  std::fill_n(lengths, count, 0);
  return guarded([&] {
    const auto values = store->value->multiGet(std::vector<std::string>(keys, keys + count));
    for (size_t i = 0, start = 0; i < values.size(); start += lengths[i++])
      hand_out(values[i], buffer + std::min(start, capacity), start < capacity ? capacity - start : 0,
               &lengths[i]);
  });
}

ct_status ct_store_has(bool *out, ct_store *store, const char *const *keys, size_t count) {
  *out = false;
  return guarded([&] { *out = store->value->check(std::vector<std::string>(keys, keys + count)); });
}

// MARK: group

ct_status ct_group_new(ct_group **out, const ct_store *store, const char *name, int rank, int count,
                       int64_t timeout_ms) {
  *out = nullptr;
  return guarded([&] {
    const std::chrono::milliseconds timeout(timeout_ms);
    const auto named = c10::make_intrusive<c10d::PrefixStore>(name, store->value);
    auto group = c10::make_intrusive<c10d::ProcessGroup>(named, rank, count);
    group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO,
                      gloo_backend(named, rank, count, timeout));
    // Of what has no tensors, also where NCCL joins in.
    group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    *out = new ct_group{group, named, timeout, nullptr};
  });
}

void ct_group_free(ct_group *group) {
  (void)guarded([&] {
    // Otherwise NCCL waits for peers that have left.
    if (group->nccl) group->nccl->abort();
    delete group;
  });
}

ct_status ct_all_reduce_(ct_tensor *x, const ct_group *group) {
  return guarded([&] { sum_over_ranks(x->value, *group->value); });
}

ct_status ct_broadcast_(ct_tensor *x, const ct_group *group, int root) {
  return guarded([&] {
    c10d::BroadcastOptions options;
    options.rootRank = root;
    at::Tensor whole = x->value.contiguous();  // a parameter may be channels-last
    std::vector<at::Tensor> tensors{whole};
    group->value->broadcast(tensors, options)->wait();
    if (!whole.is_same(x->value)) x->value.copy_(whole);
  });
}

ct_status ct_gathering_begin(ct_gathering **out, const ct_tensor *x, const ct_group *group) {
  *out = nullptr;
  return guarded([&] {
    auto made = std::make_unique<ct_gathering>();
    made->x = unwrap(x), made->group = group->value;
    made->work = gather(made->x.detach(), *made->group, made->all);
    *out = made.release();
  });
}

ct_status ct_gathering_end(ct_tensor **out, const ct_gathering *gathering) {
  return produce(out, [&] { return AllGather::apply(gathering->x, *gathering); });
}

void ct_gathering_free(ct_gathering *gathering) { delete gathering; }

ct_status ct_barrier(const ct_group *group) {
  // By way of the group the barrier would write a tensor that all threads of the process share.
  return guarded([&] { group->value->getBackend(c10::DeviceType::CPU)->barrier()->wait(); });
}

ct_status ct_sync_batch_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight,
                             const ct_tensor *bias, ct_tensor *running_mean, ct_tensor *running_var,
                             double momentum, double eps, bool weighs_ranks_equally, const ct_group *group) {
  return produce(out, [&] {
    const auto optional = [](const ct_tensor *one) { return one ? unwrap(one) : at::Tensor(); };
    return sync_batch_norm(
        unwrap(x), {optional(weight), optional(bias), running_mean->value, running_var->value, momentum, eps},
        weighs_ranks_equally, group->value);
  });
}

// MARK: reducer

ct_status ct_reducer_new(ct_reducer **out, ct_tensor *const *parameters, size_t count,
                         const ct_group *group) {
  *out = nullptr;
  return guarded([&] {
    static WithoutStrides handler;
    c10::WarningUtils::set_warning_handler(&handler);  // of this thread
    std::vector<at::Tensor> reversed;
    std::vector<int64_t> indices;
    // Backward meets the last parameters first. The buckets stay as they are here: c10d would rearrange them
    // after the first step, and a resumed run would then add in another order than the run that was never
    // stopped.
    for (size_t i = count; i-- > 0;) reversed.push_back(parameters[i]->value), indices.push_back(int64_t(i));
    auto made = std::make_unique<ct_reducer>();
    // Nothing hides the way of the last bucket: where gradients go through sockets it must be a small one.
    const size_t bytes = count > 0 && reversed.front().is_cpu() ? 4 << 20 : c10d::kDefaultBucketBytesCap;
    made->buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(
        reversed, {c10d::kDefaultFirstBucketBytes, bytes}, {}, indices));
    made->parameters.assign(reversed.rbegin(), reversed.rend());
    made->group = group->value;
    made->renew();
    *out = made.release();
  });
}

void ct_reducer_free(ct_reducer *reducer) {
  (void)guarded([&] { delete reducer; });
}

ct_status ct_reducer_prepare(ct_reducer *reducer) {
  return guarded([&] {
    // A reducer records the gradients of every step for a rearrangement that is never made.
    if (reducer->prepared++ % 1024 == 1023) reducer->renew();
    reducer->value->prepare_for_forward();
    reducer->value->prepare_for_backward({});
  });
}

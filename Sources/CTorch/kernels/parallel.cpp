#include "kernels/parallel.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>

#include <dlfcn.h>
#include <pthread.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace ctorch {

namespace {

/// One call of `for_each_in_parallel`. Any thread takes `next` and reads `working`; the rest is guarded by
/// the pool's lock.
struct Job {
  c10::function_ref<void(int64_t)> body;
  int64_t count;
  int wanted;  // helpers that may still come
  std::exception_ptr failure;
  std::atomic<int> working{0};
  std::atomic<int64_t> next{0};

  bool has_blocks() const { return next.load(std::memory_order_relaxed) < count; }

  /// Takes blocks until there are none.
  std::exception_ptr work() {
    try {
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i);
      return nullptr;
    } catch (...) {
      next.store(count, std::memory_order_relaxed);
      return std::current_exception();
    }
  }
};

/// Threads that help with jobs, and sleep in between. They live as long as the process.
class Helpers {
public:
  /// Runs `job` on this thread and on those that come to help before its blocks are gone.
  void run(Job &job) {
    const int wanted = job.wanted;
    {
      const std::lock_guard guard(lock);
      start(wanted);
      jobs.push_back(&job);
      calls.fetch_add(1, std::memory_order_release);
    }
    for (int i = 0; i < wanted; ++i) came.notify_one();  // those that it does not want sleep on
    const std::exception_ptr own = job.work();
    std::unique_lock guard(lock);
    jobs.erase(std::find(jobs.begin(), jobs.end(), &job));
    if (job.working > 0) {  // mostly for a moment, which is less than waking takes
      guard.unlock();
      look([&] { return job.working == 0; });
      guard.lock();
      left.wait(guard, [&] { return job.working == 0; });
    }
    if (own || job.failure) std::rethrow_exception(own ? own : job.failure);
  }

private:
  /// Without more threads, if the system gives none, the work is done by those that are there.
  void start(int wanted) {
    try {
      for (; threads < wanted; ++threads) std::thread([this] { help(); }).detach();
    } catch (const std::system_error &) {
    }
  }

  Job *open() const {
    const auto found = std::find_if(jobs.begin(), jobs.end(),
                                    [](const Job *job) { return job->wanted > 0 && job->has_blocks(); });
    return found == jobs.end() ? nullptr : *found;
  }

  void help() {
    sigset_t all;  // the program's own threads handle them
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    const OneThread one;
    const at::AutoGradMode no_graph(false);
    const at::AutoDispatchBelowADInplaceOrView below;
    std::unique_lock guard(lock);
    for (;;) {
      Job *job = nullptr;
      if (!open()) {
        const int64_t seen = calls;
        guard.unlock();
        look([&] { return calls.load(std::memory_order_acquire) != seen; });
        guard.lock();
      }
      came.wait(guard, [&] { return (job = open()) != nullptr; });
      --job->wanted, ++job->working;
      guard.unlock();
      const std::exception_ptr failure = job->work();
      guard.lock();
      if (failure) job->failure = failure;
      if (--job->working == 0) left.notify_all();
    }
  }

  /// Waits until `has_come()`, for about as long as waking a thread takes.
  template <class Condition>
  static void look(Condition &&has_come) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(40);
    while (!has_come() && std::chrono::steady_clock::now() < end) pause();
  }

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  std::mutex lock;
  std::condition_variable came, left;
  std::atomic<int64_t> calls{0};
  std::vector<Job *> jobs;
  int threads = 0;
};

/// A function of the libraries that LibTorch has brought, or null: OpenMP's and MKL's are not everywhere.
template <class Function>
Function *library_function(const char *name) {
  return reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

// Not at::set_num_threads: that number is also taken over by every thread that is new to LibTorch.
static void set_torch_threads(int count) {
  static const auto set = library_function<void(int)>("omp_set_num_threads");
  set ? set(count) : at::set_num_threads(count);
}

static int set_mkl_threads(int count) {
  static const auto set = library_function<int(int)>("MKL_Set_Num_Threads_Local");
  return set ? set(count) : 0;
}

OneThread::OneThread() : torch_before(at::get_num_threads()), mkl_before(0) {
  if (torch_before == 1) return;
  set_torch_threads(1);
  mkl_before = set_mkl_threads(1);
}

OneThread::~OneThread() {
  if (torch_before == 1) return;
  set_torch_threads(torch_before);
  set_mkl_threads(mkl_before);
}

void for_each_in_parallel(int64_t count, c10::function_ref<void(int64_t)> body) {
  // Never destroyed: its threads do not end.
  static Helpers &helpers = *new Helpers;
  const int helping = static_cast<int>(std::min<int64_t>(at::get_num_threads(), count)) - 1;
  const OneThread one;
  const at::AutoGradMode no_graph(false);
  const at::AutoDispatchBelowADInplaceOrView below;
  const at::DisableRecordFunctionGuard unrecorded;  // the whole operation is recorded, not its parts
  if (helping <= 0) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  Job job{body, count, helping};
  helpers.run(job);
}

}  // namespace ctorch

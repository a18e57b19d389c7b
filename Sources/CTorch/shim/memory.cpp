// Memory of large tensors on a CPU, which is kept when they are freed (docs/decisions/0005).
#include "shim/shim.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#endif

#ifdef __linux__
namespace {

/// Blocks of one range of addresses. Free neighbours are joined, and of the free blocks that are large enough
/// the smallest is taken, so that a training step, which takes the same sizes in the same order each time,
/// leaves few gaps.
class Arena {
public:
  Arena() {
    // Addresses alone, which cost nothing. Memory is asked for as they are used, so that the system can
    // refuse.
    void *range = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (range == MAP_FAILED) return;
    first = used_end = static_cast<char *>(range);
    last = first + reserved;
  }

  /// At least `size` bytes, or null where there is no room.
  void *take(size_t size) {
    size = (size + line - 1) / line * line + stagger;
    const std::lock_guard guard(lock);
    auto found = by_size.lower_bound({size, nullptr});
    if (found == by_size.end()) {
      if (!grow(size)) return nullptr;
      found = by_size.lower_bound({size, nullptr});
    }
    const auto [room, block] = *found;
    remove(block, room);
    if (room > size) add(block + size, room - size);
    taken[block] = size;
    return block;
  }

  /// Whether the block was of this arena, and is free now.
  bool give_back(void *pointer) {
    char *block = static_cast<char *>(pointer);
    if (block < first || block >= last) return false;
    const std::lock_guard guard(lock);
    const auto found = taken.find(block);
    join(block, found->second);
    taken.erase(found);
    return true;
  }

private:
  static constexpr size_t reserved = size_t(1) << 40, line = 64, step = size_t(2) << 20;
  /// Blocks of whole pages would begin at the same place of the cache, each on the other's lines.
  static constexpr size_t stagger = 5 * line;

  /// Makes a free block of at least `size` bytes at the end of the used addresses.
  bool grow(size_t size) {
    if (!free.empty()) {
      const auto [start, room] = *free.rbegin();
      if (start + room == used_end) size -= room;
    }
    const size_t more = (size + step - 1) / step * step;
    if (more > static_cast<size_t>(last - used_end) || mprotect(used_end, more, PROT_READ | PROT_WRITE) != 0)
      return false;
    join(std::exchange(used_end, used_end + more), more);
    return true;
  }

  /// Adds a free block, joined with its free neighbours.
  void join(char *block, size_t size) {
    const auto after = free.upper_bound(block);
    if (after != free.begin()) {
      const auto [start, room] = *std::prev(after);
      if (start + room == block) remove(start, room), block = start, size += room;
    }
    if (const auto next = free.find(block + size); next != free.end()) {
      const size_t room = next->second;
      remove(block + size, room), size += room;
    }
    add(block, size);
  }

  void add(char *block, size_t size) { free[block] = size, by_size.insert({size, block}); }
  void remove(char *block, size_t size) { free.erase(block), by_size.erase({size, block}); }

  std::mutex lock;
  char *first = nullptr, *used_end = nullptr, *last = nullptr;
  std::map<char *, size_t> free;
  std::set<std::pair<size_t, char *>> by_size;
  std::unordered_map<char *, size_t> taken;
};

Arena &arena() {
  static auto &one = *new Arena;  // tensors outlive all that is destroyed at the end
  return one;
}

/// Large blocks from the arena, all others as LibTorch takes them.
class KeepingAllocator final : public c10::Allocator {
public:
  c10::DataPtr allocate(size_t size) override {
    void *block = size < least ? nullptr : arena().take(size);
    if (!block) block = c10::alloc_cpu(size);
    return {block, block, &give_back, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void *to, const void *from, size_t size) const override {
    default_copy_data(to, from, size);
  }

private:
  static constexpr size_t least = size_t(1) << 20;

  static void give_back(void *block) {
    if (!arena().give_back(block)) c10::free_cpu(block);
  }
};

}  // namespace
#endif

void ct_keep_freed_memory(void) {
#ifdef __linux__
  static std::once_flag once;
  std::call_once(once, [] { c10::SetCPUAllocator(new KeepingAllocator, 1); });
#endif
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);         // large blocks of others come from the heap, where they are reused
  mallopt(M_TRIM_THRESHOLD, -1);  // and the heap does not shrink
#endif
}

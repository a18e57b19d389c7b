// What c10d's ProcessGroupGloo.hpp names of Gloo, whose headers do not come with LibTorch's wheel. The class
// behind these declarations is whole inside libtorch_cpu; nothing of them is ever made, derived from or
// destroyed here, so only names and the order of the store's virtual methods matter.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace gloo {

class Context {
public:
  void setTimeout(std::chrono::milliseconds timeout);
};

class IStore {
public:
  virtual ~IStore() = default;
  virtual void set(const std::string &key, const std::vector<char> &data) = 0;
  virtual std::vector<char> get(const std::string &key) = 0;
  virtual void wait(const std::vector<std::string> &keys) = 0;
  virtual void wait(const std::vector<std::string> &keys, const std::chrono::milliseconds &timeout) = 0;
};

namespace rendezvous {

#define GLOO_STORE_HAS_STORE_V2

class Store : public IStore {
public:
  virtual bool has_v2_support() = 0;
  virtual std::vector<std::vector<char>> multi_get(const std::vector<std::string> &keys) = 0;
  virtual void multi_set(const std::vector<std::string> &keys,
                         const std::vector<std::vector<char>> &values) = 0;
  virtual void append(const std::string &key, const std::vector<char> &value) = 0;
  virtual int64_t add(const std::string &key, int64_t value) = 0;
};

}  // namespace rendezvous

namespace transport {

class Device;

class UnboundBuffer {
public:
  virtual ~UnboundBuffer() = 0;
};

}  // namespace transport
}  // namespace gloo

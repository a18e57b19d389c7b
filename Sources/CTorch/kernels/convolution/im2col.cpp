// Convolution as a matrix product over gathered patches (docs/decisions/0014).
//
// In channels-last memory a weight is a matrix of outputs × (kernel·kernel·inputs), a result one of
// pixels × outputs, and a patch a row of kernel·kernel·inputs: only patches are ever copied.
#include "kernels/convolution/im2col.h"

#include "kernels/parallel.h"
#include "kernels/product/library.h"
#include "kernels/reductions.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"

#ifdef CT_X86_LINUX

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

namespace ctorch::im2col {

namespace {

/// Memory as a matrix.
at::Tensor matrix(const float *numbers, int64_t rows, int64_t columns) {
  return at::from_blob(const_cast<float *>(numbers), {rows, columns}, at::kFloat);
}

/// Calls body(row, patch offset, image offset, count) for every run of a patch that lies within the image.
template <class Body>
inline void for_each_run(const Geometry &g, Body &&body) {
  const int64_t line = g.kernel_width * g.inputs, columns = g.out_width(), rows = g.out_height();
  for (int64_t row = 0, oy = 0; oy < rows; ++oy)
    for (int64_t ox = 0; ox < columns; ++ox, ++row) {
      const int64_t left = ox * g.stride - g.padding, first = std::max<int64_t>(0, -left);
      const int64_t last = std::min(g.kernel_width, g.width - left);
      for (int64_t ky = 0; ky < g.kernel_height; ++ky) {
        const int64_t y = oy * g.stride - g.padding + ky;
        const bool is_inside = y >= 0 && y < g.height && first < last;
        body(row * g.patch() + ky * line, is_inside ? first * g.inputs : line,
             is_inside ? last * g.inputs : line, is_inside ? (y * g.width + left + first) * g.inputs : 0);
      }
    }
}

/// The patches of one image, with zeros where they reach over its border.
void gather(const Geometry &g, const float *image, float *patches) {
  const int64_t line = g.kernel_width * g.inputs;
  for_each_run(g, [&](int64_t to, int64_t first, int64_t last, int64_t from) {
    std::memset(patches + to, 0, first * sizeof(float));
    std::memcpy(patches + to + first, image + from, (last - first) * sizeof(float));
    std::memset(patches + to + last, 0, (line - last) * sizeof(float));
  });
}

/// The transpose of `gather`: every pixel of the image is the sum of its places in the patches.
void scatter(const Geometry &g, const float *patches, float *image) {
  std::memset(image, 0, g.image() * sizeof(float));
  for_each_run(g, [&](int64_t from, int64_t first, int64_t last, int64_t to) {
    add(patches + from + first, image + to, last - first);
  });
}

/// The most memory for patches, in bytes a block.
constexpr int64_t most_scratch = 8 << 20;
/// The most numbers in the partial sums of a weight's gradient, 64 MB.
constexpr int64_t most_of_sums = 1 << 24;

/// The memory for patches: enough for a product to be worth reading the weights, and small enough to stay in
/// the cache.
int64_t scratch_for(const Geometry &g) {
  return std::clamp<int64_t>(g.weights() * sizeof(float), 1 << 20, most_scratch);
}

/// Divides the images into `parts`, which any thread takes, and calls body(part, first image, images, scratch
/// for their patches) for a few images of a part at a time. Which images go together depends on the shape
/// alone, and so do the last bits of every sum.
template <class Body>
void in_parts(const Geometry &g, int64_t parts, Body &&body) {
  const int64_t size = g.pixels() * g.patch(), share = ceil_div(g.n, parts);
  const int64_t fitting = std::max<int64_t>(1, scratch_for(g) / (size * sizeof(float)));
  const int64_t together = ceil_div(share, ceil_div(share, fitting));
  for_each_in_parallel(ceil_div(g.n, share), [&](int64_t part) {
    const Scratch scratch(together * size);
    for (int64_t i = part * share; i < std::min(g.n, (part + 1) * share); i += together)
      body(part, i, std::min({together, (part + 1) * share - i, g.n - i}), scratch.data());
  });
}

int64_t enough_parts(const Geometry &g) { return std::min(g.n, enough_blocks); }

/// The patches of some images, a row each.
at::Tensor patches(const Geometry &g, const float *x, int64_t first, int64_t count, float *scratch) {
  for (int64_t i = 0; i < count; ++i)
    gather(g, x + (first + i) * g.image(), scratch + i * g.pixels() * g.patch());
  return matrix(scratch, count * g.pixels(), g.patch());
}

/// The results of some images, a row a pixel.
at::Tensor results(const Geometry &g, const float *y, int64_t first, int64_t count) {
  return matrix(y + first * g.result(), count * g.pixels(), g.outputs);
}

}  // namespace

bool fits(const Geometry &g) {
  return g.dilation == 1 && g.pixels() * g.patch() * int64_t(sizeof(float)) <= most_scratch;
}

void forward(const Geometry &g, const float *x, const float *weight, float *y) {
  const ProductLibrary library = product_library();
  const at::Tensor by_output = matrix(weight, g.outputs, g.patch());
  in_parts(g, enough_parts(g), [&](int64_t, int64_t first, int64_t count, float *scratch) {
    multiply(library, results(g, y, first, count), patches(g, x, first, count, scratch), by_output.t());
  });
}

void input_gradient(const Geometry &g, const float *dy, const float *weight, float *dx) {
  const ProductLibrary library = product_library();
  const at::Tensor by_output = matrix(weight, g.outputs, g.patch());
  in_parts(g, enough_parts(g), [&](int64_t, int64_t first, int64_t count, float *rows) {
    multiply(library, matrix(rows, count * g.pixels(), g.patch()), results(g, dy, first, count), by_output);
    for (int64_t i = 0; i < count; ++i)
      scatter(g, rows + i * g.pixels() * g.patch(), dx + (first + i) * g.image());
  });
}

void weight_gradient(const Geometry &g, const float *dy, const float *x, float *dweight) {
  // Every part has its images and its sum, and the sums are added in order.
  const int64_t wanted = std::clamp<int64_t>(most_of_sums / g.weights(), 1, enough_parts(g));
  const int64_t parts = ceil_div(g.n, ceil_div(g.n, wanted));
  const Scratch sums(parts * g.weights());
  const ProductLibrary library = product_library();
  in_parts(g, wanted, [&](int64_t part, int64_t first, int64_t count, float *scratch) {
    const bool is_first = first % ceil_div(g.n, wanted) == 0;
    multiply(library, matrix(sums.data() + part * g.weights(), g.outputs, g.patch()),
             results(g, dy, first, count).t(), patches(g, x, first, count, scratch), !is_first);
  });
  for_each_in_parallel(g.outputs, [&](int64_t output) {
    float *to = dweight + output * g.patch();
    std::memcpy(to, sums.data() + output * g.patch(), g.patch() * sizeof(float));
    for (int64_t part = 1; part < parts; ++part)
      add(sums.data() + part * g.weights() + output * g.patch(), to, g.patch());
  });
}

}  // namespace ctorch::im2col

#endif

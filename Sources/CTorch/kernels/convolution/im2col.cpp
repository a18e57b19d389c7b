// Convolution as a matrix product over gathered patches (docs/decisions/0014).
//
// In channels-last memory a weight is a matrix of outputs × (kernel·kernel·inputs), a result one of
// pixels × outputs, and a patch a row of kernel·kernel·inputs: only patches are ever copied.
#include "kernels/convolution/im2col.h"

#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"

#ifdef CT_X86_LINUX

#include <algorithm>
#include <cstring>

// MKL's, which LibTorch carries.
extern "C" void sgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
                       const float *alpha, const float *a, const int *lda, const float *b, const int *ldb,
                       const float *beta, float *c, const int *ldc);

namespace ctorch::im2col {

namespace {

/// C[rows×columns] = beta·C + A·B of row-major matrices, where A or B may be given transposed. BLAS has
/// column-major matrices, so this is its product of the transposes.
void gemm(bool a_transposed, bool b_transposed, int rows, int columns, int depth, const float *a,
          const float *b, float beta, float *c) {
  const int lda = a_transposed ? rows : depth, ldb = b_transposed ? depth : columns;
  const float one = 1;
  sgemm_(b_transposed ? "T" : "N", a_transposed ? "T" : "N", &columns, &rows, &depth, &one, b, &ldb, a, &lda,
         &beta, c, &columns);
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

CT_WIDE void add(const float *from, float *to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
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

/// The patches of some images.
const float *patches(const Geometry &g, const float *x, int64_t first, int64_t count, float *scratch) {
  for (int64_t i = 0; i < count; ++i)
    gather(g, x + (first + i) * g.image(), scratch + i * g.pixels() * g.patch());
  return scratch;
}

}  // namespace

bool fits(const Geometry &g) {
  return g.dilation == 1 && g.pixels() * g.patch() * int64_t(sizeof(float)) <= most_scratch;
}

void forward(const Geometry &g, const float *x, const float *weight, float *y) {
  in_parts(g, enough_parts(g), [&](int64_t, int64_t first, int64_t count, float *scratch) {
    gemm(false, true, count * g.pixels(), g.outputs, g.patch(), patches(g, x, first, count, scratch), weight,
         0, y + first * g.result());
  });
}

void input_gradient(const Geometry &g, const float *dy, const float *weight, float *dx) {
  in_parts(g, enough_parts(g), [&](int64_t, int64_t first, int64_t count, float *rows) {
    gemm(false, false, count * g.pixels(), g.patch(), g.outputs, dy + first * g.result(), weight, 0, rows);
    for (int64_t i = 0; i < count; ++i)
      scatter(g, rows + i * g.pixels() * g.patch(), dx + (first + i) * g.image());
  });
}

void weight_gradient(const Geometry &g, const float *dy, const float *x, float *dweight) {
  // Every part has its images and its sum, and the sums are added in order.
  const int64_t wanted = std::clamp<int64_t>(most_of_sums / g.weights(), 1, enough_parts(g));
  const int64_t parts = ceil_div(g.n, ceil_div(g.n, wanted));
  const Scratch sums(parts * g.weights());
  in_parts(g, wanted, [&](int64_t part, int64_t first, int64_t count, float *scratch) {
    const bool is_first = first % ceil_div(g.n, wanted) == 0;
    gemm(true, false, g.outputs, g.patch(), count * g.pixels(), dy + first * g.result(),
         patches(g, x, first, count, scratch), is_first ? 0 : 1, sums.data() + part * g.weights());
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

// Convolution as a matrix product over gathered patches (docs/decisions/0014).
//
// In channels-last memory a weight is a matrix of outputs × (kernel·kernel·inputs), a result one of
// pixels × outputs, and a patch a row of kernel·kernel·inputs: only patches are ever copied.
#include "convolution.h"
#include "parallel.h"

#if defined(__x86_64__) && defined(__linux__)

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

using ctorch::Geometry;
using ctorch::product::is_pointwise;

// MKL's, which LibTorch carries.
extern "C" void sgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
                       const float *alpha, const float *a, const int *lda, const float *b, const int *ldb,
                       const float *beta, float *c, const int *ldc);

namespace {

/// C[rows×columns] = beta·C + A·B of row-major matrices, where A or B may be given transposed. (BLAS thinks in columns:
/// it is asked for the transposed product.)
void multiply(bool a_transposed, bool b_transposed, int rows, int columns, int depth, const float *a,
              const float *b, float beta, float *c) {
  const int lda = a_transposed ? rows : depth, ldb = b_transposed ? depth : columns;
  const float one = 1;
  sgemm_(b_transposed ? "T" : "N", a_transposed ? "T" : "N", &columns, &rows, &depth, &one, b, &ldb, a, &lda, &beta, c,
         &columns);
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
        body(row * g.patch() + ky * line, is_inside ? first * g.inputs : line, is_inside ? last * g.inputs : line,
             is_inside ? (y * g.width + left + first) * g.inputs : 0);
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

// The vector width is chosen when the library is loaded.
__attribute__((target_clones("avx512f", "avx2", "default"))) void add(const float *from, float *to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

/// The transpose of `gather`: every pixel of the image is the sum of its places in the patches.
void scatter(const Geometry &g, const float *patches, float *image) {
  std::memset(image, 0, g.image() * sizeof(float));
  for_each_run(g, [&](int64_t from, int64_t first, int64_t last, int64_t to) {
    add(patches + from + first, image + to, last - first);
  });
}

/// What patches may take of the memory, in bytes a thread.
constexpr int64_t most_room = 8 << 20;

/// What they do take: enough for a product to be worth reading the weights for, and no more than stays in the cache.
int64_t room_for(const Geometry &g) {
  return std::clamp<int64_t>(g.weights() * sizeof(float), 1 << 20, most_room);
}

/// Runs body(thread, first image, images, room for their patches) over all images, a few at a time. Which images go
/// together depends on the shape and the number of threads alone, and so do the last bits of every sum.
template <class Body>
void in_parts(const Geometry &g, int64_t threads, Body &&body) {
  const int64_t size = g.pixels() * g.patch();
  const int64_t share = (g.n + threads - 1) / threads;
  const int64_t fitting = std::max<int64_t>(1, room_for(g) / (size * sizeof(float)));
  const int64_t parts = (share + fitting - 1) / fitting, part = (share + parts - 1) / parts;
  const at::Tensor room = at::empty({is_pointwise(g) ? 0 : threads * part * size}, at::kFloat);
  float *rooms = room.data_ptr<float>(); // nothing where patches are images
  ctorch::in_parallel(threads, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; ++thread)
      for (int64_t i = thread * share; i < std::min(g.n, (thread + 1) * share); i += part)
        body(thread, i, std::min({part, (thread + 1) * share - i, g.n - i}),
             rooms ? rooms + thread * part * size : nullptr);
  });
}

int64_t threads_for(const Geometry &g) { return std::min<int64_t>(at::get_num_threads(), g.n); }

/// The patches of some images: themselves, where a patch is a pixel.
const float *patches(const Geometry &g, const float *x, int64_t first, int64_t count, float *room) {
  if (is_pointwise(g)) return x + first * g.image();
  for (int64_t i = 0; i < count; ++i)
    gather(g, x + (first + i) * g.image(), room + i * g.pixels() * g.patch());
  return room;
}

} // namespace

bool ctorch::product::is_pointwise(const Geometry &g) {
  return g.kernel_height == 1 && g.kernel_width == 1 && g.stride == 1 && g.padding == 0;
}

bool ctorch::product::fits(const Geometry &g) {
  return is_pointwise(g) || g.pixels() * g.patch() * int64_t(sizeof(float)) <= most_room;
}

at::Tensor ctorch::product::forward(const Geometry &g, const at::Tensor &x, const at::Tensor &weight) {
  const at::Tensor y = g.result();
  const float *from = x.data_ptr<float>(), *weights = weight.data_ptr<float>();
  float *to = y.data_ptr<float>();
  in_parts(g, threads_for(g), [&](int64_t, int64_t first, int64_t count, float *room) {
    multiply(false, true, count * g.pixels(), g.outputs, g.patch(), patches(g, from, first, count, room), weights, 0,
             to + first * g.pixels() * g.outputs);
  });
  return y;
}

at::Tensor ctorch::product::input_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &weight) {
  const at::Tensor dx = g.images();
  const float *from = dy.data_ptr<float>(), *weights = weight.data_ptr<float>();
  float *to = dx.data_ptr<float>();
  in_parts(g, threads_for(g), [&](int64_t, int64_t first, int64_t count, float *room) {
    float *rows = is_pointwise(g) ? to + first * g.image() : room;
    multiply(false, false, count * g.pixels(), g.patch(), g.outputs, from + first * g.pixels() * g.outputs, weights, 0,
             rows);
    if (is_pointwise(g)) return;
    for (int64_t i = 0; i < count; ++i)
      scatter(g, rows + i * g.pixels() * g.patch(), to + (first + i) * g.image());
  });
  return dx;
}

at::Tensor ctorch::product::weight_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &x) {
  const int64_t threads = threads_for(g);
  const at::Tensor sums = at::zeros({threads, g.outputs, g.kernel_height, g.kernel_width, g.inputs}, at::kFloat);
  const float *from = x.data_ptr<float>(), *slopes = dy.data_ptr<float>();
  float *to = sums.data_ptr<float>();
  in_parts(g, threads, [&](int64_t thread, int64_t first, int64_t count, float *room) {
    multiply(true, false, g.outputs, g.patch(), count * g.pixels(), slopes + first * g.pixels() * g.outputs,
             patches(g, from, first, count, room), 1, to + thread * g.outputs * g.patch());
  });
  return (threads == 1 ? sums[0] : sums.sum(0)).permute({0, 3, 1, 2});
}

#endif

// Convolution of float32 images in channels-last memory, each pass by whichever is faster on a CPU with AVX-512:
// oneDNN, which LibTorch calls, or a matrix product over gathered patches (docs/decisions/0014).
//
// In channels-last memory a weight is a matrix of outputs × (kernel·kernel·inputs), a result one of
// pixels × outputs, and a patch a row of kernel·kernel·inputs: only patches are ever copied.

// As LibTorch itself was built: without this a header of its asks for a mark that only a debug build of it sets.
#ifndef NDEBUG
#define NDEBUG
#endif
#include "convolution.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

static at::Tensor by_library(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding) {
  // The dilation is spelt out for each direction: the counter of work reads it so.
  return at::conv2d(x, weight, {}, {stride, stride}, {padding, padding}, {1, 1});
}

#if defined(__x86_64__) && defined(__linux__)

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

struct Geometry {
  int64_t n, height, width, inputs, outputs, kernel_height, kernel_width, stride, padding;

  Geometry(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding)
      : n(x.size(0)), height(x.size(2)), width(x.size(3)), inputs(x.size(1)), outputs(weight.size(0)),
        kernel_height(weight.size(2)), kernel_width(weight.size(3)), stride(stride), padding(padding) {}

  int64_t out_height() const { return (height + 2 * padding - kernel_height) / stride + 1; }
  int64_t out_width() const { return (width + 2 * padding - kernel_width) / stride + 1; }
  int64_t pixels() const { return out_height() * out_width(); }
  int64_t image() const { return height * width * inputs; }
  int64_t patch() const { return kernel_height * kernel_width * inputs; }
  /// The images are the patches.
  bool is_pointwise() const { return kernel_height == 1 && kernel_width == 1 && stride == 1 && padding == 0; }
};

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
  return std::clamp<int64_t>(g.outputs * g.patch() * sizeof(float), 1 << 20, most_room);
}

/// Runs body(thread, first image, images, room for their patches) over all images, a few at a time. Which images go
/// together depends on the shape and the number of threads alone, and so do the last bits of every sum.
template <class Body>
void in_parts(const Geometry &g, int64_t threads, Body &&body) {
  const int64_t size = g.pixels() * g.patch();
  const int64_t share = (g.n + threads - 1) / threads;
  const int64_t fitting = std::max<int64_t>(1, room_for(g) / (size * sizeof(float)));
  const int64_t parts = (share + fitting - 1) / fitting, part = (share + parts - 1) / parts;
  const at::Tensor room = at::empty({g.is_pointwise() ? 0 : threads * part * size}, at::kFloat);
  float *rooms = room.data_ptr<float>(); // nothing where patches are images
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; ++thread)
      for (int64_t i = thread * share; i < std::min(g.n, (thread + 1) * share); i += part)
        body(thread, i, std::min({part, (thread + 1) * share - i, g.n - i}),
             rooms ? rooms + thread * part * size : nullptr);
  });
}

int64_t threads_for(const Geometry &g) { return std::min<int64_t>(at::get_num_threads(), g.n); }

/// The patches of some images: themselves, where a patch is a pixel.
const float *patches(const Geometry &g, const float *x, int64_t first, int64_t count, float *room) {
  if (g.is_pointwise()) return x + first * g.image();
  for (int64_t i = 0; i < count; ++i)
    gather(g, x + (first + i) * g.image(), room + i * g.pixels() * g.patch());
  return room;
}

at::Tensor product_forward(const Geometry &g, const at::Tensor &x, const at::Tensor &weight) {
  at::Tensor y = at::empty({g.n, g.outputs, g.out_height(), g.out_width()},
                           x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const float *from = x.data_ptr<float>(), *weights = weight.data_ptr<float>();
  float *to = y.data_ptr<float>();
  in_parts(g, threads_for(g), [&](int64_t, int64_t first, int64_t count, float *room) {
    multiply(false, true, count * g.pixels(), g.outputs, g.patch(), patches(g, from, first, count, room), weights, 0,
             to + first * g.pixels() * g.outputs);
  });
  return y;
}

at::Tensor product_input_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &x,
                                  const at::Tensor &weight) {
  at::Tensor dx = at::empty_like(x);
  const float *from = dy.data_ptr<float>(), *weights = weight.data_ptr<float>();
  float *to = dx.data_ptr<float>();
  in_parts(g, threads_for(g), [&](int64_t, int64_t first, int64_t count, float *room) {
    float *rows = g.is_pointwise() ? to + first * g.image() : room;
    multiply(false, false, count * g.pixels(), g.patch(), g.outputs, from + first * g.pixels() * g.outputs, weights, 0,
             rows);
    if (g.is_pointwise()) return;
    for (int64_t i = 0; i < count; ++i)
      scatter(g, rows + i * g.pixels() * g.patch(), to + (first + i) * g.image());
  });
  return dx;
}

at::Tensor product_weight_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &x) {
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

/// Which passes are matrix products: by the shape alone, never by a clock, so that a run that is resumed computes
/// what the run that was never stopped would have.
struct Products {
  bool forward, input_gradient, weight_gradient;

  explicit Products(const Geometry &g) {
    const int64_t weights = g.outputs * g.patch();
    const bool is_single = g.kernel_height == 1 && g.kernel_width == 1, is_large = weights >= 1 << 20;
    const bool has_room = g.is_pointwise() || g.pixels() * g.patch() * int64_t(sizeof(float)) <= most_room;
    if (!has_room) {
      forward = input_gradient = weight_gradient = false;
    } else if (g.is_pointwise()) {
      forward = input_gradient = true;
      weight_gradient = is_large;
    } else if (is_single) {
      forward = input_gradient = weight_gradient = weights >= 1 << 17;
    } else {
      forward = input_gradient = is_large;
      weight_gradient = weights >= (g.stride > 1 ? 1 << 16 : 1 << 19);
    }
  }

  bool any() const { return forward || input_gradient || weight_gradient; }
};

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &kernel, int64_t stride,
                            int64_t padding) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor weight = kernel.contiguous(at::MemoryFormat::ChannelsLast);
    context->save_for_backward({x, weight});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    const Geometry geometry(x, weight, stride, padding);
    if (!Products(geometry).forward) return by_library(x, weight, stride, padding);
    RECORD_FUNCTION("ctorch::convolution",
                    std::vector<c10::IValue>({x, weight, {}, std::vector<int64_t>{stride, stride},
                                              std::vector<int64_t>{padding, padding}, std::vector<int64_t>{1, 1}}));
    return product_forward(geometry, x, weight);
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a convolution's gradient has no gradient of its own here");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const int64_t stride = context->saved_data["stride"].toInt(), padding = context->saved_data["padding"].toInt();
    const at::Tensor dy = outputs[0].contiguous(at::MemoryFormat::ChannelsLast);
    const Geometry geometry(x, weight, stride, padding);
    const Products products(geometry);
    const bool for_input = context->needs_input_grad(0), for_weight = context->needs_input_grad(1);

    variable_list gradients(4);
    const std::array<bool, 3> left{for_input && !products.input_gradient, for_weight && !products.weight_gradient, false};
    if (left[0] || left[1])
      std::tie(gradients[0], gradients[1], std::ignore) =
          at::convolution_backward(dy, x, weight, at::OptionalIntArrayRef(), {stride, stride}, {padding, padding}, {1, 1},
                                   /*transposed=*/false, {0, 0}, /*groups=*/1, left);
    const bool input_here = for_input && products.input_gradient, weight_here = for_weight && products.weight_gradient;
    if (!input_here && !weight_here) return gradients;
    RECORD_FUNCTION("ctorch::convolution_backward",
                    std::vector<c10::IValue>({dy, x, weight, c10::List<bool>({input_here, weight_here, false})}));
    if (input_here) gradients[0] = product_input_gradient(geometry, dy, x, weight);
    if (weight_here) gradients[1] = product_weight_gradient(geometry, dy, x);
    return gradients;
  }
};

bool is_plain(const at::Tensor &x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.numel() > 0 && x.layout() == at::kStrided;
}

} // namespace

at::Tensor ctorch::convolution(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding) {
  // Measured with AVX-512 only.
  static const bool is_measured = at::get_cpu_capability() == "AVX512";
  const bool fits = is_measured && is_plain(x) && is_plain(weight) && weight.size(1) == x.size(1) && stride > 0 &&
                    padding >= 0 && weight.size(2) <= x.size(2) + 2 * padding &&
                    weight.size(3) <= x.size(3) + 2 * padding && !at::autocast::is_autocast_enabled(at::kCPU);
  if (!fits || !Products(Geometry(x, weight, stride, padding)).any())
    return by_library(x, weight, stride, padding);
  return Convolution::apply(x, weight, stride, padding);
}

#else

at::Tensor ctorch::convolution(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding) {
  return by_library(x, weight, stride, padding);
}

#endif

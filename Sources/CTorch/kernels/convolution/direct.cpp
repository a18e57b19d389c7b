// Convolution by its definition, for few channels (docs/decisions/0014).
//
// In channels-last memory a row of a kernel meets kernel width × inputs adjacent numbers of an image, if the
// image has its padding around it: an image at a time is copied into such a frame. Sums of 6 pixels × 16
// outputs, or of 6 weights × 16 outputs, stay in registers.
//
// The input's gradient is a convolution of the results' gradient. With a stride, the pixels whose row and
// column leave the same remainder see the same places of the kernel, and stride² kernels are left.
#include "kernels/convolution/direct.h"

#include "kernels/parallel.h"
#include "kernels/reductions.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"

#ifdef CT_X86_LINUX

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace ctorch::direct {

namespace {

/// Outputs whose sums are computed together, and the most pixels or weights.
constexpr int64_t panel = 16, most_rows = 6;
/// Products of two numbers that are worth a block of their own.
constexpr int64_t least_work = 1 << 21;
/// Blocks are of images: fewer than these do not busy the threads, unless an image is little work.
constexpr int64_t least_images = 8, most_work = 1 << 25;
/// Pixels of a band, whose gradients stay in the cache.
constexpr int64_t band_pixels = 128;

/// Images, each in a frame of zeros that begins `before` pixels above and left of it; a bare one has no
/// zeros.
struct Frame {
  int64_t height, width, channels, before, framed_height, framed_width;

  int64_t line() const { return framed_width * channels; }
  bool is_bare() const { return height == framed_height && width == framed_width; }
  Scratch scratch() const { return Scratch::zeros(is_bare() ? 0 : framed_height * line()); }

  /// The image in its frame, by way of `scratch` if there is one.
  const float *of(const float *image, const Scratch &scratch) const {
    if (is_bare()) return image;
    float *to = scratch.data() + before * line() + before * channels;
    for (int64_t y = 0; y < height; ++y)
      std::memcpy(to + y * line(), image + y * width * channels, width * channels * sizeof(float));
    return scratch.data();
  }
};

/// Weights with their strides; `first` is that of the place that meets a frame's first pixel.
struct Weights {
  const float *first;
  int64_t by_row, by_column, by_input, by_output;
};

/// Offsets of a sum's first factor in its frame, and of the sum in the results.
struct Pixel {
  int64_t from, to;
};

/// A kernel of rows × columns places, and the pixels that see it, in a number that `most_rows` divides.
struct Kernel {
  int64_t rows, columns, inputs, outputs;
  /// [panel of outputs][row][column][input][16]
  Scratch weights;
  std::vector<Pixel> pixels;

  Kernel(int64_t rows, int64_t columns, int64_t inputs, int64_t outputs, const Weights &from)
      : rows(rows),
        columns(columns),
        inputs(inputs),
        outputs(outputs),
        weights(rows * columns * inputs * outputs) {
    float *to = weights.data();
    for (int64_t o = 0; o < outputs; o += panel)
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; ++column)
          for (int64_t i = 0; i < inputs; ++i, to += panel) {
            const float *own = from.first + row * from.by_row + column * from.by_column + i * from.by_input +
                               o * from.by_output;
            for (int64_t lane = 0; lane < panel; ++lane) to[lane] = own[lane * from.by_output];
          }
  }

  /// Repeats the last pixel, whose sums are then computed more than once.
  void fill_up() {
    while (!pixels.empty() && pixels.size() % most_rows) pixels.push_back(pixels.back());
  }
};

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

typedef float Vec8 __attribute__((vector_size(32), aligned(4)));
constexpr int lanes = 8, vectors = panel / lanes;

inline Vec8 load(const float *from) { return *reinterpret_cast<const Vec8 *>(from); }
inline void store(float *to, Vec8 value) { *reinterpret_cast<Vec8 *>(to) = value; }

/// The sums of 16 outputs at 6 pixels.
void multiply(const Kernel &kernel, const float *frame, int64_t line, const float *weights,
              const Pixel *pixels, float *to) {
  Vec8 sums[most_rows][vectors] = {};
  const float *from[most_rows];
  for (int r = 0; r < most_rows; ++r) from[r] = frame + pixels[r].from;
  const int64_t run = kernel.columns * kernel.inputs;
  for (int64_t row = 0; row < kernel.rows; ++row) {
#pragma clang loop unroll(disable)
    for (int64_t i = 0; i < run; ++i, weights += panel) {
      const Vec8 own[vectors] = {load(weights), load(weights + lanes)};
#pragma unroll
      for (int r = 0; r < most_rows; ++r)
#pragma unroll
        for (int j = 0; j < vectors; ++j) sums[r][j] += from[r][i] * own[j];
    }
#pragma unroll
    for (int r = 0; r < most_rows; ++r) from[r] += line;
  }
#pragma unroll
  for (int r = 0; r < most_rows; ++r)
#pragma unroll
    for (int j = 0; j < vectors; ++j) store(to + pixels[r].to + j * lanes, sums[r][j]);
}

/// Some rows of results. `step` and `line` are the distances in the frame between the pixels that meet a
/// place of the kernel for adjacent results, and for adjacent rows.
struct Band {
  int64_t rows, columns, outputs, step, line;
};

/// Adds to the sums of `count` adjacent weights × 16 outputs over a band.
template <int count>
void accumulate(const Band &band, const float *x, const float *dy, float *to) {
  Vec8 sums[count][vectors];
#pragma unroll
  for (int r = 0; r < count; ++r)
#pragma unroll
    for (int j = 0; j < vectors; ++j) sums[r][j] = load(to + r * panel + j * lanes);
  for (int64_t row = 0; row < band.rows; ++row, x += band.line) {
    const float *from = x;
#pragma clang loop unroll(disable)
    for (int64_t column = 0; column < band.columns; ++column, from += band.step, dy += band.outputs) {
      const Vec8 own[vectors] = {load(dy), load(dy + lanes)};
#pragma unroll
      for (int r = 0; r < count; ++r)
#pragma unroll
        for (int j = 0; j < vectors; ++j) sums[r][j] += from[r] * own[j];
    }
  }
#pragma unroll
  for (int r = 0; r < count; ++r)
#pragma unroll
    for (int j = 0; j < vectors; ++j) store(to + r * panel + j * lanes, sums[r][j]);
}

#pragma clang attribute pop

/// `accumulate` by its number of weights, from 1.
constexpr decltype(&accumulate<1>) accumulate_rows[most_rows] = {accumulate<1>, accumulate<2>, accumulate<3>,
                                                                 accumulate<4>, accumulate<5>, accumulate<6>};

/// Images of a block, by the shape alone.
int64_t images_of_block(const Geometry &g) {
  const int64_t work = g.n * g.pixels() * g.weights();
  return ceil_div(g.n, std::clamp<int64_t>(work / least_work, 1, std::min(g.n, enough_blocks)));
}

/// Calls body(block, first image, last) for all blocks, in parallel.
template <class Body>
void for_each_block(const Geometry &g, Body &&body) {
  const int64_t images = images_of_block(g);
  for_each_in_parallel(ceil_div(g.n, images), [&](int64_t block) {
    body(block, block * images, std::min(g.n, (block + 1) * images));
  });
}

/// The convolutions of x with some kernels, which share out y's pixels.
void convolve(const Geometry &g, const Frame &frame, const std::vector<Kernel> &kernels, const float *x,
              float *y, int64_t result) {
  for_each_block(g, [&](int64_t, int64_t first, int64_t last) {
    const Scratch scratch = frame.scratch();
    for (int64_t i = first; i < last; ++i) {
      const float *from = frame.of(x + i * frame.height * frame.width * frame.channels, scratch);
      for (const Kernel &kernel : kernels)
        for (int64_t o = 0; o < kernel.outputs; o += panel)
          for (size_t pixel = 0; pixel < kernel.pixels.size(); pixel += most_rows)
            multiply(kernel, from, frame.line(),
                     kernel.weights.data() + o * kernel.rows * kernel.columns * kernel.inputs,
                     &kernel.pixels[pixel], y + i * result + o);
    }
  });
}

Frame frame_of_images(const Geometry &g) {
  return {g.height, g.width, g.inputs, g.padding, g.height + 2 * g.padding, g.width + 2 * g.padding};
}

/// Of the results' gradients: the kernels reach `before` rows beyond the first, and some beyond the last.
Frame frame_of_gradients(const Geometry &g) {
  const int64_t before = ceil_div(std::max(g.kernel_height, g.kernel_width), g.stride) - 1;
  const auto framed = [&](int64_t out, int64_t side) {
    return before + std::max(out, (side - 1 + g.padding) / g.stride + 1);
  };
  return {g.out_height(),
          g.out_width(),
          g.outputs,
          before,
          framed(g.out_height(), g.height),
          framed(g.out_width(), g.width)};
}

/// The kernel of pixels that lie `y` and `x` after a multiple of the stride, counted from the padding's
/// first.
Kernel kernel_of_gradient(const Geometry &g, const Frame &frame, const float *weight, int64_t y, int64_t x) {
  // Places y, y + stride, ... of the kernel's rows, the last one first.
  const auto places = [&](int64_t side, int64_t first) {
    return first < side ? ceil_div(side - first, g.stride) : 0;
  };
  const int64_t rows = places(g.kernel_height, y), columns = places(g.kernel_width, x);
  const int64_t last_row = y + (rows - 1) * g.stride, last_column = x + (columns - 1) * g.stride;
  const int64_t by_column = g.inputs, by_row = g.kernel_width * by_column;
  Kernel kernel(rows, columns, g.outputs, g.inputs,
                {weight + last_row * by_row + last_column * by_column, -g.stride * by_row,
                 -g.stride * by_column, g.patch(), 1});
  const auto first = [&](int64_t remainder) {
    return ((remainder - g.padding) % g.stride + g.stride) % g.stride;
  };
  for (int64_t row = first(y); row < g.height; row += g.stride)
    for (int64_t column = first(x); column < g.width; column += g.stride) {
      const int64_t top = frame.before + (row + g.padding) / g.stride - rows + 1;
      const int64_t left = frame.before + (column + g.padding) / g.stride - columns + 1;
      kernel.pixels.push_back({top * frame.line() + left * g.outputs, (row * g.width + column) * g.inputs});
    }
  kernel.fill_up();
  return kernel;
}

/// Adds to the sums of all weights over one image, [panel of outputs][kernel row][column][input][16].
void accumulate_image(const Geometry &g, const Frame &frame, const float *x, const float *dy, float *sums) {
  const int64_t run = g.kernel_width * g.inputs, groups = ceil_div(run, most_rows);
  const int64_t rows_at_once = std::max<int64_t>(1, band_pixels / g.out_width());
  for (int64_t top = 0; top < g.out_height(); top += rows_at_once) {
    const Band band{std::min(rows_at_once, g.out_height() - top), g.out_width(), g.outputs,
                    g.stride * g.inputs, g.stride * frame.line()};
    for (int64_t o = 0; o < g.outputs; o += panel)
      for (int64_t row = 0; row < g.kernel_height; ++row)
        for (int64_t group = 0; group < groups; ++group) {
          const int64_t begin = group * run / groups, end = (group + 1) * run / groups;
          accumulate_rows[end - begin - 1](band, x + (top * g.stride + row) * frame.line() + begin,
                                           dy + top * g.out_width() * g.outputs + o,
                                           sums + o * g.patch() + (row * run + begin) * panel);
        }
  }
}

}  // namespace

bool fits(const Geometry &g) {
  const bool is_cut = g.n >= least_images || g.pixels() * g.weights() <= most_work;
  return g.dilation == 1 && g.outputs % panel == 0 && is_cut;
}
bool has_input_gradient(const Geometry &g) { return g.inputs % panel == 0; }

void forward(const Geometry &g, const float *x, const float *weight, float *y) {
  const Frame frame = frame_of_images(g);
  std::vector<Kernel> kernels;
  Kernel &kernel = kernels.emplace_back(g.kernel_height, g.kernel_width, g.inputs, g.outputs,
                                        Weights{weight, g.kernel_width * g.inputs, g.inputs, 1, g.patch()});
  kernel.pixels.reserve(g.pixels() + most_rows);
  for (int64_t row = 0, to = 0; row < g.out_height(); ++row)
    for (int64_t column = 0; column < g.out_width(); ++column, to += g.outputs)
      kernel.pixels.push_back({row * g.stride * frame.line() + column * g.stride * g.inputs, to});
  kernel.fill_up();
  convolve(g, frame, kernels, x, y, g.result());
}

void input_gradient(const Geometry &g, const float *dy, const float *weight, float *dx) {
  const Frame frame = frame_of_gradients(g);
  std::vector<Kernel> kernels;
  for (int64_t y = 0; y < g.stride; ++y)
    for (int64_t x = 0; x < g.stride; ++x) kernels.push_back(kernel_of_gradient(g, frame, weight, y, x));
  convolve(g, frame, kernels, dy, dx, g.image());
}

void weight_gradient(const Geometry &g, const float *dy, const float *x, float *dweight) {
  // Every block has its sums, which are added in order.
  const Frame frame = frame_of_images(g);
  const int64_t blocks = ceil_div(g.n, images_of_block(g));
  const Scratch sums(blocks * g.weights());
  for_each_block(g, [&](int64_t block, int64_t first, int64_t last) {
    float *own = sums.data() + block * g.weights();
    std::memset(own, 0, g.weights() * sizeof(float));
    const Scratch scratch = frame.scratch();
    for (int64_t i = first; i < last; ++i)
      accumulate_image(g, frame, frame.of(x + i * g.image(), scratch), dy + i * g.result(), own);
  });
  for_each_in_parallel(g.outputs / panel, [&](int64_t i) {
    float *own = sums.data() + i * panel * g.patch(), *to = dweight + i * panel * g.patch();
    for (int64_t block = 1; block < blocks; ++block) add(own + block * g.weights(), own, panel * g.patch());
    for (int64_t lane = 0; lane < panel; ++lane)
      for (int64_t place = 0; place < g.patch(); ++place)
        to[lane * g.patch() + place] = own[place * panel + lane];
  });
}

}  // namespace ctorch::direct

#endif

// 3×3 convolution by Winograd's minimal filtering F(2×2, 3×3), as Lavin and Gray (2016) use it for networks
// (docs/decisions/0019).
//
// Two by two results need 4×4 pixels and 36 products a pair of channels when computed by definition. With
//
//     y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A        d: 4×4 pixels, g: 3×3 weights, y: 2×2 results
//
// 16 are left: each of the 16 positions of ⊙ is one matrix product of tiles × inputs times inputs × outputs,
// and the rest is sums. Its transposes give the gradients: the input's is the same convolution with the
// weights turned, and
//
//     dg = Gᵀ [Σ (A dy Aᵀ) ⊙ (Bᵀ d B)] G    summed over tiles
//
// A few tiles at a time go through all three steps while they are in the cache.
#include "kernels/convolution/winograd.h"

#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"

#ifdef CT_X86_LINUX

#include "kernels/convolution/winograd_transforms.h"

#include <algorithm>

namespace ctorch::winograd {

namespace {

/// Tiles whose sums are in registers at once.
constexpr int64_t strip = 12;
/// The most numbers in the partial sums of a weight's gradient: 128 MB.
constexpr int64_t most_of_sums = 1 << 25;

#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)

/// m = v·u of one position: tiles × inputs times inputs × outputs. 24 sums, two rows of weights and an input
/// take 27 of 32 registers.
void multiply_tiles(const float *v, const float *u, float *m, int64_t together, int64_t inputs,
                    int64_t outputs) {
  for (int64_t o = 0; o < outputs; o += panel)
    for (int64_t tile = 0; tile < together; tile += strip) {
      Vec16 sums[strip][2] = {};
      const float *weights = u + o * inputs;
      for (int64_t c = 0; c < inputs; c += panel) {
        const float *from = v + offset(tile, c, together);
#pragma clang loop unroll(disable)
        for (int i = 0; i < panel; ++i, weights += panel) {
          const Vec16 low = load(weights), high = load(weights + lanes);
#pragma unroll
          for (int row = 0; row < strip; ++row) {
            sums[row][0] += from[row * panel + i] * low;
            sums[row][1] += from[row * panel + i] * high;
          }
        }
      }
      float *to = m + offset(tile, o, together);
#pragma unroll
      for (int row = 0; row < strip; ++row, to += panel)
        store(to, sums[row][0]), store(to + lanes, sums[row][1]);
    }
}

/// du = wᵀ·v of one position, or du += it: outputs × tiles times tiles × inputs, as [panel of
/// inputs][output][32].
void accumulate_tiles(const float *w, const float *v, int64_t together, bool is_first, float *du,
                      int64_t inputs, int64_t outputs) {
  constexpr int rows = 8;
  for (int64_t c = 0; c < inputs; c += panel)
    for (int64_t o = 0; o < outputs; o += rows) {
      Vec16 sums[rows][2] = {};
      const float *grads = w + offset(0, o, together), *from = v + offset(0, c, together);
#pragma clang loop unroll(disable)
      for (int64_t tile = 0; tile < together; ++tile, grads += panel, from += panel) {
        const Vec16 low = load(from), high = load(from + lanes);
#pragma unroll
        for (int row = 0; row < rows; ++row)
          sums[row][0] += grads[row] * low, sums[row][1] += grads[row] * high;
      }
      float *to = du + c * outputs + o * panel;
#pragma unroll
      for (int row = 0; row < rows; ++row, to += panel) {
        store(to, is_first ? sums[row][0] : load(to) + sums[row][0]);
        store(to + lanes, is_first ? sums[row][1] : load(to + lanes) + sums[row][1]);
      }
    }
}

#pragma clang attribute pop

template <class Pixel>
struct Images {
  Pixel *data;
  int64_t n, height, width, channels;
};

/// Cut so that every tile has two by two results of its own out of `out_height` × `out_width`.
template <class Pixel>
Tiled<Pixel> tiled(const Images<Pixel> &x, int64_t padding, int64_t out_height, int64_t out_width,
                   Pixel *outside) {
  const int64_t rows = ceil_div(out_height, 2), columns = ceil_div(out_width, 2);
  return {x.data, x.height, x.width, x.channels, padding, rows, columns, x.n * rows * columns, outside};
}

/// Strips that go through all steps together. Transformed weights are read once a block. Up to 4 MB they stay
/// in the cache, and a block is small, so that its planes stay there too; of larger ones a block's planes
/// take as much memory as they do, so that reading them matters little.
int64_t strips_of_a_block(int64_t inputs, int64_t outputs) {
  return inputs * outputs <= 1 << 16 ? 4 : ceil_div(inputs * outputs / (inputs + outputs), strip);
}

/// Divides tiles into `parts`, which any thread takes, and calls body(part, first tile, tiles, whether they
/// are its first, scratch for planes of inputs, and of outputs) for a block of them at a time. Which tiles go
/// together depends on the shape alone.
template <class Body>
void in_blocks(int64_t tiles, int64_t parts, int64_t inputs, int64_t outputs, Body &&body) {
  const int64_t strips = ceil_div(tiles, strip), most = strips_of_a_block(inputs, outputs);
  const int64_t plane = positions * std::min(most, ceil_div(strips, parts)) * strip;
  for_each_in_parallel(parts, [&](int64_t part) {
    const Scratch planes(plane * (inputs + outputs));
    const int64_t start = part * strips / parts, count = (part + 1) * strips / parts - start;
    const int64_t blocks = ceil_div(count, most);
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t first = block * count / blocks, last = (block + 1) * count / blocks;
      body(part, (start + first) * strip, (last - first) * strip, block == 0, planes.data(),
           planes.data() + plane * inputs);
    }
  });
}

/// The convolution of x into y.
void convolve(const Images<const float> &x, int64_t padding, const Weights &weights, const Images<float> &y) {
  const int64_t inputs = x.channels, outputs = y.channels;
  const Scratch transformed(positions * inputs * outputs), border = Scratch::zeros(inputs);
  float *u = transformed.data();
  const int64_t rows = weights.are_inputs_adjacent() ? outputs : inputs;
  for_each_in_parallel(rows / lanes,
                       [&](int64_t i) { transform_weights(weights, inputs, outputs, i * lanes, u); });
  const auto from = tiled<const float>(x, padding, y.height, y.width, border.data());
  const auto to = tiled<float>(y, 0, y.height, y.width, nullptr);
  const int64_t strips = ceil_div(from.tiles, strip);
  const int64_t parts =
      std::max(std::min(strips, enough_blocks), ceil_div(strips, strips_of_a_block(inputs, outputs)));
  const Scratch discarded(parts * outputs);
  in_blocks(from.tiles, parts, inputs, outputs,
            [&](int64_t part, int64_t first, int64_t together, bool, float *v, float *m) {
              transform_inputs(from, first, together, v);
              for (int64_t i = 0; i < positions; ++i)
                multiply_tiles(v + i * together * inputs, u + i * inputs * outputs,
                               m + i * together * outputs, together, inputs, outputs);
              auto own = to;
              own.outside = discarded.data() + part * outputs;
              inverse_transform(m, first, together, own);
            });
}

}  // namespace

bool fits(const Geometry &g) {
  const bool is_worth_it = g.n * g.pixels() >= std::min<int64_t>(1024, 4 * std::max(g.inputs, g.outputs));
  return g.kernel_height == 3 && g.kernel_width == 3 && g.stride == 1 && g.padding <= 2 &&
         g.inputs % panel == 0 && g.outputs % panel == 0 && is_worth_it;
}

void forward(const Geometry &g, const float *x, const float *weight, float *y) {
  convolve({x, g.n, g.height, g.width, g.inputs}, g.padding, {weight, g.patch(), 1, g.inputs},
           {y, g.n, g.out_height(), g.out_width(), g.outputs});
}

void input_gradient(const Geometry &g, const float *dy, const float *weight, float *dx) {
  // Outputs and inputs change places, and the kernel is turned by half a turn.
  convolve({dy, g.n, g.out_height(), g.out_width(), g.outputs}, 2 - g.padding,
           {weight + 8 * g.inputs, 1, g.patch(), -g.inputs}, {dx, g.n, g.height, g.width, g.inputs});
}

void weight_gradient(const Geometry &g, const float *dy, const float *x, float *dweight) {
  const Scratch border = Scratch::zeros(std::max(g.inputs, g.outputs));
  const auto images = tiled<const float>({x, g.n, g.height, g.width, g.inputs}, g.padding, g.out_height(),
                                         g.out_width(), border.data());
  const auto grads = tiled<const float>({dy, g.n, g.out_height(), g.out_width(), g.outputs}, 0,
                                        g.out_height(), g.out_width(), border.data());
  // Every part has its tiles and its sum, and the sums are added in order.
  const int64_t size = g.inputs * g.outputs,
                fitting = std::max<int64_t>(1, most_of_sums / (positions * size));
  const int64_t parts = std::min({ceil_div(images.tiles, strip), fitting, enough_blocks});
  const Scratch sums(parts * positions * size);
  in_blocks(images.tiles, parts, g.inputs, g.outputs,
            [&](int64_t part, int64_t first, int64_t together, bool is_first, float *v, float *w) {
              transform_inputs(images, first, together, v);
              transform_output_gradients(grads, first, together, w);
              float *du = sums.data() + part * positions * size;
              for (int64_t i = 0; i < positions; ++i)
                accumulate_tiles(w + i * together * g.outputs, v + i * together * g.inputs, together,
                                 is_first, du + i * size, g.inputs, g.outputs);
            });
  for_each_in_parallel(g.outputs, [&](int64_t output) {
    inverse_transform_weight_gradient(sums.data(), parts, g.inputs, g.outputs, output,
                                      dweight + output * g.patch());
  });
}

}  // namespace ctorch::winograd

#endif

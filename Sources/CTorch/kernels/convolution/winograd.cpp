// 3×3 convolution by Winograd's minimal filtering, F(2×2, 3×3) and F(4×4, 3×3), as Lavin and Gray (2016) use
// it for networks (docs/decisions/0019).
//
// Two by two results need 4×4 pixels and 36 products a pair of channels when computed by definition. With
//
//     y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A        d: 4×4 pixels, g: 3×3 weights, y: 2×2 results
//
// 16 are left: each of the 16 positions of ⊙ is one matrix product of tiles × inputs times inputs × outputs,
// and the rest is sums. Four by four results need 6×6 pixels and 36 products in place of 144. The transposes
// give the gradients: the input's is the same convolution with the weights turned, and
//
//     dg = Gᵀ [Σ (A dy Aᵀ) ⊙ (Bᵀ d B)] G    summed over tiles
//
// A few tiles at a time go through all three steps while they are in the cache.
#include "kernels/convolution/winograd.h"

#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"

#ifdef CT_X86_LINUX

#include "kernels/convolution/winograd_tiles.h"

#include <ATen/Version.h>
#include <c10/util/BFloat16.h>

#include <algorithm>

namespace ctorch::winograd {

namespace {

/// The most numbers in the planes of a chunk: 16 MB.
constexpr int64_t most_of_planes = 1 << 22;

/// The steps of a block for tiles of one size in images of one type, compiled for one width of vectors.
template <class Pixel>
struct Code {
  /// Results along a tile's side, positions of a transformed tile, and channels of a panel.
  int64_t results, positions, panel;
  void (*transform_inputs)(const Tiled<const Pixel> &, const Block &, const Strips &, float *planes);
  void (*transform_output_gradients)(const Tiled<const Pixel> &, const Block &, const Strips &,
                                     float *planes);
  void (*inverse_transform)(const float *planes, const Block &, const Strips &, const float *bias,
                            const Tiled<Pixel> &);
  void (*transform_weights)(const Weights &, int64_t inputs, int64_t outputs, int64_t row, float *u);
  void (*inverse_transform_weight_gradient)(const float *du, int64_t inputs, int64_t outputs, int64_t output,
                                            float *weights);
  void (*multiply_tiles)(const float *v, const float *u, float *m, int64_t together, int64_t inputs,
                         int64_t outputs);
  void (*accumulate_tiles)(const float *w, const float *v, int64_t together, bool is_first, float *du,
                           int64_t inputs, int64_t outputs);
};

// A vector is two registers with AVX2; passing it on has no other ABI to agree with, since all is in this
// file.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi"

#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)
namespace avx512 {
/// Sums of 12 tiles and 32 outputs, or of 8 outputs and 32 inputs: with the rows beside them 27 of 32
/// registers.
constexpr int tile_rows = 12, output_rows = 8, vectors = 2;
#include "kernels/convolution/winograd_kernels.h"
}  // namespace avx512
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
namespace avx2 {
/// A vector takes two registers here. Sums of 6 tiles and 16 outputs, or of 4 outputs and 16 inputs: with the
/// rows beside them 15 of 16 registers.
constexpr int tile_rows = 6, output_rows = 4, vectors = 1;
#include "kernels/convolution/winograd_kernels.h"
}  // namespace avx2
#pragma clang attribute pop

#pragma clang diagnostic pop

bool is_wide() {
  static const bool value = at::get_cpu_capability() == "AVX512";
  return value;
}

/// The code for this convolution on this CPU: by the shape alone, that of the faster size of tiles. With
/// AVX-512 the larger ones were not timed.
template <class Pixel>
const Code<Pixel> &code(const Geometry &g) {
  if (is_wide()) return avx512::code<avx512::F2, Pixel>;
  const auto &small = avx2::code<avx2::F2, Pixel>, &large = avx2::code<avx2::F4, Pixel>;
  // Transforming the weights takes as long as the products of 60 tiles.
  const auto work = [&](const Code<Pixel> &code) {
    const int64_t side = code.results * g.dilation, grids = g.dilation * g.dilation;
    const int64_t tiles = g.n * grids * ceil_div(g.out_height(), side) * ceil_div(g.out_width(), side);
    return code.positions * (tiles + 60);
  };
  return work(large) < work(small) ? large : small;
}

template <class Pixel>
struct Images {
  Pixel *data;
  int64_t n, height, width, channels;
};

/// Cut so that every tile has step × step results of its own out of `out_height` × `out_width`. `border`
/// takes the place of pixels outside.
template <class Pixel>
Tiled<Pixel> tiled(const Images<Pixel> &x, int64_t step, int64_t padding, int64_t dilation,
                   int64_t out_height, int64_t out_width, const Scratch &border) {
  const int64_t rows = ceil_div(out_height, step * dilation);
  const int64_t columns = ceil_div(out_width, step * dilation);
  const int64_t tiles = x.n * dilation * dilation * rows * columns;
  auto *outside = reinterpret_cast<Pixel *>(border.data());
  return {x.data, x.height, x.width, x.channels, padding, dilation, step, rows, columns, tiles, outside};
}

/// Whether transformed weights, 4 MB of them or 9, stay in the cache beside a small block of tiles.
bool are_small(int64_t inputs, int64_t outputs) { return inputs * outputs <= 1 << 16; }

/// Divides tiles into parts, which any thread takes, and calls body(part, block, scratch for planes of
/// inputs, and of outputs) for a block of a part at a time, so small that it stays in the cache through all
/// steps. Which tiles go together depends on the shape alone.
template <class Body>
void in_small_blocks(int64_t positions, int64_t tiles, int64_t inputs, int64_t outputs, Body &&body) {
  constexpr int64_t most = 4;
  const int64_t strips = ceil_div(tiles, strip), blocks = ceil_div(strips, most);
  for_each_in_parallel(blocks, [&](int64_t block) {
    const int64_t first = block * strips / blocks, last = (block + 1) * strips / blocks;
    const int64_t together = (last - first) * strip;
    const Scratch planes(positions * together * (inputs + outputs));
    body(Block{first * strip, together}, planes.data(), planes.data() + positions * together * inputs);
  });
}

/// Calls body(chunk, scratch for planes of inputs, and of outputs) for a chunk of the tiles after the other,
/// so large that reading the weights, or their sums, matters little: the body's steps are parallel.
template <class Body>
void in_chunks(int64_t positions, int64_t tiles, int64_t inputs, int64_t outputs, Body &&body) {
  const int64_t strips = ceil_div(tiles, strip);
  const int64_t most = std::max<int64_t>(1, most_of_planes / (positions * strip * (inputs + outputs)));
  const int64_t chunks = ceil_div(strips, most);
  const Scratch planes(positions * ceil_div(strips, chunks) * strip * (inputs + outputs));
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t first = chunk * strips / chunks, last = (chunk + 1) * strips / chunks;
    const int64_t together = (last - first) * strip;
    body(Block{first * strip, together}, planes.data(), planes.data() + positions * together * inputs);
  }
}

/// Calls body(strips) for all strips of a block, in parallel.
template <class Body>
void for_each_strip(const Block &block, Body &&body) {
  for_each_in_parallel(block.together / strip, [&](int64_t i) { body(Strips{i, i + 1}); });
}

/// Calls body(position, first channel of a panel) for all of them, in parallel.
template <class Body>
void for_each_panel(int64_t positions, int64_t channels, int64_t panel, Body &&body) {
  const int64_t panels = channels / panel;
  for_each_in_parallel(positions * panels, [&](int64_t i) { body(i / panels, i % panels * panel); });
}

/// The convolution of x into y, plus `bias` unless it is null.
template <class Pixel>
void convolve(const Code<Pixel> &code, const Images<const Pixel> &x, int64_t padding, int64_t dilation,
              const Weights &weights, const float *bias, const Images<Pixel> &y) {
  const int64_t inputs = x.channels, outputs = y.channels, positions = code.positions;
  const Scratch transformed(positions * inputs * outputs), border = Scratch::zeros(inputs);
  float *u = transformed.data();
  const int64_t rows = weights.are_inputs_adjacent() ? outputs : inputs;
  for_each_in_parallel(rows / lanes,
                       [&](int64_t i) { code.transform_weights(weights, inputs, outputs, i * lanes, u); });
  const auto from = tiled(x, code.results, padding, dilation, y.height, y.width, border);
  const auto inverse_transform = [&](const float *m, const Block &block, const Strips &own) {
    const Scratch discarded(outputs);
    code.inverse_transform(m, block, own, bias,
                           tiled(y, code.results, 0, dilation, y.height, y.width, discarded));
  };
  if (are_small(inputs, outputs)) {
    in_small_blocks(positions, from.tiles, inputs, outputs, [&](const Block &block, float *v, float *m) {
      const Strips all{0, block.together / strip};
      code.transform_inputs(from, block, all, v);
      for (int64_t i = 0; i < positions; ++i)
        code.multiply_tiles(v + i * block.together * inputs, u + i * inputs * outputs,
                            m + i * block.together * outputs, block.together, inputs, outputs);
      inverse_transform(m, block, all);
    });
  } else {
    in_chunks(positions, from.tiles, inputs, outputs, [&](const Block &block, float *v, float *m) {
      for_each_strip(block, [&](const Strips &own) { code.transform_inputs(from, block, own, v); });
      for_each_panel(positions, outputs, code.panel, [&](int64_t i, int64_t o) {
        code.multiply_tiles(v + i * block.together * inputs, u + (i * outputs + o) * inputs,
                            m + (i * outputs + o) * block.together, block.together, inputs, code.panel);
      });
      for_each_strip(block, [&](const Strips &own) { inverse_transform(m, block, own); });
    });
  }
}

}  // namespace

bool fits(const Geometry &g) {
  const int64_t panel = is_wide() ? avx512::panel : avx2::panel;
  const bool is_worth_it = g.n * g.pixels() >= std::min<int64_t>(1024, 4 * std::max(g.inputs, g.outputs));
  return g.kernel_height == 3 && g.kernel_width == 3 && g.stride == 1 && g.padding <= 2 * g.dilation &&
         g.inputs % panel == 0 && g.outputs % panel == 0 && is_worth_it;
}

template <class Pixel>
void forward(const Geometry &g, const Pixel *x, const float *weight, const float *bias, Pixel *y) {
  convolve<Pixel>(code<Pixel>(g), {x, g.n, g.height, g.width, g.inputs}, g.padding, g.dilation,
                  {weight, g.patch(), 1, g.inputs}, bias, {y, g.n, g.out_height(), g.out_width(), g.outputs});
}

template <class Pixel>
void input_gradient(const Geometry &g, const Pixel *dy, const float *weight, Pixel *dx) {
  // Outputs and inputs change places, and the kernel is turned by half a turn.
  convolve<Pixel>(code<Pixel>(g), {dy, g.n, g.out_height(), g.out_width(), g.outputs},
                  2 * g.dilation - g.padding, g.dilation, {weight + 8 * g.inputs, 1, g.patch(), -g.inputs},
                  nullptr, {dx, g.n, g.height, g.width, g.inputs});
}

template <class Pixel>
void weight_gradient(const Geometry &g, const Pixel *dy, const Pixel *x, float *dweight) {
  const Code<Pixel> &code = winograd::code<Pixel>(g);
  const int64_t inputs = g.inputs, outputs = g.outputs, positions = code.positions;
  const Scratch border = Scratch::zeros(std::max(inputs, outputs));
  const auto images = tiled<const Pixel>({x, g.n, g.height, g.width, inputs}, code.results, g.padding,
                                         g.dilation, g.out_height(), g.out_width(), border);
  const auto grads = tiled<const Pixel>({dy, g.n, g.out_height(), g.out_width(), outputs}, code.results, 0,
                                        g.dilation, g.out_height(), g.out_width(), border);
  const Scratch sums(positions * inputs * outputs);
  in_chunks(positions, images.tiles, inputs, outputs, [&](const Block &block, float *v, float *w) {
    for_each_strip(block, [&](const Strips &own) {
      code.transform_inputs(images, block, own, v);
      code.transform_output_gradients(grads, block, own, w);
    });
    for_each_panel(positions, inputs, code.panel, [&](int64_t i, int64_t c) {
      code.accumulate_tiles(w + i * block.together * outputs, v + (i * inputs + c) * block.together,
                            block.together, block.first == 0, sums.data() + (i * inputs + c) * outputs,
                            code.panel, outputs);
    });
  });
  for_each_in_parallel(outputs, [&](int64_t output) {
    code.inverse_transform_weight_gradient(sums.data(), inputs, outputs, output,
                                           dweight + output * g.patch());
  });
}

template void forward(const Geometry &, const float *, const float *, const float *, float *);
template void forward(const Geometry &, const c10::BFloat16 *, const float *, const float *, c10::BFloat16 *);
template void input_gradient(const Geometry &, const float *, const float *, float *);
template void input_gradient(const Geometry &, const c10::BFloat16 *, const float *, c10::BFloat16 *);
template void weight_gradient(const Geometry &, const float *, const float *, float *);
template void weight_gradient(const Geometry &, const c10::BFloat16 *, const c10::BFloat16 *, float *);

}  // namespace ctorch::winograd

#endif

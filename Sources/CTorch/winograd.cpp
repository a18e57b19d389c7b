// 3×3 convolution by Winograd's minimal filtering F(2×2, 3×3), as Lavin and Gray (2016) use it for networks
// (docs/decisions/0019).
//
// Two by two results need 4×4 pixels and 36 products a pair of channels when written out. With
//
//     y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A        d: 4×4 pixels, g: 3×3 weights, y: 2×2 results
//
// 16 are left: each of the 16 positions of ⊙ is one matrix product of tiles × inputs times inputs × outputs, and the
// rest is sums. Its transposes give the gradients: the input's is the same convolution with the weights turned, and
//
//     dg = Gᵀ [Σ (A dy Aᵀ) ⊙ (Bᵀ d B)] G    summed over tiles
//
// A few tiles go through all three steps while they lie in the cache. Their planes are [position][panel][tile][32],
// with 32 channels, two registers, a panel; weights are [position][panel of outputs][input][32].
#include "convolution.h"
#include "parallel.h"

#if defined(__x86_64__) && defined(__linux__)

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>

using ctorch::Geometry;

#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)

namespace {

typedef float Lanes __attribute__((vector_size(64)));
/// The same anywhere in memory.
typedef float Loose __attribute__((vector_size(64), aligned(4)));

constexpr int64_t lanes = 16, panel = 2 * lanes, positions = 16;
/// Tiles whose sums are in registers at once.
constexpr int64_t strip = 12;
/// Numbers that the sums of all threads may take: 256 MB, which binds where many cores meet the widest networks.
constexpr int64_t most_of_sums = 1 << 26;

inline Lanes load(const float *from) { return *reinterpret_cast<const Loose *>(from); }
inline void store(float *to, Lanes value) { *reinterpret_cast<Loose *>(to) = value; }
/// Past the caches, which a whole register can do without reading what it overwrites. `to` is at a multiple of 64 bytes.
inline void store_far(float *to, Lanes value) { __builtin_nontemporal_store(value, reinterpret_cast<Lanes *>(to)); }

/// Where channel `c` of tile `tile` stands in a plane of so many tiles.
inline int64_t place(int64_t tile, int64_t c, int64_t tiles) { return (c / panel * tiles + tile) * panel + c % panel; }

/// Images, cut into tiles whose corners are two pixels apart, the first `padding` pixels outside.
template <class Pixel>
struct Tiled {
  Pixel *images;
  int64_t height, width, channels, padding, rows, columns, tiles;
  /// Stands in for pixels outside, and for those of tiles after the last.
  Pixel *outside;

  /// The size × size pixels of a tile.
  template <int size>
  std::array<Pixel *, size * size> pixels(int64_t tile) const {
    const int64_t left = tile % columns * 2 - padding, top = tile / columns % rows * 2 - padding;
    Pixel *image = images + tile / (columns * rows) * height * width * channels;
    std::array<Pixel *, size * size> result;
    for (int64_t i = 0; i < size * size; ++i) {
      const int64_t y = top + i / size, x = left + i % size;
      const bool is_inside = tile < tiles && y >= 0 && y < height && x >= 0 && x < width;
      result[i] = is_inside ? image + (y * width + x) * channels : outside;
    }
    return result;
  }
};

/// planes = Bᵀ d B of `together` tiles from `first` on.
void take_inputs(const Tiled<const float> &x, int64_t first, int64_t together, float *planes) {
  const int64_t plane = together * x.channels;
  for (int64_t tile = 0; tile < together; ++tile) {
    const auto from = x.pixels<4>(first + tile);
    for (int64_t c = 0; c < x.channels; c += lanes) {
      Lanes d[4][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const Lanes d0 = load(from[i] + c), d1 = load(from[4 + i] + c), d2 = load(from[8 + i] + c),
                    d3 = load(from[12 + i] + c);
        d[0][i] = d0 - d2, d[1][i] = d1 + d2, d[2][i] = d2 - d1, d[3][i] = d1 - d3;
      }
      float *to = planes + place(tile, c, together);
#pragma unroll
      for (int i = 0; i < 4; ++i, to += 4 * plane) {
        store(to, d[i][0] - d[i][2]);
        store(to + plane, d[i][1] + d[i][2]);
        store(to + 2 * plane, d[i][2] - d[i][1]);
        store(to + 3 * plane, d[i][1] - d[i][3]);
      }
    }
  }
}

/// planes = A dy Aᵀ of `together` tiles from `first` on.
void take_slopes(const Tiled<const float> &dy, int64_t first, int64_t together, float *planes) {
  const int64_t plane = together * dy.channels;
  for (int64_t tile = 0; tile < together; ++tile) {
    const auto from = dy.pixels<2>(first + tile);
    for (int64_t c = 0; c < dy.channels; c += lanes) {
      const Lanes a = load(from[0] + c), b = load(from[1] + c), e = load(from[2] + c), f = load(from[3] + c);
      const Lanes d[4][2] = {{a, b}, {a + e, b + f}, {a - e, b - f}, {-e, -f}};
      float *to = planes + place(tile, c, together);
#pragma unroll
      for (int i = 0; i < 4; ++i, to += 4 * plane) {
        store(to, d[i][0]);
        store(to + plane, d[i][0] + d[i][1]);
        store(to + 2 * plane, d[i][0] - d[i][1]);
        store(to + 3 * plane, -d[i][1]);
      }
    }
  }
}

/// y = Aᵀ m A of `together` tiles from `first` on.
void put_outputs(const float *planes, int64_t first, int64_t together, const Tiled<float> &y) {
  const int64_t plane = together * y.channels;
  for (int64_t tile = 0; tile < together; ++tile) {
    const auto to = y.pixels<2>(first + tile);
    for (int64_t c = 0; c < y.channels; c += lanes) {
      const float *from = planes + place(tile, c, together);
      Lanes m[2][4];
#pragma unroll
      for (int i = 0; i < 4; ++i, from += plane) {
        const Lanes m0 = load(from), m1 = load(from + 4 * plane), m2 = load(from + 8 * plane),
                    m3 = load(from + 12 * plane);
        m[0][i] = m0 + m1 + m2, m[1][i] = m1 - m2 - m3;
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        store(to[2 * i] + c, m[i][0] + m[i][1] + m[i][2]);
        store(to[2 * i + 1] + c, m[i][1] - m[i][2] - m[i][3]);
      }
    }
  }
}

/// m = v·u of one position: tiles × inputs times inputs × outputs. 24 sums, two rows of weights and an input take 27 of
/// 32 registers.
void multiply(const float *v, const float *u, float *m, int64_t together, int64_t inputs, int64_t outputs) {
  for (int64_t o = 0; o < outputs; o += panel)
    for (int64_t tile = 0; tile < together; tile += strip) {
      Lanes sums[strip][2] = {};
      const float *weights = u + o * inputs;
      for (int64_t c = 0; c < inputs; c += panel) {
        const float *from = v + place(tile, c, together);
#pragma clang loop unroll(disable)
        for (int i = 0; i < panel; ++i, weights += panel) {
          const Lanes low = load(weights), high = load(weights + lanes);
#pragma unroll
          for (int row = 0; row < strip; ++row) {
            sums[row][0] += from[row * panel + i] * low;
            sums[row][1] += from[row * panel + i] * high;
          }
        }
      }
      float *to = m + place(tile, o, together);
#pragma unroll
      for (int row = 0; row < strip; ++row, to += panel) store(to, sums[row][0]), store(to + lanes, sums[row][1]);
    }
}

/// du = wᵀ·v of one position, or du += it: outputs × tiles times tiles × inputs, as [panel of inputs][output][32].
void accumulate(const float *w, const float *v, int64_t together, bool is_first, float *du, int64_t inputs,
                int64_t outputs) {
  constexpr int rows = 8;
  for (int64_t c = 0; c < inputs; c += panel)
    for (int64_t o = 0; o < outputs; o += rows) {
      Lanes sums[rows][2] = {};
      const float *slopes = w + place(0, o, together), *from = v + place(0, c, together);
#pragma clang loop unroll(disable)
      for (int64_t tile = 0; tile < together; ++tile, slopes += panel, from += panel) {
        const Lanes low = load(from), high = load(from + lanes);
#pragma unroll
        for (int row = 0; row < rows; ++row) sums[row][0] += slopes[row] * low, sums[row][1] += slopes[row] * high;
      }
      float *to = du + c * outputs + o * panel;
#pragma unroll
      for (int row = 0; row < rows; ++row, to += panel) {
        store(to, is_first ? sums[row][0] : load(to) + sums[row][0]);
        store(to + lanes, is_first ? sums[row][1] : load(to + lanes) + sums[row][1]);
      }
    }
}

/// Weights by their strides; the first is that of output 0, input 0, and the kernel's first row and column. Either
/// outputs or inputs are next to one another.
struct Weights {
  const float *first;
  int64_t by_output, by_input, by_kernel;

  bool are_inputs_adjacent() const { return by_input == 1; }
};

/// Rows become columns: four times, every row is dealt out with the one eight below, like two halves of a pack of cards.
void transpose(Lanes (&rows)[lanes]) {
  for (int round = 0; round < 4; ++round) {
    Lanes dealt[lanes];
#pragma unroll
    for (int i = 0; i < lanes / 2; ++i) {
      const Lanes a = rows[i], b = rows[i + lanes / 2];
      dealt[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      dealt[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    for (int i = 0; i < lanes; ++i) rows[i] = dealt[i];
  }
}

/// u = G g Gᵀ for 16 outputs from `row` on where inputs are adjacent, else for 16 inputs: weights are read in the order in
/// which they lie in memory.
void expand(const Weights &weights, int64_t inputs, int64_t outputs, int64_t row, float *u) {
  const int64_t plane = inputs * outputs, columns = weights.are_inputs_adjacent() ? inputs : outputs;
  for (int64_t column = 0; column < columns; column += lanes) {
    const int64_t output = weights.are_inputs_adjacent() ? row : column;
    const int64_t input = weights.are_inputs_adjacent() ? column : row;
    Lanes block[9][lanes]; // of inputs, and in each its outputs
    for (int64_t k = 0; k < 9; ++k) {
      const float *from =
          weights.first + output * weights.by_output + input * weights.by_input + k * weights.by_kernel;
      for (int64_t i = 0; i < lanes; ++i)
        block[k][i] = load(from + i * (weights.are_inputs_adjacent() ? weights.by_output : weights.by_input));
      if (weights.are_inputs_adjacent()) transpose(block[k]);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      Lanes g[4][3];
#pragma unroll
      for (int k = 0; k < 3; ++k) {
        const Lanes g0 = block[k][i], g1 = block[3 + k][i], g2 = block[6 + k][i];
        g[0][k] = g0, g[1][k] = .5f * (g0 + g2 + g1), g[2][k] = .5f * (g0 + g2 - g1), g[3][k] = g2;
      }
      float *to = u + output / panel * panel * inputs + (input + i) * panel + output % panel;
#pragma unroll
      for (int k = 0; k < 4; ++k, to += 4 * plane) {
        const Lanes ends = g[k][0] + g[k][2];
        store_far(to, g[k][0]);
        store_far(to + plane, .5f * (ends + g[k][1]));
        store_far(to + 2 * plane, .5f * (ends - g[k][1]));
        store_far(to + 3 * plane, g[k][2]);
      }
    }
  }
  __builtin_ia32_sfence(); // other threads read what went past the caches
}

/// dg = Gᵀ (sum of du) G for one output, 3×3 × inputs.
void collapse(const float *du, int64_t threads, int64_t inputs, int64_t outputs, int64_t output, float *weights) {
  const int64_t plane = inputs * outputs;
  for (int64_t c = 0; c < inputs; c += lanes) {
    const auto sum = [&](int64_t position) {
      const float *from = du + position * plane + c / panel * panel * outputs + output * panel + c % panel;
      Lanes sum = load(from);
      for (int64_t thread = 1; thread < threads; ++thread) sum += load(from + thread * positions * plane);
      return sum;
    };
    Lanes rows[3][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const Lanes u1 = .5f * sum(4 + i), u2 = .5f * sum(8 + i);
      rows[0][i] = sum(i) + u1 + u2, rows[1][i] = u1 - u2, rows[2][i] = u1 + u2 + sum(12 + i);
    }
    float *to = weights + c;
#pragma unroll
    for (int i = 0; i < 3; ++i, to += 3 * inputs) {
      const Lanes u1 = .5f * rows[i][1], u2 = .5f * rows[i][2];
      store(to, rows[i][0] + u1 + u2);
      store(to + inputs, u1 - u2);
      store(to + 2 * inputs, u1 + u2 + rows[i][3]);
    }
  }
}

#pragma clang attribute pop

/// Cut so that every tile of `rows` × `columns` has two by two results of its own.
template <class Pixel>
Tiled<Pixel> tiled(const at::Tensor &x, int64_t padding, int64_t out_height, int64_t out_width, Pixel *outside) {
  const int64_t rows = (out_height + 1) / 2, columns = (out_width + 1) / 2;
  return {x.data_ptr<float>(), x.size(2), x.size(3), x.size(1), padding, rows, columns, x.size(0) * rows * columns,
          outside};
}

int64_t parts(int64_t whole, int64_t part) { return (whole + part - 1) / part; }
int64_t threads_for(int64_t tiles) { return std::min<int64_t>(at::get_num_threads(), parts(tiles, strip)); }
at::Tensor room(int64_t count) { return at::empty({count}, at::kFloat); }

/// Strips that go through all steps together. Weights written out are read once a block. Up to 4 MB they stay near once
/// read, and a block is small, so that its planes do too; of larger ones a block's planes take as much room as they do, so
/// that reading them counts little.
int64_t strips_of_a_block(int64_t inputs, int64_t outputs) {
  return inputs * outputs <= 1 << 16 ? 4 : parts(inputs * outputs / (inputs + outputs), strip);
}

/// Deals tiles out to threads, and calls body(thread, first tile, tiles, whether they are its first, room for planes of
/// inputs, and of outputs) for a block of them at a time.
template <class Body>
void in_blocks(int64_t tiles, int64_t threads, int64_t inputs, int64_t outputs, Body &&body) {
  const int64_t strips = parts(tiles, strip), most = strips_of_a_block(inputs, outputs);
  const int64_t plane = positions * std::min(most, parts(strips, threads)) * strip;
  const at::Tensor planes = room(threads * plane * (inputs + outputs));
  float *rooms = planes.data_ptr<float>();
  ctorch::in_parallel(threads, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; ++thread) {
      float *own = rooms + thread * plane * (inputs + outputs);
      const int64_t start = thread * strips / threads, count = (thread + 1) * strips / threads - start;
      const int64_t blocks = parts(count, most);
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = block * count / blocks, last = (block + 1) * count / blocks;
        body(thread, (start + first) * strip, (last - first) * strip, block == 0, own, own + plane * inputs);
      }
    }
  });
}

/// The convolution of x into y.
void convolve(const at::Tensor &x, int64_t padding, const Weights &weights, const at::Tensor &y) {
  const int64_t inputs = x.size(1), outputs = y.size(1);
  const at::Tensor expanded = room(positions * inputs * outputs), border = at::zeros({inputs}, at::kFloat);
  float *u = expanded.data_ptr<float>();
  const int64_t rows = weights.are_inputs_adjacent() ? outputs : inputs;
  ctorch::in_parallel(rows / lanes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) expand(weights, inputs, outputs, i * lanes, u);
  });
  const auto from = tiled<const float>(x, padding, y.size(2), y.size(3), border.data_ptr<float>());
  const auto to = tiled<float>(y, 0, y.size(2), y.size(3), nullptr);
  const int64_t threads = threads_for(from.tiles);
  const at::Tensor nowhere = room(threads * outputs);
  in_blocks(from.tiles, threads, inputs, outputs,
            [&](int64_t thread, int64_t first, int64_t together, bool, float *v, float *m) {
              take_inputs(from, first, together, v);
              for (int64_t i = 0; i < positions; ++i)
                multiply(v + i * together * inputs, u + i * inputs * outputs, m + i * together * outputs, together,
                         inputs, outputs);
              auto own = to;
              own.outside = nowhere.data_ptr<float>() + thread * outputs;
              put_outputs(m, first, together, own);
            });
}

} // namespace

bool ctorch::winograd::fits(const Geometry &g) {
  const bool is_worth_it = g.n * g.pixels() >= std::min<int64_t>(1024, 4 * std::max(g.inputs, g.outputs));
  return g.kernel_height == 3 && g.kernel_width == 3 && g.stride == 1 && g.padding <= 2 && g.inputs % panel == 0 &&
         g.outputs % panel == 0 && is_worth_it;
}

at::Tensor ctorch::winograd::forward(const Geometry &g, const at::Tensor &x, const at::Tensor &weight) {
  const at::Tensor y = g.result();
  convolve(x, g.padding, {weight.data_ptr<float>(), g.patch(), 1, g.inputs}, y);
  return y;
}

at::Tensor ctorch::winograd::input_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &weight) {
  const at::Tensor dx = g.images();
  // Outputs and inputs have changed places, and the kernel is turned by half a turn.
  convolve(dy, 2 - g.padding, {weight.data_ptr<float>() + 8 * g.inputs, 1, g.patch(), -g.inputs}, dx);
  return dx;
}

at::Tensor ctorch::winograd::weight_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &x) {
  const at::Tensor border = at::zeros({std::max(g.inputs, g.outputs)}, at::kFloat);
  const auto images = tiled<const float>(x, g.padding, g.out_height(), g.out_width(), border.data_ptr<float>());
  const auto slopes = tiled<const float>(dy, 0, g.out_height(), g.out_width(), border.data_ptr<float>());
  // Every thread has its tiles and its sum, and the sums are added in order.
  const int64_t size = g.inputs * g.outputs, fitting = std::max<int64_t>(1, most_of_sums / (positions * size));
  const int64_t threads = std::min(threads_for(images.tiles), fitting);
  const at::Tensor sums = room(threads * positions * size);
  in_blocks(images.tiles, threads, g.inputs, g.outputs,
            [&](int64_t thread, int64_t first, int64_t together, bool is_first, float *v, float *w) {
              take_inputs(images, first, together, v);
              take_slopes(slopes, first, together, w);
              float *du = sums.data_ptr<float>() + thread * positions * size;
              for (int64_t i = 0; i < positions; ++i)
                accumulate(w + i * together * g.outputs, v + i * together * g.inputs, together, is_first, du + i * size,
                           g.inputs, g.outputs);
            });
  const at::Tensor weight = at::empty({g.outputs, 3, 3, g.inputs}, at::kFloat);
  ctorch::in_parallel(g.outputs, [&](int64_t begin, int64_t end) {
    for (int64_t output = begin; output < end; ++output)
      collapse(sums.data_ptr<float>(), threads, g.inputs, g.outputs, output,
               weight.data_ptr<float>() + output * g.patch());
  });
  return weight.permute({0, 3, 1, 2});
}

#endif

// The transforms of tiles and weights by Winograd's matrices (winograd_matrices.h), and the products between
// them, 16 channels at a time. Private to winograd.cpp, which includes it once for each width of vectors, in
// a namespace that has the numbers of sums that fit into its registers.

#include "kernels/convolution/winograd_matrices.h"

typedef uint32_t Bits16 __attribute__((vector_size(64)));
/// Those at any address.
typedef float Unaligned16 __attribute__((vector_size(64), aligned(4)));
typedef uint16_t UnalignedHalves16 __attribute__((vector_size(32), aligned(2)));

inline Vec16 load(const float *from) { return *reinterpret_cast<const Unaligned16 *>(from); }
inline void store(float *to, Vec16 value) { *reinterpret_cast<Unaligned16 *>(to) = value; }

/// bfloat16 is the upper half of float32.
inline Vec16 load(const c10::BFloat16 *from) {
  const auto halves = *reinterpret_cast<const UnalignedHalves16 *>(from);
  return reinterpret_cast<Vec16>(__builtin_convertvector(halves, Bits16) << 16);
}
/// Rounds to the nearest, and to the even one of two; NaN stays NaN.
inline void store(c10::BFloat16 *to, Vec16 value) {
  const Bits16 bits = reinterpret_cast<Bits16>(value), nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const Bits16 halves = value == value ? nearest : Bits16{} + 0x7fc0;
  *reinterpret_cast<UnalignedHalves16 *>(to) = __builtin_convertvector(halves, UnalignedHalves16);
}

/// Bypasses the caches, so that the memory is not read before it is overwritten. `to` is a multiple of 64
/// bytes.
inline void store_uncached(float *to, Vec16 value) {
  __builtin_nontemporal_store(value, reinterpret_cast<Vec16 *>(to));
}

/// Channels of a panel: as many as a sum has vectors.
constexpr int64_t panel = vectors * lanes;

/// The offset of channel `c` of tile `tile` in a plane of `tiles` tiles.
inline int64_t offset(int64_t tile, int64_t c, int64_t tiles) {
  return (c / panel * tiles + tile) * panel + c % panel;
}

/// A matrix's product with a column.
template <int from, int to>
using Product = void (*)(const Vec16 (&)[from], Vec16 (&)[to]);

/// M·X·Mᵀ of a matrix of from × from vectors: first the columns, then the rows.
template <int from, int to, class Read, class Write>
inline void transform(Product<from, to> apply, const Read &read, const Write &write) {
  Vec16 half[to][from];
#pragma unroll
  for (int column = 0; column < from; ++column) {
    Vec16 own[from], result[to];
    for (int row = 0; row < from; ++row) own[row] = read(row, column);
    apply(own, result);
    for (int row = 0; row < to; ++row) half[row][column] = result[row];
  }
#pragma unroll
  for (int row = 0; row < to; ++row) {
    Vec16 result[to];
    apply(half[row], result);
    for (int column = 0; column < to; ++column) write(row, column, result[column]);
  }
}

/// planes = M·X·Mᵀ of the tiles of `own`, of size × size pixels each.
template <int size, int to, class Pixel>
inline void transform_tiles(Product<size, to> apply, const Tiled<const Pixel> &x, const Block &block,
                            const Strips &own, float *planes) {
  const int64_t together = block.together, plane = together * x.channels;
  for (int64_t tile = own.begin * strip; tile < own.end * strip; ++tile) {
    const auto from = x.template pixels<size>(block.first + tile);
    for (int64_t c = 0; c < x.channels; c += lanes) {
      float *first = planes + offset(tile, c, together);
      transform(
          apply, [&](int row, int column) { return load(from[row * size + column] + c); },
          [&](int row, int column, Vec16 v) { store(first + (row * to + column) * plane, v); });
    }
  }
}

/// planes = Bᵀ d B
template <class F, class Pixel>
void transform_inputs(const Tiled<const Pixel> &x, const Block &block, const Strips &own, float *planes) {
  transform_tiles(F::inputs, x, block, own, planes);
}

/// planes = A dy Aᵀ
template <class F, class Pixel>
void transform_output_gradients(const Tiled<const Pixel> &dy, const Block &block, const Strips &own,
                                float *planes) {
  transform_tiles(F::output_gradients, dy, block, own, planes);
}

/// y = Aᵀ m A of the tiles of `own`, plus `bias` unless it is null.
template <class F, class Pixel>
void inverse_transform(const float *planes, const Block &block, const Strips &own, const float *bias,
                       const Tiled<Pixel> &y) {
  const int64_t together = block.together, plane = together * y.channels;
  for (int64_t tile = own.begin * strip; tile < own.end * strip; ++tile) {
    const auto to = y.template pixels<F::results>(block.first + tile);
    for (int64_t c = 0; c < y.channels; c += lanes) {
      const float *first = planes + offset(tile, c, together);
      transform(
          F::outputs, [&](int row, int column) { return load(first + (row * F::pixels + column) * plane); },
          [&](int row, int column, Vec16 v) {
            store(to[row * F::results + column] + c, bias ? v + load(bias + c) : v);
          });
    }
  }
}

/// Rows become columns: four times, the upper and the lower half of the rows are interleaved.
void transpose(Vec16 (&rows)[lanes]) {
  for (int round = 0; round < 4; ++round) {
    Vec16 mixed[lanes];
#pragma unroll
    for (int i = 0; i < lanes / 2; ++i) {
      const Vec16 a = rows[i], b = rows[i + lanes / 2];
      mixed[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      mixed[2 * i + 1] =
          __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    for (int i = 0; i < lanes; ++i) rows[i] = mixed[i];
  }
}

/// u = G g Gᵀ for 16 outputs from `row` on where inputs are adjacent, else for 16 inputs: weights are read in
/// the order in which they lie in memory.
template <class F>
void transform_weights(const Weights &weights, int64_t inputs, int64_t outputs, int64_t row, float *u) {
  const int64_t plane = inputs * outputs, columns = weights.are_inputs_adjacent() ? inputs : outputs;
  for (int64_t column = 0; column < columns; column += lanes) {
    const int64_t output = weights.are_inputs_adjacent() ? row : column;
    const int64_t input = weights.are_inputs_adjacent() ? column : row;
    Vec16 block[9][lanes];  // of inputs, and in each its outputs
    for (int64_t k = 0; k < 9; ++k) {
      const float *from =
          weights.first + output * weights.by_output + input * weights.by_input + k * weights.by_kernel;
      for (int64_t i = 0; i < lanes; ++i)
        block[k][i] = load(from + i * (weights.are_inputs_adjacent() ? weights.by_output : weights.by_input));
      if (weights.are_inputs_adjacent()) transpose(block[k]);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      float *first = u + output / panel * panel * inputs + (input + i) * panel + output % panel;
      transform(
          F::weights, [&](int row, int column) { return block[3 * row + column][i]; },
          [&](int row, int column, Vec16 v) {
            store_uncached(first + (row * F::pixels + column) * plane, v);
          });
    }
  }
  __builtin_ia32_sfence();  // other threads read the uncached stores
}

/// dg = Gᵀ (sum of du) G for one output, 3×3 × inputs.
template <class F>
void inverse_transform_weight_gradient(const float *du, int64_t inputs, int64_t outputs, int64_t output,
                                       float *weights) {
  const int64_t plane = inputs * outputs;
  for (int64_t c = 0; c < inputs; c += lanes) {
    const float *first = du + c / panel * panel * outputs + output * panel + c % panel;
    transform(
        F::weight_gradients,
        [&](int row, int column) { return load(first + (row * F::pixels + column) * plane); },
        [&](int row, int column, Vec16 v) { store(weights + (3 * row + column) * inputs + c, v); });
  }
}

/// m = v·u of one position: tiles × inputs times inputs × outputs.
void multiply_tiles(const float *v, const float *u, float *m, int64_t together, int64_t inputs,
                    int64_t outputs) {
  for (int64_t o = 0; o < outputs; o += panel)
    for (int64_t tile = 0; tile < together; tile += tile_rows) {
      Vec16 sums[tile_rows][vectors] = {};
      const float *weights = u + o * inputs;
      for (int64_t c = 0; c < inputs; c += panel) {
        const float *from = v + offset(tile, c, together);
#pragma clang loop unroll(disable)
        for (int i = 0; i < panel; ++i, weights += panel) {
          Vec16 own[vectors];
#pragma unroll
          for (int j = 0; j < vectors; ++j) own[j] = load(weights + j * lanes);
#pragma unroll
          for (int row = 0; row < tile_rows; ++row)
#pragma unroll
            for (int j = 0; j < vectors; ++j) sums[row][j] += from[row * panel + i] * own[j];
        }
      }
      float *to = m + offset(tile, o, together);
#pragma unroll
      for (int row = 0; row < tile_rows; ++row, to += panel)
#pragma unroll
        for (int j = 0; j < vectors; ++j) store(to + j * lanes, sums[row][j]);
    }
}

/// The sums of a panel of outputs × a panel of inputs over some tiles.
void accumulate_panel(const float *w, const float *v, int64_t tiles, bool is_first, float *du) {
  for (int64_t o = 0; o < panel; o += output_rows) {
    Vec16 sums[output_rows][vectors] = {};
    const float *grads = w + o, *from = v;
#pragma clang loop unroll(disable)
    for (int64_t tile = 0; tile < tiles; ++tile, grads += panel, from += panel) {
      Vec16 own[vectors];
#pragma unroll
      for (int j = 0; j < vectors; ++j) own[j] = load(from + j * lanes);
#pragma unroll
      for (int row = 0; row < output_rows; ++row)
#pragma unroll
        for (int j = 0; j < vectors; ++j) sums[row][j] += grads[row] * own[j];
    }
#pragma unroll
    for (int row = 0; row < output_rows; ++row)
#pragma unroll
      for (int j = 0; j < vectors; ++j) {
        float *to = du + (o + row) * panel + j * lanes;
        store(to, is_first ? sums[row][j] : load(to) + sums[row][j]);
      }
  }
}

/// du = wᵀ·v of one position, or du += it: outputs × tiles times tiles × inputs, as [panel of
/// inputs][output][inputs of a panel]. So few tiles at a time that two panels of them and their sums stay
/// in the cache.
void accumulate_tiles(const float *w, const float *v, int64_t together, bool is_first, float *du,
                      int64_t inputs, int64_t outputs) {
  constexpr int64_t tiles_at_once = 8 * strip;
  for (int64_t c = 0; c < inputs; c += panel)
    for (int64_t o = 0; o < outputs; o += panel)
      for (int64_t tile = 0; tile < together; tile += tiles_at_once)
        accumulate_panel(w + offset(tile, o, together), v + offset(tile, c, together),
                         std::min(tiles_at_once, together - tile), is_first && tile == 0,
                         du + c * outputs + o * panel);
}

template <class F, class Pixel>
constexpr Code<Pixel> code = {F::results,
                              F::pixels *F::pixels,
                              panel,
                              transform_inputs<F, Pixel>,
                              transform_output_gradients<F, Pixel>,
                              inverse_transform<F, Pixel>,
                              transform_weights<F>,
                              inverse_transform_weight_gradient<F>,
                              multiply_tiles,
                              accumulate_tiles};

// Winograd's transforms F(2×2, 3×3) of tiles and weights, and the products between them, 16 channels at a
// time. Private to winograd.cpp, which includes it once for each width of vectors, in a namespace that has
// the numbers of sums that fit into its registers.

typedef float Vec16 __attribute__((vector_size(64)));
/// The same at any address.
typedef float Unaligned16 __attribute__((vector_size(64), aligned(4)));

inline Vec16 load(const float *from) { return *reinterpret_cast<const Unaligned16 *>(from); }
inline void store(float *to, Vec16 value) { *reinterpret_cast<Unaligned16 *>(to) = value; }
/// Bypasses the caches, so that the memory is not read before it is overwritten. `to` is a multiple of 64
/// bytes.
inline void store_uncached(float *to, Vec16 value) {
  __builtin_nontemporal_store(value, reinterpret_cast<Vec16 *>(to));
}

/// planes = Bᵀ d B of the tiles of `own`.
void transform_inputs(const Tiled<const float> &x, const Block &block, const Strips &own, float *planes) {
  const int64_t together = block.together, plane = together * x.channels;
  for (int64_t tile = own.begin * strip; tile < own.end * strip; ++tile) {
    const auto from = x.pixels<4>(block.first + tile);
    for (int64_t c = 0; c < x.channels; c += lanes) {
      Vec16 d[4][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const Vec16 d0 = load(from[i] + c), d1 = load(from[4 + i] + c), d2 = load(from[8 + i] + c),
                    d3 = load(from[12 + i] + c);
        d[0][i] = d0 - d2, d[1][i] = d1 + d2, d[2][i] = d2 - d1, d[3][i] = d1 - d3;
      }
      float *to = planes + offset(tile, c, together);
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

/// planes = A dy Aᵀ of the tiles of `own`.
void transform_output_gradients(const Tiled<const float> &dy, const Block &block, const Strips &own,
                                float *planes) {
  const int64_t together = block.together, plane = together * dy.channels;
  for (int64_t tile = own.begin * strip; tile < own.end * strip; ++tile) {
    const auto from = dy.pixels<2>(block.first + tile);
    for (int64_t c = 0; c < dy.channels; c += lanes) {
      const Vec16 a = load(from[0] + c), b = load(from[1] + c), e = load(from[2] + c), f = load(from[3] + c);
      const Vec16 d[4][2] = {{a, b}, {a + e, b + f}, {a - e, b - f}, {-e, -f}};
      float *to = planes + offset(tile, c, together);
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

/// y = Aᵀ m A of the tiles of `own`.
void inverse_transform(const float *planes, const Block &block, const Strips &own, const Tiled<float> &y) {
  const int64_t together = block.together, plane = together * y.channels;
  for (int64_t tile = own.begin * strip; tile < own.end * strip; ++tile) {
    const auto to = y.pixels<2>(block.first + tile);
    for (int64_t c = 0; c < y.channels; c += lanes) {
      const float *from = planes + offset(tile, c, together);
      Vec16 m[2][4];
#pragma unroll
      for (int i = 0; i < 4; ++i, from += plane) {
        const Vec16 m0 = load(from), m1 = load(from + 4 * plane), m2 = load(from + 8 * plane),
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
      Vec16 g[4][3];
#pragma unroll
      for (int k = 0; k < 3; ++k) {
        const Vec16 g0 = block[k][i], g1 = block[3 + k][i], g2 = block[6 + k][i];
        g[0][k] = g0, g[1][k] = .5f * (g0 + g2 + g1), g[2][k] = .5f * (g0 + g2 - g1), g[3][k] = g2;
      }
      float *to = u + output / panel * panel * inputs + (input + i) * panel + output % panel;
#pragma unroll
      for (int k = 0; k < 4; ++k, to += 4 * plane) {
        const Vec16 ends = g[k][0] + g[k][2];
        store_uncached(to, g[k][0]);
        store_uncached(to + plane, .5f * (ends + g[k][1]));
        store_uncached(to + 2 * plane, .5f * (ends - g[k][1]));
        store_uncached(to + 3 * plane, g[k][2]);
      }
    }
  }
  __builtin_ia32_sfence();  // other threads read the uncached stores
}

/// dg = Gᵀ (sum of du) G for one output, 3×3 × inputs.
void inverse_transform_weight_gradient(const float *du, int64_t inputs, int64_t outputs, int64_t output,
                                       float *weights) {
  const int64_t plane = inputs * outputs;
  for (int64_t c = 0; c < inputs; c += lanes) {
    const auto sum = [&](int64_t position) {
      const float *from = du + position * plane + c / panel * panel * outputs + output * panel + c % panel;
      return load(from);
    };
    Vec16 rows[3][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const Vec16 u1 = .5f * sum(4 + i), u2 = .5f * sum(8 + i);
      rows[0][i] = sum(i) + u1 + u2, rows[1][i] = u1 - u2, rows[2][i] = u1 + u2 + sum(12 + i);
    }
    float *to = weights + c;
#pragma unroll
    for (int i = 0; i < 3; ++i, to += 3 * inputs) {
      const Vec16 u1 = .5f * rows[i][1], u2 = .5f * rows[i][2];
      store(to, rows[i][0] + u1 + u2);
      store(to + inputs, u1 - u2);
      store(to + 2 * inputs, u1 + u2 + rows[i][3]);
    }
  }
}

/// m = v·u of one position: tiles × inputs times inputs × outputs.
void multiply_tiles(const float *v, const float *u, float *m, int64_t together, int64_t inputs,
                    int64_t outputs) {
  for (int64_t o = 0; o < outputs; o += vectors * lanes)
    for (int64_t tile = 0; tile < together; tile += tile_rows) {
      Vec16 sums[tile_rows][vectors] = {};
      const float *weights = u + o / panel * panel * inputs + o % panel;
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

/// The sums of 32 outputs × 32 inputs over some tiles.
void accumulate_panel(const float *w, const float *v, int64_t tiles, bool is_first, float *du) {
  for (int64_t o = 0; o < panel; o += output_rows)
    for (int64_t c = 0; c < panel; c += vectors * lanes) {
      Vec16 sums[output_rows][vectors] = {};
      const float *grads = w + o, *from = v + c;
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
          float *to = du + (o + row) * panel + c + j * lanes;
          store(to, is_first ? sums[row][j] : load(to) + sums[row][j]);
        }
    }
}

/// du = wᵀ·v of one position, or du += it: outputs × tiles times tiles × inputs, as [panel of
/// inputs][output][32]. So few tiles at a time that two panels of them and their sums stay in the cache.
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

constexpr Code code = {transform_inputs,  transform_output_gradients,        inverse_transform,
                       transform_weights, inverse_transform_weight_gradient, multiply_tiles,
                       accumulate_tiles};

// The matrices of Winograd's filtering for tiles of two sizes, applied to 16 channels of a column or row at a
// time. Private to winograd.cpp, which includes it once for each width of vectors.

typedef float Vec16 __attribute__((vector_size(64)));

/// F(2×2, 3×3): points 0, 1, −1 and ∞, so that all numbers are exact.
struct F2 {
  static constexpr int results = 2, pixels = 4;

  /// Bᵀ
  static void inputs(const Vec16 (&d)[4], Vec16 (&v)[4]) {
    v[0] = d[0] - d[2], v[1] = d[1] + d[2], v[2] = d[2] - d[1], v[3] = d[1] - d[3];
  }

  /// Aᵀ
  static void outputs(const Vec16 (&m)[4], Vec16 (&y)[2]) {
    y[0] = m[0] + m[1] + m[2], y[1] = m[1] - m[2] - m[3];
  }

  /// A
  static void output_gradients(const Vec16 (&dy)[2], Vec16 (&w)[4]) {
    w[0] = dy[0], w[1] = dy[0] + dy[1], w[2] = dy[0] - dy[1], w[3] = -dy[1];
  }

  /// G
  static void weights(const Vec16 (&g)[3], Vec16 (&u)[4]) {
    const Vec16 ends = g[0] + g[2];
    u[0] = g[0], u[1] = .5f * (ends + g[1]), u[2] = .5f * (ends - g[1]), u[3] = g[2];
  }

  /// Gᵀ
  static void weight_gradients(const Vec16 (&du)[4], Vec16 (&dg)[3]) {
    const Vec16 u1 = .5f * du[1], u2 = .5f * du[2];
    dg[0] = du[0] + u1 + u2, dg[1] = u1 - u2, dg[2] = u1 + u2 + du[3];
  }
};

/// F(4×4, 3×3): points 0, ±p, ±q and ∞. These two make half the error of 1 and 2, at the same cost, and their
/// powers are exact.
struct F4 {
  static constexpr int results = 4, pixels = 6;
  static constexpr float p = .75f, q = 1.5f, p2 = p * p, q2 = q * q;
  /// The scales of G, by which A and Bᵀ have no fractions of theirs.
  static constexpr float at_0 = 1 / (p2 * q2), at_p = 1 / (2 * p2 * (p2 - q2)),
                         at_q = 1 / (2 * q2 * (q2 - p2));

  /// Bᵀ
  static void inputs(const Vec16 (&d)[6], Vec16 (&v)[6]) {
    const Vec16 even_p = d[4] - q2 * d[2], odd_p = d[3] - q2 * d[1];
    const Vec16 even_q = d[4] - p2 * d[2], odd_q = d[3] - p2 * d[1];
    v[0] = p2 * q2 * d[0] - (p2 + q2) * d[2] + d[4];
    v[1] = even_p + p * odd_p, v[2] = even_p - p * odd_p;
    v[3] = even_q + q * odd_q, v[4] = even_q - q * odd_q;
    v[5] = p2 * q2 * d[1] - (p2 + q2) * d[3] + d[5];
  }

  /// Aᵀ
  static void outputs(const Vec16 (&m)[6], Vec16 (&y)[4]) {
    const Vec16 even_p = m[1] + m[2], odd_p = p * (m[1] - m[2]);
    const Vec16 even_q = m[3] + m[4], odd_q = q * (m[3] - m[4]);
    y[0] = m[0] + even_p + even_q, y[1] = odd_p + odd_q;
    y[2] = p2 * even_p + q2 * even_q, y[3] = p2 * odd_p + q2 * odd_q + m[5];
  }

  /// A
  static void output_gradients(const Vec16 (&dy)[4], Vec16 (&w)[6]) {
    const Vec16 even_p = dy[0] + p2 * dy[2], odd_p = dy[1] + p2 * dy[3];
    const Vec16 even_q = dy[0] + q2 * dy[2], odd_q = dy[1] + q2 * dy[3];
    w[0] = dy[0];
    w[1] = even_p + p * odd_p, w[2] = even_p - p * odd_p;
    w[3] = even_q + q * odd_q, w[4] = even_q - q * odd_q;
    w[5] = dy[3];
  }

  /// G
  static void weights(const Vec16 (&g)[3], Vec16 (&u)[6]) {
    const Vec16 even_p = at_p * (g[0] + p2 * g[2]), odd_p = at_p * p * g[1];
    const Vec16 even_q = at_q * (g[0] + q2 * g[2]), odd_q = at_q * q * g[1];
    u[0] = at_0 * g[0];
    u[1] = even_p + odd_p, u[2] = even_p - odd_p;
    u[3] = even_q + odd_q, u[4] = even_q - odd_q;
    u[5] = g[2];
  }

  /// Gᵀ
  static void weight_gradients(const Vec16 (&du)[6], Vec16 (&dg)[3]) {
    const Vec16 even_p = at_p * (du[1] + du[2]), odd_p = at_p * p * (du[1] - du[2]);
    const Vec16 even_q = at_q * (du[3] + du[4]), odd_q = at_q * q * (du[3] - du[4]);
    dg[0] = at_0 * du[0] + even_p + even_q, dg[1] = odd_p + odd_q;
    dg[2] = p2 * even_p + q2 * even_q + du[5];
  }
};

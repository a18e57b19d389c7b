// The tiles of Winograd's filtering in images, and where their numbers lie while they are transformed.
// Private to winograd.cpp, which explains the notation.
//
// The planes of a block of tiles are [position][panel][tile][channels of a panel]; transformed weights are
// [position][panel of outputs][input][outputs of a panel]. A panel has 32 channels with AVX-512, 16 with
// AVX2.
#pragma once

#include <array>
#include <cstdint>

namespace ctorch::winograd {

constexpr int64_t lanes = 16;
/// Tiles are transformed in numbers that this divides.
constexpr int64_t strip = 12;

/// Tiles that are transformed into planes together, from the tile `first` of all on.
struct Block {
  int64_t first, together;
};

/// Some strips of a block.
struct Strips {
  int64_t begin, end;
};

/// Images, cut into tiles whose corners are `step` pixels apart, the first `padding` pixels outside. A
/// dilated kernel sees dilation² grids of pixels, each by itself.
template <class Pixel>
struct Tiled {
  Pixel *images;
  int64_t height, width, channels, padding, dilation, step, rows, columns, tiles;
  /// Takes the place of pixels outside, and of those of tiles after the last.
  Pixel *outside;

  /// The size × size pixels of a tile.
  template <int size>
  std::array<Pixel *, size * size> pixels(int64_t tile) const {
    const int64_t grids = dilation * dilation, grid = tile / (columns * rows) % grids;
    const int64_t left = tile % columns * step * dilation + grid % dilation - padding;
    const int64_t top = tile / columns % rows * step * dilation + grid / dilation - padding;
    Pixel *image = images + tile / (columns * rows * grids) * height * width * channels;
    std::array<Pixel *, size * size> result;
    for (int64_t i = 0; i < size * size; ++i) {
      const int64_t y = top + i / size * dilation, x = left + i % size * dilation;
      const bool is_inside = tile < tiles && y >= 0 && y < height && x >= 0 && x < width;
      result[i] = is_inside ? image + (y * width + x) * channels : outside;
    }
    return result;
  }
};

/// Weights with their strides; `first` is the weight of output 0, input 0 and the kernel's first row and
/// column. Either outputs or inputs are adjacent in memory.
struct Weights {
  const float *first;
  int64_t by_output, by_input, by_kernel;

  bool are_inputs_adjacent() const { return by_input == 1; }
};

}  // namespace ctorch::winograd

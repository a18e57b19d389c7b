#include "kernels/resample/resample.h"

#include "kernels/resample/axis.h"
#include "kernels/resample/rows.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace ctorch::resample {

namespace {

/// The rows of a box after the sums along them, as far as they are needed.
class Columns {
public:
  /// `reach` rows are kept.
  Columns(const ct_box &box, const Axis &across, int64_t reach)
      : box(box),
        across(across),
        slots(reach + abreast - 1),
        row_bytes(3 * across.count() + slack),
        rows(slots * row_bytes),
        ends(abreast * (3 * box.width + slack)) {}

  /// Makes the rows up to `end`, of which those before `first` are not needed any more.
  void make(int64_t first, int64_t end, const Rows &passes) {
    for (made = std::max(made, first); made < end; made += abreast) {
      const uint8_t *from[abreast];
      uint8_t *to[abreast];
      for (int64_t r = 0; r < abreast; ++r)
        from[r] = source(std::min(made + r, box.height - 1), r), to[r] = row(made + r);
      passes.across(across, from, to);
    }
  }

  uint8_t *row(int64_t y) { return rows.data() + y % slots * row_bytes; }

private:
  /// A row with some bytes behind it, the r-th of those abreast. The box's last may be the end of its memory.
  const uint8_t *source(int64_t y, int64_t r) {
    const uint8_t *pixels = box.pixels + y * box.row_bytes;
    if ((box.height - 1 - y) * box.row_bytes >= slack) return pixels;
    uint8_t *copy = ends.data() + r * (3 * box.width + slack);
    std::memcpy(copy, pixels, 3 * box.width);
    return copy;
  }

  const ct_box &box;
  const Axis &across;
  int64_t slots, row_bytes, made = 0;
  /// Made rows, and copies of the box's last.
  std::vector<uint8_t> rows, ends;
};

}  // namespace

void resize(const ct_box &box, const ct_part &part, bool is_mirrored, uint8_t *out, int64_t row_bytes) {
  TORCH_CHECK(box.height > 0 && box.width > 0 && box.row_bytes >= 3 * box.width && part.height > 0 &&
                  part.width > 0 && row_bytes >= 3 * part.columns,
              box.height, "×", box.width, " pixels in rows of ", box.row_bytes, " bytes do not become ",
              part.height, "×", part.width, " in rows of ", row_bytes);
  TORCH_CHECK(part.top >= 0 && part.left >= 0 && part.rows > 0 && part.columns > 0 &&
                  part.top + part.rows <= part.height && part.left + part.columns <= part.width,
              part.rows, "×", part.columns, " pixels from row ", part.top, ", column ", part.left,
              " on are not within ", part.height, "×", part.width);
  const Axis across(box.width, part.width, {part.left, part.columns}, is_mirrored);
  const Axis down(box.height, part.height, {part.top, part.rows}, false);
  const Rows &passes = rows_of_this_cpu();
  Columns columns(box, across, down.stride());
  std::vector<const uint8_t *> rows(down.stride());
  for (int64_t y = 0; y < part.rows; ++y) {
    const int64_t first = down.start(y), taps = down.taps(y), paired = (taps + 1) / 2 * 2;
    columns.make(first, first + taps, passes);
    // The weight of zero after an odd number of taps goes with any row.
    for (int64_t k = 0; k < paired; ++k) rows[k] = columns.row(first + std::min(k, taps - 1));
    passes.down(rows.data(), down.weights(y), paired, down.bits(), out + y * row_bytes, part.columns * 3);
  }
}

}  // namespace ctorch::resample

// Antialiased bilinear resizing of pictures of bytes, as Pillow's and LibTorch's (docs/decisions/0026).
#pragma once

#include "ctorch_pixels.h"

namespace ctorch::resample {

/// out = a part of the resized box, left and right of the part exchanged if it is mirrored. Columns are
/// summed first, then rows, each pass rounded to 8 bits.
void resize(const ct_box &box, const ct_part &part, bool is_mirrored, uint8_t *out, int64_t row_bytes);

}  // namespace ctorch::resample

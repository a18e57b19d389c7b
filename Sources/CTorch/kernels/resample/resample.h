// Antialiased bilinear resizing of pictures of bytes, as Pillow's and LibTorch's (docs/decisions/0026).
#pragma once

#include "ctorch_pixels.h"

namespace ctorch::resample {

/// out = the box as height × width × 3 bytes, left and right exchanged if it is mirrored. Columns are summed
/// first, then rows, each pass rounded to 8 bits.
void resize(const ct_box &box, int64_t height, int64_t width, bool is_mirrored, uint8_t *out);

}  // namespace ctorch::resample

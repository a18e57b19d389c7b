// Non-maximum suppression of sorted boxes.
#pragma once

#include <cstdint>
#include <vector>

namespace ctorch::detection {

/// Those of `places`, ascending, whose box is kept: no box kept before it has an IoU with it above the
/// threshold. `boxes` are rows of x0, y0, x1, y1 by falling score.
template <class T>
std::vector<int64_t> kept(const T *boxes, const std::vector<int64_t> &places, double threshold);

}  // namespace ctorch::detection

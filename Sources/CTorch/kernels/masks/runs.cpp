// What can be computed from run lengths without their pixels.
#include <algorithm>

#include "kernels/masks/masks.h"

namespace ctorch::masks {

namespace {

/// The runs of two masks side by side, cut where either of them changes.
template <class Body>
void walk(ct_run_list a, ct_run_list b, Body &&body) {
  int64_t i = 0, j = 0;
  uint32_t left_a = a.count ? a.counts[0] : 0, left_b = b.count ? b.counts[0] : 0;
  while (i < a.count && j < b.count) {
    const uint32_t length = std::min(left_a, left_b);
    if (length) body(length, i & 1, j & 1);
    left_a -= length;
    left_b -= length;
    if (left_a == 0 && ++i < a.count) left_a = a.counts[i];
    if (left_b == 0 && ++j < b.count) left_b = b.counts[j];
  }
}

Runs merge(ct_run_list a, ct_run_list b, bool is_intersection) {
  Runs result;
  result.reserve(a.count + b.count);
  uint32_t length = 0;
  bool is_inside = false;
  walk(a, b, [&](uint32_t part, bool in_a, bool in_b) {
    const bool now = is_intersection ? in_a && in_b : in_a || in_b;
    if (now != is_inside) {
      result.push_back(length);
      length = 0;
      is_inside = now;
    }
    length += part;
  });
  if (length || result.empty()) result.push_back(length);
  return result;
}

struct Box {
  int64_t x0, y0, x1, y1;  // the ends are beyond the last pixel

  bool meets(const Box &other) const {
    return x0 < other.x1 && other.x0 < x1 && y0 < other.y1 && other.y0 < y1;
  }
};

Box box_of(ct_run_list mask, int64_t height) {
  int64_t box[4];
  bounding_box(box, mask, height);
  return {box[0], box[1], box[0] + box[2], box[1] + box[3]};
}

}  // namespace

Runs merge(const ct_run_list *masks, int64_t count, int64_t area, bool is_intersection) {
  if (count == 0) return {static_cast<uint32_t>(area)};
  // With an empty mask, or one that is full, the first loses its empty runs too.
  const uint32_t neutral[] = {static_cast<uint32_t>(is_intersection ? 0 : area), static_cast<uint32_t>(area)};
  Runs result = merge(masks[0], {neutral, is_intersection ? 2 : 1}, is_intersection);
  for (int64_t i = 1; i < count; ++i)
    result = merge({result.data(), static_cast<int64_t>(result.size())}, masks[i], is_intersection);
  return result;
}

int64_t area(ct_run_list mask) {
  int64_t sum = 0;
  for (int64_t i = 1; i < mask.count; i += 2) sum += mask.counts[i];
  return sum;
}

void bounding_box(int64_t box[4], ct_run_list mask, int64_t height) {
  int64_t x0 = INT64_MAX, y0 = INT64_MAX, x1 = -1, y1 = -1, start = 0;
  for (int64_t i = 0; i < mask.count; start += mask.counts[i++]) {
    if (!(i & 1) || mask.counts[i] == 0) continue;
    const int64_t last = start + mask.counts[i] - 1;
    const int64_t first_column = start / height, last_column = last / height;
    x0 = std::min(x0, first_column);
    x1 = std::max(x1, last_column);
    const bool is_in_one_column = first_column == last_column;
    y0 = std::min(y0, is_in_one_column ? start % height : 0);
    y1 = std::max(y1, is_in_one_column ? last % height : height - 1);
  }
  const bool is_empty = x1 < 0;
  box[0] = is_empty ? 0 : x0;
  box[1] = is_empty ? 0 : y0;
  box[2] = is_empty ? 0 : x1 - x0 + 1;
  box[3] = is_empty ? 0 : y1 - y0 + 1;
}

int64_t intersection(ct_run_list a, ct_run_list b) {
  int64_t sum = 0;
  walk(a, b, [&](uint32_t length, bool in_a, bool in_b) { sum += in_a && in_b ? length : 0; });
  return sum;
}

void iou(double *out, const ct_run_list *found, int64_t found_count, const ct_run_list *truths,
         int64_t truth_count, const uint8_t *is_crowd, int64_t height) {
  constexpr int64_t block = 64;
  Box boxes[block];
  int64_t areas[block];
  for (int64_t start = 0; start < truth_count; start += block) {
    const int64_t end = std::min(start + block, truth_count);
    for (int64_t j = start; j < end; ++j) {
      boxes[j - start] = box_of(truths[j], height);
      areas[j - start] = area(truths[j]);
    }
    for (int64_t i = 0; i < found_count; ++i) {
      const Box found_box = box_of(found[i], height);
      const int64_t found_area = area(found[i]);
      for (int64_t j = start; j < end; ++j) {
        double &result = out[i * truth_count + j];
        result = 0;
        if (!found_box.meets(boxes[j - start])) continue;
        const int64_t both = intersection(found[i], truths[j]);
        if (both == 0) continue;
        const int64_t whole = is_crowd[j] ? found_area : found_area + areas[j - start] - both;
        result = static_cast<double>(both) / static_cast<double>(whole);
      }
    }
  }
}

void box_iou(double *out, const double *found, int64_t found_count, const double *truths, int64_t truth_count,
             const uint8_t *is_crowd) {
  for (int64_t i = 0; i < found_count; ++i) {
    const double *a = found + 4 * i;
    for (int64_t j = 0; j < truth_count; ++j) {
      const double *b = truths + 4 * j;
      const double width = std::min(a[0] + a[2], b[0] + b[2]) - std::max(a[0], b[0]);
      const double height = std::min(a[1] + a[3], b[1] + b[3]) - std::max(a[1], b[1]);
      double &result = out[i * truth_count + j];
      result = 0;
      if (!(width > 0 && height > 0)) continue;
      const double both = width * height, found_area = a[2] * a[3];
      const double whole = is_crowd[j] ? found_area : found_area + b[2] * b[3] - both;
      result = both / whole;
    }
  }
}

}  // namespace ctorch::masks

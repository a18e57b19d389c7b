#include "kernels/masks/masks.h"

#include <cstdlib>
#include <new>

#include "shim/shim.h"

using namespace ctorch;

namespace {

ct_status hand_out(ct_runs *out, const masks::Runs &runs) {
  out->count = static_cast<int64_t>(runs.size());
  out->counts = static_cast<uint32_t *>(std::malloc(runs.size() * sizeof(uint32_t)));
  if (!out->counts) throw std::bad_alloc();
  std::memcpy(out->counts, runs.data(), runs.size() * sizeof(uint32_t));
  return CT_OK;
}

template <class Body>
ct_status produce_runs(ct_runs *out, Body &&body) noexcept {
  *out = {nullptr, 0};
  return guarded([&] { hand_out(out, body()); });
}

}  // namespace

void ct_runs_free(ct_runs *runs) {
  std::free(runs->counts);
  *runs = {nullptr, 0};
}

ct_status ct_mask_from_polygon(ct_runs *out, const double *points, int64_t corners, int64_t height,
                               int64_t width) {
  return produce_runs(out, [&] { return masks::from_polygon(points, corners, height, width); });
}

ct_status ct_mask_from_bitmap(ct_runs *out, const uint8_t *rows, int64_t height, int64_t width) {
  return produce_runs(out, [&] { return masks::from_bitmap(rows, height, width); });
}

void ct_mask_to_bitmap(uint8_t *rows, ct_run_list mask, int64_t height, int64_t width) {
  masks::to_bitmap(rows, mask, height, width);
}

ct_status ct_masks_merge(ct_runs *out, const ct_run_list *list, int64_t count, int64_t area,
                         bool is_intersection) {
  return produce_runs(out, [&] { return masks::merge(list, count, area, is_intersection); });
}

int64_t ct_mask_area(ct_run_list mask) { return masks::area(mask); }

void ct_mask_bounding_box(int64_t box[4], ct_run_list mask, int64_t height) {
  masks::bounding_box(box, mask, height);
}

void ct_masks_iou(double *iou, const ct_run_list *found, int64_t found_count, const ct_run_list *truths,
                  int64_t truth_count, const uint8_t *is_crowd, int64_t height) {
  masks::iou(iou, found, found_count, truths, truth_count, is_crowd, height);
}

void ct_boxes_iou(double *iou, const double *found, int64_t found_count, const double *truths,
                  int64_t truth_count, const uint8_t *is_crowd) {
  masks::box_iou(iou, found, found_count, truths, truth_count, is_crowd);
}

int64_t ct_runs_to_text(uint8_t *text, ct_run_list mask) { return masks::to_text(text, mask); }

ct_text_fault ct_runs_from_text(uint32_t *counts, int64_t *count, const uint8_t *text, int64_t length) {
  return masks::from_text(counts, count, text, length);
}

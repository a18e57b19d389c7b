// Masks as COCO's run lengths: column by column, zeros first. Raw pointers, no tensors.
#pragma once

#include <cstdint>
#include <vector>

#include "ctorch_masks.h"

namespace ctorch::masks {

using Runs = std::vector<uint32_t>;

Runs from_polygon(const double *points, int64_t corners, int64_t height, int64_t width);
Runs from_bitmap(const uint8_t *rows, int64_t height, int64_t width);
void to_bitmap(uint8_t *rows, ct_run_list mask, int64_t height, int64_t width);
Runs merge(const ct_run_list *masks, int64_t count, int64_t area, bool is_intersection);

int64_t area(ct_run_list mask);
void bounding_box(int64_t box[4], ct_run_list mask, int64_t height);
int64_t intersection(ct_run_list a, ct_run_list b);
void iou(double *out, const ct_run_list *found, int64_t found_count, const ct_run_list *truths,
         int64_t truth_count, const uint8_t *is_crowd, int64_t height);
void box_iou(double *out, const double *found, int64_t found_count, const double *truths, int64_t truth_count,
             const uint8_t *is_crowd);

int64_t to_text(uint8_t *text, ct_run_list mask);
ct_text_fault from_text(uint32_t *counts, int64_t *count, const uint8_t *text, int64_t length);

}  // namespace ctorch::masks

// Masks as COCO's run lengths: column by column, zeros first. No tensors.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctorch_error.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Run lengths made here; `ct_runs_free` gives them back.
typedef struct ct_runs {
  uint32_t *counts;
  int64_t count;
} ct_runs;

void ct_runs_free(ct_runs *runs);

/// Run lengths that the caller owns. They add up to the area of the picture.
typedef struct ct_run_list {
  const uint32_t *counts;
  int64_t count;
} ct_run_list;

/// The inside, by the even-odd rule, of one polygon of `corners` points x, y, x, y, …; COCO's rasteriser. A
/// coordinate that is no number counts as 0.
ct_status ct_mask_from_polygon(ct_runs *out, const double *points, int64_t corners, int64_t height,
                               int64_t width);
/// From height × width bytes, row by row: 0 is outside, all else inside.
ct_status ct_mask_from_bitmap(ct_runs *out, const uint8_t *rows, int64_t height, int64_t width);
/// Fills height × width bytes, row by row, with 0 and 1.
void ct_mask_to_bitmap(uint8_t *rows, ct_run_list mask, int64_t height, int64_t width);
/// Union or intersection of masks of `area` pixels, without empty runs after the first.
ct_status ct_masks_merge(ct_runs *out, const ct_run_list *masks, int64_t count, int64_t area,
                         bool is_intersection);

int64_t ct_mask_area(ct_run_list mask);
/// The smallest x, y, width, height around the ones; zeros for an empty mask.
void ct_mask_bounding_box(int64_t box[4], ct_run_list mask, int64_t height);

/// iou[i·truth_count + j] of masks of pictures of one size; for a crowd j, intersection / area of i.
/// `is_crowd` has a byte for each of the truths. Nothing is allocated.
void ct_masks_iou(double *iou, const ct_run_list *found, int64_t found_count, const ct_run_list *truths,
                  int64_t truth_count, const uint8_t *is_crowd, int64_t height);
/// The same of boxes x, y, width, height.
void ct_boxes_iou(double *iou, const double *found, int64_t found_count, const double *truths,
                  int64_t truth_count, const uint8_t *is_crowd);

typedef enum ct_text_fault {
  CT_TEXT_OK = 0,
  CT_TEXT_CHARACTER = 1,  // a byte that is none of the code
  CT_TEXT_CUT = 2,        // it ends within a number
  CT_TEXT_RANGE = 3,      // a run below 0 or above 2³² − 1
} ct_text_fault;

/// COCO's text of runs, into `text` of at least 7 · count bytes; returns its length.
int64_t ct_runs_to_text(uint8_t *text, ct_run_list mask);
/// The runs of a text, into `counts` of at least `length` numbers; `count` of them, or on a fault the place
/// in the text.
ct_text_fault ct_runs_from_text(uint32_t *counts, int64_t *count, const uint8_t *text, int64_t length);

#ifdef __cplusplus
}
#endif

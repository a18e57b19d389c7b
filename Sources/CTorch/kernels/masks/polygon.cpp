// COCO's rasteriser of polygons, on a grid five times as fine as the pixels. COCO lists every point of every
// edge; here the places where an edge crosses the middle of a column of pixels are computed one by one, so
// that the time goes with the columns of the picture and not with the length of the edge.
#include <algorithm>
#include <cmath>

#include "kernels/masks/masks.h"

// A fused multiplication and addition would round once where COCO rounds twice.
#pragma STDC FP_CONTRACT OFF

namespace ctorch::masks {

namespace {

constexpr int64_t fine = 5;

struct Corner {
  int64_t u, v;
};

/// A coordinate on the fine grid, cut towards zero. 32 bits are COCO's range too.
int64_t on_fine_grid(double coordinate) {
  const double scaled = fine * coordinate + 0.5;
  if (std::isnan(scaled)) return 0;
  return static_cast<int64_t>(std::clamp(scaled, -2147483648.0, 2147483647.0));
}

/// The line of an edge along its longer side: `at(step)` is the other coordinate, cut towards zero.
struct Line {
  double start, slope;

  double exact(int64_t step) const { return start + slope * static_cast<double>(step) + 0.5; }
  int64_t at(int64_t step) const { return static_cast<int64_t>(exact(step)); }
};

/// The places in the runs where the polygon's edge is crossed: each turns inside to outside or back.
class Crossings {
public:
  Crossings(int64_t height, int64_t width) : height(height), width(width) {}

  void add_edge(Corner from, Corner to) {
    const int64_t across = std::abs(to.u - from.u), down = std::abs(to.v - from.v);
    if (across == 0) return;  // it crosses no column
    const bool is_flat = across >= down;
    // The computation goes towards larger values on the longer side.
    if (is_flat ? from.u > to.u : from.v > to.v) std::swap(from, to);
    if (is_flat)
      add_flat(from, to, across);
    else
      add_steep(from, to, down);
    if (places.size() > most) cancel();
  }

  Runs runs() {
    cancel();
    const int64_t end = height * width;
    Runs result;
    result.reserve(places.size() + 1);
    int64_t last = 0;
    for (const uint32_t place : places) {
      if (place == end) break;
      result.push_back(place - last);
      last = place;
    }
    if (end > last || result.empty()) result.push_back(end - last);
    return result;
  }

private:
  int64_t height, width;
  size_t most = 1 << 20;
  std::vector<uint32_t> places;

  /// The column whose middle lies between u and u + 1 on the fine grid is (u − 2) / 5.
  static int64_t middle(int64_t column) { return fine * column + fine / 2; }

  int64_t first_column(int64_t u) const {
    return u <= middle(0) ? 0 : (u - middle(0) + fine - 1) / fine;  // the first with middle >= u
  }
  int64_t end_column(int64_t u) const {
    return u <= middle(0) ? 0 : std::min(width, (u - 1 - middle(0)) / fine + 1);  // of those with middle < u
  }

  void add(int64_t column, int64_t v) {
    const double row = (static_cast<double>(v) + 0.5) / fine - 0.5;
    const double held = std::ceil(std::clamp(row, 0.0, static_cast<double>(height)));
    places.push_back(static_cast<uint32_t>(column * height + static_cast<int64_t>(held)));
  }

  void add_flat(Corner from, Corner to, int64_t across) {
    const Line line{static_cast<double>(from.v), static_cast<double>(to.v - from.v) / across};
    const int64_t end = end_column(to.u);
    for (int64_t column = first_column(from.u); column < end; ++column) {
      const int64_t step = middle(column) - from.u;
      add(column, std::min(line.at(step), line.at(step + 1)));
    }
  }

  void add_steep(Corner from, Corner to, int64_t down) {
    const Line line{static_cast<double>(from.u), static_cast<double>(to.u - from.u) / down};
    const int64_t least = std::min(from.u, to.u), end = end_column(std::max(from.u, to.u));
    for (int64_t column = first_column(least); column < end; ++column) {
      // The step after which u has passed the middle: u only grows or only falls along the line.
      const double edge = static_cast<double>(middle(column) + 1);
      const bool rises = line.slope > 0;
      const auto has_passed = [&](int64_t step) {
        return rises ? line.exact(step) >= edge : line.exact(step) < edge;
      };
      const double near = (edge - 0.5 - line.start) / line.slope;
      auto step = static_cast<int64_t>(std::clamp(near, 0.0, static_cast<double>(down)));
      while (step > 0 && has_passed(step)) --step;
      while (step < down && !has_passed(step)) ++step;
      if (step == 0 || !has_passed(step)) continue;
      add(column, from.v + step - 1);
    }
  }

  /// Sorts the places; two at one place are none. So there are never many more than pixels.
  void cancel() {
    std::sort(places.begin(), places.end());
    size_t kept = 0;
    for (size_t i = 0; i < places.size(); ++i) {
      if (kept > 0 && places[kept - 1] == places[i])
        --kept;
      else
        places[kept++] = places[i];
    }
    places.resize(kept);
    most = std::max<size_t>(1 << 20, 2 * kept);
  }
};

}  // namespace

Runs from_polygon(const double *points, int64_t corners, int64_t height, int64_t width) {
  Crossings crossings(height, width);
  const auto corner = [&](int64_t i) {
    return Corner{on_fine_grid(points[2 * i]), on_fine_grid(points[2 * i + 1])};
  };
  for (int64_t i = 0; i < corners; ++i) crossings.add_edge(corner(i), corner(i + 1 < corners ? i + 1 : 0));
  return crossings.runs();
}

}  // namespace ctorch::masks

#pragma once

#include "CCodecs.h"

// Reads a PNG's samples at once. Returns 0 for a file that it leaves to libpng: all that is unusual, damaged
// or too large; what `samples` then holds means nothing.
int cc_png_samples_at_once(cc_samples *wanted);

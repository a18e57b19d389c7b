// C over libarchive and zlib.
#pragma once

#include "tar_reader.h"
#include "zlib_bytes.h"

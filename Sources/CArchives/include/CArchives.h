// C over libarchive and zlib.
#pragma once

#include "ca_parquet.h"
#include "ca_tar.h"
#include "ca_zlib.h"

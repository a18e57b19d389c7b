// Decodes mutated image files: see run. Built with AddressSanitizer, which ends the program at the first
// wrong access; so does UndefinedBehaviorSanitizer at the first overflow.
//
//   mutate COUNT SEED FILE…     COUNT mutated inputs, made from the files in turns
//   mutate --only N SEED FILE…  input N alone, whose bytes go to input-N
#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CCodecs.h"

typedef cc_status (*size_function)(const void *, size_t, uint32_t *, uint32_t *, cc_message *);
typedef cc_status (*decode_function)(cc_decode *);

typedef struct Format {
  const char *name;  // the files' ending
  size_function size;
  decode_function decode;
  uint64_t inputs, decoded;
} Format;

static Format formats[] = {
    {"tiff", cc_tiff_size, cc_tiff_decode, 0, 0}, {"bmp", cc_bmp_size, cc_bmp_decode, 0, 0},
    {"gif", cc_gif_size, cc_gif_decode, 0, 0},    {"pnm", cc_pnm_size, cc_pnm_decode, 0, 0},
    {"avif", cc_avif_size, cc_avif_decode, 0, 0}, {"png", cc_png_size, cc_png_decode, 0, 0},
};
enum { format_count = sizeof formats / sizeof formats[0] };

typedef struct File {
  uint8_t *bytes;
  size_t count;
  Format *format;
} File;

// SplitMix64: input n depends on the seed and on n alone.
static uint64_t state;

static uint64_t next_random(void) {
  uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static size_t below(size_t limit) { return limit == 0 ? 0 : (size_t)(next_random() % limit); }

// MARK: - Mutations

// Overwrites 1, 2, 4 or 8 bytes with a number at the edge of something.
static void put_number(File *file) {
  static const uint64_t edges[] = {0,
                                   1,
                                   2,
                                   7,
                                   8,
                                   127,
                                   128,
                                   255,
                                   256,
                                   32767,
                                   32768,
                                   65535,
                                   65536,
                                   0x7FFFFFFF,
                                   0x80000000,
                                   0xFFFFFFFF,
                                   100000,
                                   999999,
                                   1 << 24,
                                   0x7FFFFFFFFFFFFFFF,
                                   0xFFFFFFFFFFFFFFFF};
  const size_t width = (size_t)1 << below(4), at = below(file->count);
  uint64_t value = edges[below(sizeof edges / sizeof edges[0])];
  if (below(4) == 0) value = next_random() >> below(64);
  const int big = (int)below(2);
  for (size_t i = 0; i < width && at + i < file->count; i++) {
    file->bytes[at + i] = (uint8_t)(value >> 8 * (big ? width - 1 - i : i));
  }
}

// Cuts out a stretch, or puts one of another file or of this one in.
static void move_bytes(File *file, const File *other) {
  const size_t at = below(file->count), from = below(other->count);
  size_t length = 1 + below(below(4) == 0 ? other->count : 16);
  if (length > other->count - from) length = other->count - from;
  if (below(2) == 0) {
    if (length > file->count - at) length = file->count - at;
    memmove(file->bytes + at, file->bytes + at + length, file->count - at - length);
    file->count -= length;
    return;
  }
  uint8_t *grown = malloc(file->count + length + 1);
  if (grown == NULL) abort();
  memcpy(grown, file->bytes, at);
  memcpy(grown + at, other->bytes + from, length);
  memcpy(grown + at + length, file->bytes + at, file->count - at);
  free(file->bytes);
  file->bytes = grown;
  file->count += length;
}

static void mutate(File *file, const File *other) {
  if (file->count == 0) return;
  // Most numbers that matter lie in the first bytes.
  const size_t near = file->count < 256 || below(2) == 0 ? file->count : 256;
  switch (below(6)) {
    case 0: file->bytes[below(near)] ^= (uint8_t)(1 << below(8)); return;
    case 1: file->bytes[below(near)] = (uint8_t)next_random(); return;
    case 2:
    case 3: put_number(file); return;
    case 4: move_bytes(file, other); return;
    default:
      if (below(4) == 0) file->count = below(file->count);
      return;
  }
}

// The bytes end at the end of their memory, so that reading further is seen.
static File mutated(const File *files, size_t count, uint64_t seed, uint64_t number) {
  state = seed * 0xD1342543DE82EF95u + number;
  const File *original = &files[number % count];
  File file = {malloc(original->count + 1), original->count, original->format};
  if (file.bytes == NULL) abort();
  memcpy(file.bytes, original->bytes, file.count);
  for (size_t i = 1 + below(6); i > 0; i--) {
    const File *other = &files[below(count)];
    mutate(&file, other->format == file.format ? other : original);
  }
  uint8_t *exact = malloc(file.count);
  if (exact == NULL && file.count > 0) abort();
  memcpy(exact, file.bytes, file.count);
  free(file.bytes);
  file.bytes = exact;
  return file;
}

// MARK: - Decoding

static cc_depth some_depth(void) {
  switch (below(4)) {
    case 0: return (cc_depth){.kind = CC_DEPTH_PILLOW};
    case 1: return (cc_depth){.kind = CC_DEPTH_RANGE, .low = -1000, .high = 3000};
    default: return (cc_depth){.kind = CC_DEPTH_FILE};
  }
}

// A PNG's stored samples, which another reader takes.
static void take_samples(const File *file) {
  cc_message message = {{0}};
  cc_samples wanted = {
      .bytes = file->bytes, .count = file->count, .max_work = 4000000, .max_bytes = 16 << 20};
  int is_palette = 0;
  if (cc_png_size(wanted.bytes, wanted.count, &wanted.width, &wanted.height, &message) != CC_OK) return;
  if (cc_png_sample(wanted.bytes, wanted.count, &wanted.sample, &is_palette, &message) != CC_OK) return;
  if (wanted.sample == 0 || (uint64_t)wanted.width * wanted.height > 250000) return;
  wanted.samples = malloc((size_t)wanted.width * wanted.height * wanted.sample);
  wanted.palette = malloc(256 * 3);
  if (wanted.samples == NULL || wanted.palette == NULL) abort();
  cc_png_samples(&wanted);
  free(wanted.samples);
  free(wanted.palette);
}

// The whole picture or a part of it, with limits that keep an input quick.
static void decode(const File *file) {
  Format *format = file->format;
  cc_message message = {{0}};
  uint32_t width = 0, height = 0;
  format->inputs++;
  if (format->size(file->bytes, file->count, &width, &height, &message) != CC_OK) return;
  if (width == 0 || height == 0) abort();
  if ((uint64_t)width * height > 250000) return;
  cc_decode request = {
      .bytes = file->bytes,
      .count = file->count,
      .width = width,
      .height = height,
      .region = {0, 0, width, height},
      .depth = some_depth(),
      .max_scans = 10,
      .max_work = 4000000,
      .max_bytes = 16 << 20,
      .held_bytes = (uint64_t)width * height * 3,
      .tolerant = (int)below(2),
  };
  if (below(2) == 0) {
    request.region.left = (uint32_t)below(width);
    request.region.top = (uint32_t)below(height);
    request.region.width = 1 + (uint32_t)below(width - request.region.left);
    request.region.height = 1 + (uint32_t)below(height - request.region.top);
  }
  request.pixels = malloc((size_t)request.region.width * request.region.height * 3);
  if (request.pixels == NULL) abort();
  if (format->decode(&request) == CC_OK) format->decoded++;
  free(request.pixels);
  if (format->decode == cc_avif_decode) cc_avif_orientation(file->bytes, file->count);
  if (format->decode == cc_png_decode) take_samples(file);
}

static File read_file(const char *path) {
  FILE *stream = fopen(path, "rb");
  if (stream == NULL || fseek(stream, 0, SEEK_END) != 0) exit(2);
  File file = {.count = (size_t)ftell(stream)};
  rewind(stream);
  file.bytes = malloc(file.count + 1);
  if (file.bytes == NULL || fread(file.bytes, 1, file.count, stream) != file.count) exit(2);
  fclose(stream);
  const char *dot = strrchr(path, '.');
  for (int i = 0; dot != NULL && i < format_count; i++) {
    if (strcmp(dot + 1, formats[i].name) == 0) file.format = &formats[i];
  }
  if (file.format == NULL) exit(2);
  return file;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void decode_only(const File *files, size_t count, uint64_t seed, uint64_t number) {
  const File file = mutated(files, count, seed, number);
  char name[40];
  snprintf(name, sizeof name, "input-%llu", (unsigned long long)number);
  FILE *out = fopen(name, "wb");
  if (out == NULL || fwrite(file.bytes, 1, file.count, out) != file.count || fclose(out) != 0) exit(2);
  decode(&file);
}

static uint64_t current;

static void on_death(void) { fprintf(stderr, "this was input %llu\n", (unsigned long long)current); }

int main(int argc, char **argv) {
  const int is_only = argc > 1 && strcmp(argv[1], "--only") == 0;
  if (argc < 4 + is_only) return 2;
  const uint64_t number = strtoull(argv[1 + is_only], NULL, 10), seed = strtoull(argv[2 + is_only], NULL, 10);
  const size_t first = 3 + (size_t)is_only, count = (size_t)argc - first;
  File *files = calloc(count, sizeof *files);
  if (files == NULL) abort();
  for (size_t i = 0; i < count; i++) files[i] = read_file(argv[first + i]);
  __sanitizer_set_death_callback(on_death);
  double slowest = 0;
  uint64_t slowest_number = 0;
  if (is_only) decode_only(files, count, seed, number);
  for (uint64_t i = 0; !is_only && i < number; i++) {
    current = i;
    File file = mutated(files, count, seed, i);
    const double start = now();
    decode(&file);
    const double seconds = now() - start;
    if (seconds > slowest) {
      slowest = seconds;
      slowest_number = i;
    }
    free(file.bytes);
    if ((i + 1) % 10000 == 0) fprintf(stderr, "\r%llu", (unsigned long long)(i + 1));
  }
  uint64_t inputs = 0, decoded = 0;
  for (int i = 0; i < format_count; i++) {
    if (formats[i].inputs == 0) continue;
    printf("%s: %llu inputs, %llu decoded\n", formats[i].name, (unsigned long long)formats[i].inputs,
           (unsigned long long)formats[i].decoded);
    inputs += formats[i].inputs;
    decoded += formats[i].decoded;
  }
  printf("%llu mutated inputs, %llu decoded, %llu refused, no report; the slowest took %.0f ms (%llu)\n",
         (unsigned long long)inputs, (unsigned long long)decoded, (unsigned long long)(inputs - decoded),
         1e3 * slowest, (unsigned long long)slowest_number);
  for (size_t i = 0; i < count; i++) free(files[i].bytes);
  free(files);
  return 0;
}

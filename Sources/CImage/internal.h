#pragma once
#include "include/CImage.h"

#include <stdbool.h>

/// What a decoder works with.
typedef struct {
    const uint8_t *data;
    size_t size;
    size_t limit;
    cimage_allocate allocate;
    void *context;
    char *message;
} cimage_task;

enum { CIMAGE_MESSAGE = 256 };

/// A function of a library and where its address goes.
typedef struct {
    const char *name;
    void **address;
} cimage_symbol;

/// Opens the first of `names` (NULL at the end) and looks up `symbols`. False where one is missing.
bool cimage_open(const char *const *names, const cimage_symbol *symbols, int count);

/// Notes the reason and returns the status.
cimage_status cimage_fail(const cimage_task *task, cimage_status status, const char *reason);

/// The result's memory, or NULL after checking `bytes_per_pixel` of the decoder's own against the limit.
uint8_t *cimage_result(const cimage_task *task, int64_t width, int64_t height, size_t bytes_per_pixel);

cimage_status cimage_decode_jpeg(const cimage_task *task);
cimage_status cimage_decode_jpeg2000(const cimage_task *task);
cimage_status cimage_decode_png(const cimage_task *task);
cimage_status cimage_decode_tiff(const cimage_task *task);
cimage_status cimage_decode_webp(const cimage_task *task);

#define _GNU_SOURCE
#include "internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cimage_open(const char *const *names, const cimage_symbol *symbols, int count) {
    const char *user = getenv("CAMEO_IMAGES");
    if (user && !strcmp(user, "none")) return false;
    for (; *names; names++) {
        void *library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
        if (!library) continue;
        bool whole = true;
        for (int i = 0; i < count; i++) {
            *symbols[i].address = dlsym(library, symbols[i].name);
            whole = whole && *symbols[i].address;
        }
        if (whole) return true;
        dlclose(library);
    }
    return false;
}

cimage_status cimage_fail(const cimage_task *task, cimage_status status, const char *reason) {
    snprintf(task->message, CIMAGE_MESSAGE, "%s", reason);
    return status;
}

uint8_t *cimage_result(const cimage_task *task, int64_t width, int64_t height, size_t bytes_per_pixel) {
    size_t bytes;
    if (width <= 0 || height <= 0 || __builtin_mul_overflow((size_t)width, (size_t)height, &bytes) ||
        __builtin_mul_overflow(bytes, bytes_per_pixel, &bytes) || bytes > task->limit) {
        snprintf(task->message, CIMAGE_MESSAGE, "an image of %lld x %lld pixels", (long long)width, (long long)height);
        return NULL;
    }
    uint8_t *result = task->allocate(task->context, width, height);
    if (!result)
        snprintf(task->message, CIMAGE_MESSAGE, "an image of %lld x %lld pixels", (long long)width, (long long)height);
    return result;
}

cimage_status cimage_decode(cimage_format format, const uint8_t *data, size_t size, size_t limit, cimage_allocate allocate,
                            void *context, char *message) {
    cimage_task task = {data, size, limit, allocate, context, message};
    message[0] = 0;
    switch (format) {
    case CIMAGE_JPEG: return cimage_decode_jpeg(&task);
    case CIMAGE_JPEG2000: return cimage_decode_jpeg2000(&task);
    case CIMAGE_PNG: return cimage_decode_png(&task);
    case CIMAGE_TIFF: return cimage_decode_tiff(&task);
    case CIMAGE_WEBP: return cimage_decode_webp(&task);
    }
    return cimage_fail(&task, CIMAGE_BROKEN, "an unknown format");
}

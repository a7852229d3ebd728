#include "internal.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// libtiff from 4.5 on, whose error handlers belong to a file. It converts every photometric kind to RGBA itself.
enum { TAG_WIDTH = 256, TAG_HEIGHT = 257, TAG_EXTRA_SAMPLES = 338, UNASSOCIATED_ALPHA = 2, ASSOCIATED_ALPHA = 1, TOP_LEFT = 1 };

typedef intptr_t (*read_fn)(void *, void *, intptr_t);
typedef uint64_t (*seek_fn)(void *, uint64_t, int);
typedef int (*close_fn)(void *);
typedef uint64_t (*size_fn)(void *);
typedef int (*map_fn)(void *, void **, uint64_t *);
typedef void (*unmap_fn)(void *, void *, uint64_t);
typedef int (*message_fn)(void *, void *, const char *, const char *, va_list);

static struct {
    void *(*options)(void);
    void (*free_options)(void *);
    void (*limit)(void *, intptr_t);
    void (*on_error)(void *, message_fn, void *);
    void (*on_warning)(void *, message_fn, void *);
    void *(*open)(const char *, const char *, void *, read_fn, read_fn, seek_fn, close_fn, size_fn, map_fn, unmap_fn, void *);
    void (*close)(void *);
    int (*get)(void *, uint32_t, ...);
    int (*set)(void *, uint32_t, ...);
    int (*read)(void *, uint32_t, uint32_t, uint32_t *, int, int);
    bool ready;
} tiff;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    static const char *const names[] = {"libtiff.so.6", NULL};
    const cimage_symbol symbols[] = {
        {"TIFFOpenOptionsAlloc", (void **)&tiff.options}, {"TIFFOpenOptionsFree", (void **)&tiff.free_options},
        {"TIFFOpenOptionsSetMaxSingleMemAlloc", (void **)&tiff.limit},
        {"TIFFOpenOptionsSetErrorHandlerExtR", (void **)&tiff.on_error},
        {"TIFFOpenOptionsSetWarningHandlerExtR", (void **)&tiff.on_warning}, {"TIFFClientOpenExt", (void **)&tiff.open},
        {"TIFFClose", (void **)&tiff.close}, {"TIFFGetField", (void **)&tiff.get}, {"TIFFSetField", (void **)&tiff.set},
        {"TIFFReadRGBAImageOriented", (void **)&tiff.read},
    };
    tiff.ready = cimage_open(names, symbols, sizeof symbols / sizeof *symbols);
}

typedef struct {
    const cimage_task *task;
    uint64_t offset;
} tiff_stream;

static intptr_t on_read(void *context, void *bytes, intptr_t count) {
    tiff_stream *stream = context;
    uint64_t size = stream->task->size;
    uint64_t rest = stream->offset < size ? size - stream->offset : 0;
    uint64_t taken = count < 0 ? 0 : (uint64_t)count < rest ? (uint64_t)count : rest;
    if (taken) memcpy(bytes, stream->task->data + stream->offset, taken);
    stream->offset += taken;
    return (intptr_t)taken;
}

static intptr_t on_write(void *context, void *bytes, intptr_t count) {
    (void)context;
    (void)bytes;
    (void)count;
    return -1;
}

static uint64_t on_seek(void *context, uint64_t offset, int whence) {
    tiff_stream *stream = context;
    uint64_t base = whence == SEEK_CUR ? stream->offset : whence == SEEK_END ? stream->task->size : 0;
    // Relative offsets are negative numbers in two's complement; past the end nothing is read.
    stream->offset = base + offset;
    return stream->offset;
}

static int on_close(void *context) {
    (void)context;
    return 0;
}

static uint64_t on_size(void *context) { return ((tiff_stream *)context)->task->size; }

static int on_map(void *context, void **base, uint64_t *size) {
    (void)context;
    (void)base;
    (void)size;
    return 0;
}

static void on_unmap(void *context, void *base, uint64_t size) {
    (void)context;
    (void)base;
    (void)size;
}

static int on_error(void *file, void *context, const char *module, const char *format, va_list arguments) {
    (void)file;
    const cimage_task *task = context;
    int length = snprintf(task->message, CIMAGE_MESSAGE, "libtiff: %s: ", module ? module : "");
    if (length > 0 && length < CIMAGE_MESSAGE)
        vsnprintf(task->message + length, (size_t)(CIMAGE_MESSAGE - length), format, arguments);
    return 1;
}

static int on_warning(void *file, void *context, const char *module, const char *format, va_list arguments) {
    (void)file;
    (void)context;
    (void)module;
    (void)format;
    (void)arguments;
    return 1;
}

static cimage_status decode(void *file, const cimage_task *task) {
    uint32_t width = 0, height = 0;
    if (!tiff.get(file, TAG_WIDTH, &width) || !tiff.get(file, TAG_HEIGHT, &height) || !width || !height)
        return cimage_fail(task, CIMAGE_BROKEN, "libtiff: no size");
    uint8_t *result = cimage_result(task, width, height, 4);
    if (!result) return CIMAGE_LIMIT;
    // Colours stay as they are in the file where alpha would be multiplied into them.
    uint16_t extra = 0, *kinds = NULL;
    if (tiff.get(file, TAG_EXTRA_SAMPLES, &extra, &kinds) && extra == 1 && kinds && kinds[0] == UNASSOCIATED_ALPHA) {
        const uint16_t associated[1] = {ASSOCIATED_ALPHA};
        tiff.set(file, TAG_EXTRA_SAMPLES, 1, associated);
    }
    size_t pixels = (size_t)width * height;
    uint32_t *raster = calloc(pixels, sizeof *raster);
    if (!raster) return cimage_fail(task, CIMAGE_LIMIT, "no memory for a raster");
    cimage_status status = CIMAGE_OK;
    if (!tiff.read(file, width, height, raster, TOP_LEFT, 1)) {
        status = CIMAGE_BROKEN;
    } else {
        for (size_t i = 0; i < pixels; i++) {
            result[3 * i] = (uint8_t)raster[i];
            result[3 * i + 1] = (uint8_t)(raster[i] >> 8);
            result[3 * i + 2] = (uint8_t)(raster[i] >> 16);
        }
    }
    free(raster);
    return status;
}

cimage_status cimage_decode_tiff(const cimage_task *task) {
    pthread_once(&once, open_library);
    if (!tiff.ready) return cimage_fail(task, CIMAGE_MISSING, "libtiff.so.6 (Debian: libtiff6)");
    void *options = tiff.options();
    if (!options) return cimage_fail(task, CIMAGE_LIMIT, "libtiff cannot start");
    tiff.limit(options, (intptr_t)task->limit);
    tiff.on_error(options, on_error, (void *)task);
    tiff.on_warning(options, on_warning, NULL);
    tiff_stream stream = {task, 0};
    void *file = tiff.open("image", "rm", &stream, on_read, on_write, on_seek, on_close, on_size, on_map, on_unmap, options);
    cimage_status status = CIMAGE_BROKEN;
    if (file) {
        status = decode(file, task);
        tiff.close(file);
    }
    tiff.free_options(options);
    return status;
}

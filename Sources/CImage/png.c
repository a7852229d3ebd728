#include "internal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// libpng 1.6. Its errors jump; everything that may jump runs inside `decode`, whose state is behind one pointer.
static struct {
    const char *(*version)(const void *);
    void *(*create)(const char *, void *, void (*)(void *, const char *), void (*)(void *, const char *));
    void *(*create_info)(void *);
    void (*destroy)(void **, void **, void **);
    void *(*error_pointer)(const void *);
    void *(*io_pointer)(const void *);
    void (*set_read)(void *, void *, void (*)(void *, uint8_t *, size_t));
    void (*read_info)(void *, void *);
    uint32_t (*width)(const void *, const void *);
    uint32_t (*height)(const void *, const void *);
    void (*expand)(void *);
    void (*strip_16)(void *);
    void (*strip_alpha)(void *);
    void (*gray_to_rgb)(void *);
    int (*interlace)(void *);
    void (*update)(void *, void *);
    size_t (*row_bytes)(const void *, const void *);
    void (*read_image)(void *, uint8_t **);
    void (*read_end)(void *, void *);
    bool ready;
} png;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    static const char *const names[] = {"libpng16.so.16", NULL};
    const cimage_symbol symbols[] = {
        {"png_get_libpng_ver", (void **)&png.version}, {"png_create_read_struct", (void **)&png.create},
        {"png_create_info_struct", (void **)&png.create_info}, {"png_destroy_read_struct", (void **)&png.destroy},
        {"png_get_error_ptr", (void **)&png.error_pointer}, {"png_get_io_ptr", (void **)&png.io_pointer},
        {"png_set_read_fn", (void **)&png.set_read}, {"png_read_info", (void **)&png.read_info},
        {"png_get_image_width", (void **)&png.width}, {"png_get_image_height", (void **)&png.height},
        {"png_set_expand", (void **)&png.expand}, {"png_set_strip_16", (void **)&png.strip_16},
        {"png_set_strip_alpha", (void **)&png.strip_alpha}, {"png_set_gray_to_rgb", (void **)&png.gray_to_rgb},
        {"png_set_interlace_handling", (void **)&png.interlace}, {"png_read_update_info", (void **)&png.update},
        {"png_get_rowbytes", (void **)&png.row_bytes}, {"png_read_image", (void **)&png.read_image},
        {"png_read_end", (void **)&png.read_end},
    };
    png.ready = cimage_open(names, symbols, sizeof symbols / sizeof *symbols);
}

typedef struct {
    const cimage_task *task;
    size_t offset;
    void *reader;
    void *info;
    uint8_t **rows;
    jmp_buf landing;
} png_state;

static void on_error(void *reader, const char *text) {
    png_state *state = png.error_pointer(reader);
    snprintf(state->task->message, CIMAGE_MESSAGE, "libpng: %s", text);
    longjmp(state->landing, 1);
}

static void on_warning(void *reader, const char *text) {
    (void)reader;
    (void)text;
}

static void on_read(void *reader, uint8_t *bytes, size_t count) {
    png_state *state = png.io_pointer(reader);
    if (count > state->task->size - state->offset) on_error(reader, "the stream ends early");
    memcpy(bytes, state->task->data + state->offset, count);
    state->offset += count;
}

static cimage_status decode(png_state *state) {
    if (setjmp(state->landing)) return CIMAGE_BROKEN;
    state->reader = png.create(png.version(NULL), state, on_error, on_warning);
    if (!state->reader) return cimage_fail(state->task, CIMAGE_LIMIT, "libpng cannot start");
    state->info = png.create_info(state->reader);
    if (!state->info) return cimage_fail(state->task, CIMAGE_LIMIT, "libpng cannot start");
    png.set_read(state->reader, state, on_read);
    png.read_info(state->reader, state->info);
    uint32_t width = png.width(state->reader, state->info), height = png.height(state->reader, state->info);
    uint8_t *result = cimage_result(state->task, width, height, 3);
    if (!result) return CIMAGE_LIMIT;
    // Palettes, few bits and transparency to samples of 8 bits; then what is not RGB goes.
    png.expand(state->reader);
    png.strip_16(state->reader);
    png.gray_to_rgb(state->reader);
    png.strip_alpha(state->reader);
    png.interlace(state->reader);
    png.update(state->reader, state->info);
    if (png.row_bytes(state->reader, state->info) != (size_t)width * 3)
        return cimage_fail(state->task, CIMAGE_BROKEN, "libpng: rows of another size than asked for");
    state->rows = malloc(height * sizeof *state->rows);
    if (!state->rows) return cimage_fail(state->task, CIMAGE_LIMIT, "no memory for the rows of an image");
    for (uint32_t y = 0; y < height; y++) state->rows[y] = result + (size_t)y * width * 3;
    png.read_image(state->reader, state->rows);
    return CIMAGE_OK;
}

cimage_status cimage_decode_png(const cimage_task *task) {
    pthread_once(&once, open_library);
    if (!png.ready) return cimage_fail(task, CIMAGE_MISSING, "libpng16.so.16 (Debian: libpng16-16)");
    png_state *state = calloc(1, sizeof *state);
    if (!state) return cimage_fail(task, CIMAGE_LIMIT, "no memory");
    state->task = task;
    cimage_status status = decode(state);
    if (state->reader) png.destroy(&state->reader, &state->info, NULL);
    free(state->rows);
    free(state);
    return status;
}

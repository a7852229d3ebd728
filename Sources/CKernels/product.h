// Private: products with a packed right side, panel by panel and tile by tile, and where the rows of their left side come from. What an
// element is, is the family's (bf16.c, int8.c): here a step along k is 64 bytes of a row and 2 KiB of a panel of 32 columns.
#ifndef CK_PRODUCT_H
#define CK_PRODUCT_H

#include "include/ck_window.h"
#include "internal.h"

enum { CK_STEP = 64, CK_PANEL = 32, CK_PANEL_STEP = CK_STEP * CK_PANEL };

/// Rows of A that are worked on together: row i begins at a + i * lda, its step p at `steps[p]` bytes from there (NULL: one behind the
/// other). Row i is the position `skip` + i of lines of `line` positions; the first `width` of each line are rows of C, from `first` on; the
/// others are not asked for. `line` 0: row i is row `first` + i of C.
typedef struct ck_block {
    const uint8_t *a;
    size_t lda, rows;
    const ptrdiff_t *steps;
    size_t first, line, width, skip;
} ck_block;

/// Where A comes from: the block that begins with row `row` of C, of at most the rows before `end`; the row behind its last.
typedef struct ck_blocks {
    size_t (*next)(const void *context, ck_block *block, size_t row, size_t end);
    const void *context;
} ck_blocks;

/// A tile of sums, 4 bytes each, rows of 32, with 32 more for the kernel behind. While they are made, lines of B that are wanted next are
/// fetched from `ahead` on, `lines` of them a step, and the rows of C that the sums will go to, `ldc` bytes apart. Kernels that are waited for
/// put `before`, the tile whose sums were made last, to C meanwhile (ck_put_rows).
typedef struct ck_tile {
    void *sums;
    const uint8_t *a;
    size_t rows, lda;
    size_t gap;  ///< bytes that lie between the two halves of the rows, beyond lda; not 0 only where the product joins lines
    const ptrdiff_t *steps;
    const uint8_t *b;
    size_t count;  ///< steps along k
    size_t col;
    const char *ahead;
    size_t lines;
    const char *c;
    size_t ldc;
    size_t *configured;  ///< rows that the AMX tiles are made for
    const struct ck_done *before;  ///< NULL: none
    const struct ck_product *product;
} ck_tile;

/// A tile whose sums are made: where they go, as a ck_block says.
typedef struct ck_done {
    void *sums;
    size_t rows, cols, col, first, line, width, skip;
    const struct ck_product *product;
} ck_done;

/// A kernel and what becomes of its sums.
typedef struct ck_product {
    void (*sums)(const ck_tile *t);
    /// Rows [begin, begin + rows) of a tile to rows `row` on of C.
    void (*finish)(const ck_done *d, size_t begin, size_t rows, size_t row);
    const void *to;  ///< the family's own
    char *c;
    size_t ldc, element;  ///< bytes between rows of C and of an element
    size_t tile_rows;     ///< at most 32
    bool overlaps;        ///< puts a tile away while it makes the next
    bool joins_lines;     ///< takes tiles with a gap
    const uint8_t *packed;
    size_t count;         ///< steps along k
    size_t columns;       ///< of B in all; 0: not told
} ck_product;

/// Rows [m_begin, m_end) and columns [n_begin, n_end) of C.
void ck_product_run(const ck_product *product, const ck_blocks *a, size_t m_begin, size_t m_end, size_t n_begin, size_t n_end);

/// Rows [begin, end) of a tile to C; those that are no rows of C are left out.
void ck_put_rows(const ck_done *d, size_t begin, size_t end);

/// Bytes from A's first to those of step p.
static inline __attribute__((always_inline)) ptrdiff_t ck_step_at(const ck_tile *t, size_t p) {
    return t->steps ? t->steps[p] : (ptrdiff_t)(p * CK_STEP);
}

/// What step p fetches for later: its lines of B.
static inline __attribute__((always_inline)) void ck_fetch_lines(const ck_tile *t, size_t p) {
    const char *ahead = t->ahead + p * 64 * t->lines;
    for (size_t i = 0; i < t->lines; i++) __builtin_prefetch(ahead + i * 64, 0, 2);
}

/// The same and four rows of C.
static inline __attribute__((always_inline)) void ck_fetch_ahead(const ck_tile *t, size_t p) {
    ck_fetch_lines(t, p);
    for (size_t i = p * 4; i < p * 4 + 4 && i < t->rows; i++) {
        __builtin_prefetch(t->c + i * t->ldc, 1);
        __builtin_prefetch(t->c + i * t->ldc + 64, 1);
    }
}

/// Bytes of A that stay in the second-level cache beside a panel of B.
size_t ck_block_bytes(void);
/// Rows of `bytes` of A that are such a block: at most, and of `m`, the blocks of like size.
size_t ck_block_most(size_t bytes);
size_t ck_block_rows(size_t m, size_t bytes);

/// True where the processor has AMX tiles of a kind (a ck_feature) and the system gives them.
bool ck_has_tiles(uint32_t kind);

/// A channels-last image that a convolution reads; all in bytes.
typedef struct ck_image {
    const uint8_t *in;  ///< first channel of the group, item 0
    size_t pitch;       ///< between neighbouring positions
    size_t channels;    ///< of the group
    size_t item;        ///< between items
    uint8_t pad;        ///< what lies outside
    const ck_window *window;
} ck_image;

/// A band of output lines of one item, and what they read (band.c). Where channels are whole steps each tap is steps of its own, and each
/// residue of a strided axis has an image of its own, so that neighbouring outputs read neighbouring positions. Elsewhere the taps of a kernel
/// row are steps together (`joined`), which needs pixels that lie beside each other.
typedef struct ck_band {
    const ck_window *window;
    size_t channels;
    bool joined;
    size_t line;          ///< positions of a line: the outputs' and those that the last tap is ahead
    size_t unit;          ///< bytes between neighbouring positions
    ptrdiff_t phases[2];  ///< images: residues of lines and of columns
    size_t pixels;        ///< copied of each line
    size_t halo;          ///< lines that the last tap is ahead
    size_t depth;         ///< bytes of a row of A
    size_t row;           ///< those of a kernel row
    size_t lines;         ///< output lines of a band at most
    const ck_image *image;
    ptrdiff_t *steps;
    uint8_t *copy;
    struct ck_band_held *held;
} ck_band;

/// The band whose copy a scratch holds: tiles of the same rows and other columns find it there.
typedef struct ck_band_held {
    const uint8_t *item;  ///< NULL: none
    size_t first, lines;
} ck_band_held;

/// False where rows have to be written out: a third axis, taps that are no steps, or lines that are mostly padding.
bool ck_band_make(ck_band *band, const ck_window *window, size_t channels, size_t pitch);
size_t ck_band_scratch_bytes(const ck_band *band);
/// The scratch holds no band: to be called for each scratch whenever the image may have changed.
void ck_band_forget(void *scratch);
/// Gives the band its image and scratch; then it is the context of `ck_band_next`.
void ck_band_open(ck_band *band, const ck_image *image, void *scratch);
size_t ck_band_next(const void *band, ck_block *block, size_t row, size_t end);

#endif

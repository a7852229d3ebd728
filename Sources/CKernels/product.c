// Products with a packed right side: blocks of A times panels of B, a tile at a time.
#include "product.h"
#include "include/ck_isa.h"

#if CK_X86
#include <sys/syscall.h>
#include <unistd.h>
#endif

bool ck_has_tiles(uint32_t kind) {
#if CK_X86
    const uint32_t both = CK_FEATURE_AMX_TILE | kind;
    return (ck_isa_features() & both) == both && syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) == 0;
#else
    (void)kind;
    return false;
#endif
}

/// Processors with tiles have 2 MiB, the others 1 MiB or less.
size_t ck_block_bytes(void) {
    return ck_tier() == CK_TIER_AVX512 && ck_isa_features() & CK_FEATURE_AMX_TILE ? (size_t)1 << 20 : (size_t)384 << 10;
}

size_t ck_block_most(size_t bytes) { return ck_max(32, ck_min(512, ck_block_bytes() / bytes / 32 * 32)); }

size_t ck_block_rows(size_t m, size_t bytes) {
    const size_t most = ck_block_most(bytes), blocks = (m + most - 1) / most;
    return ck_round_up((m + blocks - 1) / ck_max(1, blocks), 32);
}

void ck_put_rows(const ck_done *d, size_t begin, size_t end) {
    if (begin >= end) return;
    if (d->line == 0) return d->product->finish(d, begin, end - begin, d->first + begin);
    for (size_t i = begin, run; i < end; i += run) {
        const size_t line = (d->skip + i) / d->line, x = (d->skip + i) % d->line;
        run = ck_min(end - i, (x < d->width ? d->width : d->line) - x);
        if (x < d->width) d->product->finish(d, i, run, d->first + line * d->width + x);
    }
}

/// A product at work: two tiles' sums, so that one is put away while the other is made.
typedef struct run {
    const ck_product *product;
    size_t configured;
    ck_done tiles[2];
    int turn;  ///< the tile that comes next
} run;

/// A block of A times the columns [n_begin, n_end) of B, panel by panel.
static void multiply_block(run *r, const ck_block *block, size_t n_begin, size_t n_end) {
    const ck_product *p = r->product;
    const size_t most = p->tile_rows, rows = block->rows, panel = p->count * CK_PANEL_STEP;
    // The tiles of a panel fetch the next one, each its part: all at once would have to wait for memory.
    const size_t tiles = (rows + most - 1) / most, lines = (CK_PANEL + tiles - 1) / tiles, part = p->count * lines * 64;
    for (size_t j = n_begin; j < n_end; j += CK_PANEL) {
        const uint8_t *b = p->packed + j / CK_PANEL * panel;
        const char *next = (const char *)(j + CK_PANEL < n_end ? b + panel : p->packed + n_begin / CK_PANEL * panel);
        for (size_t i = 0, tile = 0, height; i < rows; i += height, tile++, r->turn ^= 1) {
            ck_done *mine = &r->tiles[r->turn], *before = &r->tiles[r->turn ^ 1];
            // Of like height where each row counts.
            height = p->overlaps ? ck_min(most, rows - i) : (rows - i + tiles - tile - 1) / (tiles - tile);
            const size_t begin = tile * part;
            const size_t first = block->first + (block->line ? 0 : i), skip = block->skip + i;
            const size_t row = block->line ? first + skip / block->line * block->width : first;
            const ck_tile t = {.sums = mine->sums, .a = block->a + i * block->lda, .rows = height, .lda = block->lda, .steps = block->steps,
                               .b = b, .count = p->count, .col = j, .ahead = next + begin, .lines = begin < panel ? lines : 0,
                               .c = p->c + row * p->ldc + j * p->element, .ldc = p->ldc, .configured = &r->configured,
                               .before = before->rows ? before : NULL, .product = p};
            p->sums(&t);
            before->rows = 0;
            *mine = (ck_done){.sums = mine->sums, .rows = height, .cols = ck_min(CK_PANEL, n_end - j), .col = j, .first = first,
                              .line = block->line, .width = block->width, .skip = skip, .product = p};
            if (p->overlaps) continue;
            ck_put_rows(mine, 0, height);
            mine->rows = 0;
        }
    }
}

void ck_product_run(const ck_product *product, const ck_blocks *a, size_t m_begin, size_t m_end, size_t n_begin, size_t n_end) {
    uint32_t sums[2][(32 + 1) * CK_PANEL] __attribute__((aligned(64)));
    run r = {.product = product, .tiles = {{.sums = sums[0]}, {.sums = sums[1]}}};
    ck_block block;
    for (size_t row = m_begin; row < m_end;) {
        row = a->next(a->context, &block, row, m_end);
        multiply_block(&r, &block, n_begin, n_end);
    }
    const ck_done *last = &r.tiles[r.turn ^ 1];
    ck_put_rows(last, 0, last->rows);
}

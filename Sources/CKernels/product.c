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

/// How the rows of a block become tiles. Kernels whose time goes by rows leave out what lies behind the lines of a block: a tile ends with
/// its line, or is two short lines.
typedef struct cut {
    const ck_product *product;
    const ck_block *block;
    bool by_line;
    size_t tiles;  ///< of a panel
} cut;

/// Lines shorter than this are cheaper with what lies behind them.
enum { SHORTEST_LINE = 5 };

static bool joins(const cut *c) { return c->product->joins_lines && c->block->width * 2 <= c->product->tile_rows; }

static cut cut_of(const ck_product *p, const ck_block *block) {
    const size_t most = p->tile_rows;
    cut c = {p, block, !p->overlaps && block->line > block->width && block->width >= SHORTEST_LINE, (block->rows + most - 1) / most};
    if (!c.by_line) return c;
    const size_t lines = (block->skip + block->rows + block->line - 1) / block->line;
    c.tiles = joins(&c) ? (lines + 1) / 2 : lines * ((block->width + most - 1) / most);
    return c;
}

/// Rows [begin, begin + rows) of a block; two halves with `gap` rows between them, which are not counted.
typedef struct part {
    size_t begin, rows, gap;
} part;

/// The tile that is number `tile` and does not begin before row `i`.
static part next_part(const cut *c, size_t i, size_t tile) {
    const ck_block *b = c->block;
    const size_t most = c->product->tile_rows, left = b->rows - i;
    if (!c->by_line) {
        // Of like height where each row counts.
        if (c->product->overlaps || tile + 1 >= c->tiles) return (part){i, ck_min(most, left), 0};
        return (part){i, (left + c->tiles - tile - 1) / (c->tiles - tile), 0};
    }
    const size_t x = (b->skip + i) % b->line;
    if (x >= b->width) return next_part(c, i + b->line - x, tile);
    if (x == 0 && joins(c) && left >= b->line + b->width) return (part){i, 2 * b->width, b->line - b->width};
    const size_t rest = ck_min(b->width - x, left), parts = (rest + most - 1) / most;
    return (part){i, (rest + parts - 1) / parts, 0};
}

/// A block of A times the columns [n_begin, n_end) of B, panel by panel; `after`: where the panel begins that is wanted then.
static void multiply_block(run *r, const ck_block *block, size_t n_begin, size_t n_end, size_t after) {
    const ck_product *p = r->product;
    const size_t panel = p->count * CK_PANEL_STEP;
    const cut cut = cut_of(p, block);
    // The tiles of a panel fetch the next one, each its part: all at once would have to wait for memory.
    const size_t lines = (CK_PANEL + cut.tiles - 1) / cut.tiles, share = p->count * lines * 64;
    for (size_t j = n_begin; j < n_end; j += CK_PANEL) {
        const uint8_t *b = p->packed + j / CK_PANEL * panel;
        const char *next = (const char *)(j + CK_PANEL < n_end ? b + panel : p->packed + after / CK_PANEL * panel);
        for (size_t i = 0, tile = 0; i < block->rows; tile++, r->turn ^= 1) {
            ck_done *mine = &r->tiles[r->turn], *before = &r->tiles[r->turn ^ 1];
            const part part = next_part(&cut, i, tile);
            const size_t begin = tile * share;
            const size_t first = block->first + (block->line ? 0 : part.begin), skip = block->skip + part.begin;
            const size_t row = block->line ? first + skip / block->line * block->width : first;
            const ck_tile t = {.sums = mine->sums, .a = block->a + part.begin * block->lda, .rows = part.rows, .lda = block->lda,
                               .gap = part.gap * block->lda, .steps = block->steps, .b = b, .count = p->count, .col = j,
                               .ahead = next + begin, .lines = begin < panel ? lines : 0, .c = p->c + row * p->ldc + j * p->element,
                               .ldc = p->ldc, .configured = &r->configured, .before = before->rows ? before : NULL, .product = p};
            p->sums(&t);
            i = part.begin + part.rows + part.gap;
            before->rows = 0;
            *mine = (ck_done){.sums = mine->sums, .rows = part.rows, .cols = ck_min(CK_PANEL, n_end - j), .col = j, .first = first,
                              .line = block->line, .width = block->width, .skip = skip, .product = p};
            if (p->overlaps) continue;
            const size_t half = part.gap ? part.rows / 2 : part.rows;
            ck_put_rows(mine, 0, half);
            mine->skip += part.gap;
            ck_put_rows(mine, half, part.rows);
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
        // Behind its last block a thread mostly goes on with the columns that follow.
        const bool goes_on = row >= m_end && product->columns;
        multiply_block(&r, &block, n_begin, n_end, !goes_on ? n_begin : n_end < product->columns ? n_end : 0);
    }
    const ck_done *last = &r.tiles[r.turn ^ 1];
    ck_put_rows(last, 0, last->rows);
}

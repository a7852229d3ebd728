// Summaries and histograms of floats.

static void check_observe(void) {
    tally t = {"summaries, histograms", 0, 0, 0};
    for (int round = 0; round < 300; round++) {
        const size_t n = pick(1, 300), bins = (size_t)16 << pick(0, 3), shift = pick(0, 3);
        // Off an aligned address, and no byte behind the end.
        uint8_t *block = raw(n * 4 + shift);
        float *in = (float *)(void *)(block + shift);
        const bool has_negative = rnd() & 1;
        double low = INFINITY, high = -INFINITY;
        size_t zeros = 0;
        uint64_t *want = calloc(2 * bins, 8), *got = calloc(2 * bins, 8);
        uint32_t *scratch = calloc(4 * bins, 4);
        for (size_t i = 0; i < n; i++) {
            float x = rnd() % 4 ? uniform(has_negative ? -7.99f : 0, 7.99f) : 0;
            if (rnd() % 9 == 0) x = -0.0f;
            memcpy((uint8_t *)in + 4 * i, &x, 4);
            low = x < low ? x : low, high = x > high ? x : high;
            zeros += x == 0;
            if (x != 0) want[(x < 0 ? bins : 0) + (size_t)(fabsf(x) * (float)bins / 8)]++;
        }
        ck_summary s = {0};
        ck_summary_f32(&s, (const void *)in, n);
        compare(&t, s.minimum, low, 8);
        compare(&t, s.maximum, high, 8);
        compare(&t, s.zeros != zeros || !s.is_finite, 0, 1);
        for (int twice = 0; twice < 2; twice++) {
            ck_histogram_f32(got, has_negative ? got + bins : NULL, scratch, bins, (float)bins / 8, (const void *)in, n);
        }
        bool ok = true;
        for (size_t i = 0; i < 2 * bins; i++) ok = ok && got[i] == 2 * want[i];
        for (size_t i = 0; i < 4 * bins; i++) ok = ok && scratch[i] == 0;
        compare(&t, !ok, 0, 1);
        const float bad[] = {NAN, INFINITY, -INFINITY};
        memcpy((uint8_t *)in + 4 * pick(0, n - 1), &bad[rnd() % 3], 4);
        ck_summary_f32(&s, (const void *)in, n);
        compare(&t, s.is_finite, 0, 1);
        free(block), free(want), free(got), free(scratch);
    }
    report(&t);
}

// Threads that measure together: all begin a piece of work at once, and it is over when the last has done its part. A step of a plan ends like
// that, too.
#ifndef RATE_TEAM_H
#define RATE_TEAM_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_THREADS = 64 };

static struct {
    int threads;
    /// What a thread does in a round; it may meet the others in between.
    void (*work)(int thread);
    atomic_int arrived, stage;
    atomic_bool done;
    pthread_t others[MOST_THREADS];
} team;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/// All threads of the team wait for each other.
static void meet(void) {
    const int stage = atomic_load(&team.stage);
    if (atomic_fetch_add(&team.arrived, 1) == team.threads - 1) {
        atomic_store(&team.arrived, 0);
        atomic_fetch_add(&team.stage, 1);
        return;
    }
    for (int spins = 0; atomic_load(&team.stage) == stage; spins++) {
        if (spins > 10000) sched_yield();
    }
}

static void *member(void *raw) {
    for (;;) {
        meet();
        if (atomic_load(&team.done)) break;
        team.work((int)(intptr_t)raw);
    }
    return NULL;
}

static void begin_team(int threads, void (*work)(int thread)) {
    team.threads = threads;
    team.work = work;
    atomic_store(&team.done, false);
    for (int i = 1; i < threads; i++) {
        if (pthread_create(team.others + i, NULL, member, (void *)(intptr_t)i)) exit(1);
    }
}

static void end_team(void) {
    atomic_store(&team.done, true);
    meet();
    for (int i = 1; i < team.threads; i++) pthread_join(team.others[i], NULL);
}

/// Seconds of the work the second time in a row, so that what of its memory a cache holds is there. The work's last act is to meet.
static double time_of_second(void) {
    double took = 0;
    for (int time = 0; time < 2; time++) {
        meet();
        const double start = now();
        team.work(0);
        took = now() - start;
    }
    return took;
}

/// Seconds of each of `forms` kinds of work, the fastest of `rounds` in which all take turns, behind two that do not count. *form says which it is.
static void time_in_turns(int rounds, int forms, int *form, double *best) {
    for (int i = 0; i < forms; i++) best[i] = 1e30;
    for (int round = -2; round < rounds; round++) {
        for (*form = 0; *form < forms; ++*form) {
            const double took = time_of_second();
            if (round >= 0 && took < best[*form]) best[*form] = took;
        }
    }
}

/// The number of threads that the command line asks for; exits where it is none.
static int threads_of(int argc, char **argv) {
    const int threads = argc > 1 ? atoi(argv[1]) : 2;
    if (threads < 1 || threads > MOST_THREADS) exit(64);
    return threads;
}

#endif

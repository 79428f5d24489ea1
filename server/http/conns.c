/* conns.c - see conns.h. */
#include "server/http/conns.h"
#include "kernels/base/alloc.h"
#include "server/http/request.h"
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

struct syn_conn {
    struct syn_conn *next, *prev; /* guarded by conns->mu, as all of it */
    int fd;
    bool busy;
    int64_t since_us; /* of being not busy */
};
struct syn_conns {
    pthread_mutex_t mu;
    pthread_cond_t wake;
    pthread_t thread;
    struct syn_conn head; /* ring */
    int64_t header_us;
    bool stop;
};

/* Looks once a second. Shutting down the socket makes the connection's own thread end it; the
 * descriptor is open as long as the connection is in the ring. */
static void *watch(void *user)
{
    struct syn_conns *c = user;
    pthread_mutex_lock(&c->mu);
    while (!c->stop) {
        struct timespec until;
        int64_t now = syn_clock_us();
        for (struct syn_conn *k = c->head.next; k != &c->head; k = k->next)
            if (!k->busy && now - k->since_us > c->header_us) shutdown(k->fd, SHUT_RDWR);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += 1;
        pthread_cond_timedwait(&c->wake, &c->mu, &until);
    }
    pthread_mutex_unlock(&c->mu);
    return NULL;
}

struct syn_conns *syn_conns_new(int64_t header_us)
{
    struct syn_conns *c = syn_calloc(1, sizeof *c);
    pthread_condattr_t attr;
    if (!c) return NULL;
    c->head.next = c->head.prev = &c->head;
    c->header_us = header_us;
    pthread_mutex_init(&c->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&c->thread, NULL, watch, c) != 0) {
        pthread_cond_destroy(&c->wake);
        pthread_mutex_destroy(&c->mu);
        syn_free(c);
        return NULL;
    }
    return c;
}

void syn_conns_free(struct syn_conns *c)
{
    if (!c) return;
    pthread_mutex_lock(&c->mu);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mu);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->mu);
    syn_free(c);
}

struct syn_conn *syn_conns_add(struct syn_conns *c, int fd)
{
    struct syn_conn *k = syn_calloc(1, sizeof *k);
    if (!k) return NULL;
    k->fd = fd;
    k->since_us = syn_clock_us();
    pthread_mutex_lock(&c->mu);
    k->next = c->head.next;
    k->prev = &c->head;
    k->next->prev = k;
    c->head.next = k;
    pthread_mutex_unlock(&c->mu);
    return k;
}

void syn_conns_remove(struct syn_conns *c, struct syn_conn *k)
{
    if (!k) return;
    pthread_mutex_lock(&c->mu);
    k->next->prev = k->prev;
    k->prev->next = k->next;
    pthread_mutex_unlock(&c->mu);
    syn_free(k);
}

void syn_conns_busy(struct syn_conns *c, struct syn_conn *k, bool busy)
{
    if (!k) return;
    pthread_mutex_lock(&c->mu);
    k->busy = busy;
    k->since_us = syn_clock_us();
    pthread_mutex_unlock(&c->mu);
}

void syn_conns_count(struct syn_conns *c, int *active, int *idle)
{
    *active = *idle = 0;
    pthread_mutex_lock(&c->mu);
    for (const struct syn_conn *k = c->head.next; k != &c->head; k = k->next)
        ++*(k->busy ? active : idle);
    pthread_mutex_unlock(&c->mu);
}

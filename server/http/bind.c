/* bind.c - the listening socket: from "ADDRESS:PORT" to a descriptor, and the refusal of an open
 * one. See request.h. */
#include "server/http/request.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* "host:port" or "[v6]:port" in its two parts. */
static syn_status split_listen(const char *listen, char host[64], char port[8], struct syn_err *err)
{
    const char *colon = listen ? strrchr(listen, ':') : NULL;
    const char *from = listen, *to = colon;
    char *end;
    unsigned long number;
    if (!colon || colon == listen)
        return syn_fail(err, SYN_INVALID, "listen = %s: must be ADDRESS:PORT",
                        listen ? listen : "(none)");
    if (*from == '[' && to[-1] == ']') {
        from++;
        to--;
    } else if (memchr(from, ':', (size_t)(to - from))) {
        return syn_fail(err, SYN_INVALID, "listen = %s: an IPv6 address stands in [ ]", listen);
    }
    number = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end || number > 65535)
        return syn_fail(err, SYN_INVALID, "listen = %s: port must be in [0, 65535]", listen);
    if (to - from < 1 || to - from > 63)
        return syn_fail(err, SYN_INVALID, "listen = %s: no address", listen);
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    snprintf(port, 8, "%lu", number);
    return SYN_OK;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24) == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static syn_status name_socket(struct syn_http *h, int fd, struct syn_err *err)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    char host[64], port[8];
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0 ||
        getnameinfo((struct sockaddr *)&a, n, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return syn_fail(err, SYN_IO, "listen = %s: cannot tell the address", h->opts.listen);
    snprintf(h->url, sizeof h->url, a.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s",
             host, port);
    return SYN_OK;
}

syn_status syn_listen_open(struct syn_http *h, int *out, struct syn_err *err)
{
    char host[64], port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE},
                    *found = NULL;
    int fd = -1, one = 1, rc;
    syn_status st = split_listen(h->opts.listen, host, port, err);
    if (st != SYN_OK) return st;
    rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return syn_fail(err, SYN_INVALID, "listen = %s: %s", h->opts.listen, gai_strerror(rc));
    h->policy.loopback = is_loopback(found->ai_addr);
    if (!h->policy.loopback && !syn_auth_has_keys(h->auth) && !h->opts.allow_open) {
        st = syn_fail(err, SYN_CONFLICT,
                      "listen = %s: not a loopback address, and there are no keys: set keys_file, "
                      "or allow_open to serve everybody",
                      h->opts.listen);
        goto done;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 511) != 0)
        st = syn_fail(err, SYN_IO, "listen = %s: %s", h->opts.listen, strerror(errno));
    else st = name_socket(h, fd, err);
done:
    freeaddrinfo(found);
    if (st != SYN_OK && fd >= 0) close(fd);
    if (st == SYN_OK) *out = fd;
    return st;
}

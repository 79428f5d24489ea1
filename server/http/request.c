/* request.c - reading a request: headers, query, the client's presence. See request.h. */
#include "server/http/request.h"
#include <microhttpd.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int64_t syn_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

const char *syn_request_header(const struct syn_request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, name);
}

bool syn_request_query(const struct syn_request *rq, const char *name, char *out, size_t size)
{
    const char *v = MHD_lookup_connection_value(rq->mhd, MHD_GET_ARGUMENT_KIND, name);
    if (!v) return false;
    if (!syn_percent_decode(v, strlen(v), out, size)) out[0] = '\0';
    return true;
}

static int socket_of(const struct syn_request *rq)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(rq->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

bool syn_request_client_left(const struct syn_request *rq)
{
    struct pollfd p = {.fd = socket_of(rq), .events = POLLRDHUP};
    return p.fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void syn_request_idle_timer(const struct syn_request *rq, bool on)
{
    /* Setting it from 0 also restarts the count. */
    MHD_set_connection_option(rq->mhd, MHD_CONNECTION_OPTION_TIMEOUT,
                              on ? (unsigned)rq->http->opts.idle_timeout_s : 0u);
}

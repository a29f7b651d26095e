/* A switch in user space: takes Ethernet frames from ports and hands each on, by its destination, after its pair's delay.
 *
 * Started as: switch SEED PORTS [PORT OF EACH NODE BEYOND THESE …], in the namespace that has interfaces port0, port1, …
 * Node n has the MAC address 02:00:00:00:HH:LL (n = 256 HH + LL); nodes 0 … PORTS-1 are at their own ports. A frame for a node
 * at the port that it came from goes back by it. Lines on standard input:
 *
 *   pair FROM TO NANOSECONDS LOSS   frames from port to port take this long from now on, and this share of them is lost
 *   report                          prints: frames dropped for lack of buffer, frames handed on, nanoseconds late in all
 *
 * A pair's frames stay in order. A delay counts from the kernel's time stamp of the frame's arrival at the port. Segments that
 * the sender's kernel has not yet cut (segmentation offload) are handed on uncut, with their checksums still to be made.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 1024           /* ports and nodes */
#define BUFFER (64 << 20)   /* bytes that a socket may hold each way */
#define HELD (1L << 30)     /* bytes of frames that may be on their way */
#define LARGEST (1 << 17)   /* bytes of an uncut frame and its header */

struct frame {
    int64_t due;      /* nanoseconds of CLOCK_REALTIME, as the kernel's time stamps */
    uint64_t number;  /* order of arrival */
    int port, length; /* where it leaves; bytes, a struct virtio_net_hdr before them */
    struct frame *next;
    char bytes[];
};
struct pair {
    int64_t delay, last;
    double loss;
};

static struct pollfd polled[MOST + 1]; /* the ports' sockets, then standard input */
static int ports, nodes, at[MOST];     /* the port of each node */
static struct pair *pairs;             /* ports × ports */
static struct queue {
    struct frame *first, **end;
} behind[MOST]; /* frames that were due when a port's socket had no room: they go first */
static struct frame **heap;            /* the one that is due first on top */
static size_t waiting, room;
static int64_t held, overruns, handed, late;
static uint64_t number, randomness;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static double uniform(void) { /* xorshift64* (Marsaglia 2003, Vigna 2016) */
    randomness ^= randomness >> 12;
    randomness ^= randomness << 25;
    randomness ^= randomness >> 27;
    return (double)((randomness * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

static int before(const struct frame *a, const struct frame *b) {
    return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void push(struct frame *frame) {
    if (waiting == room && !(heap = realloc(heap, (room = room ? 2 * room : 1024) * sizeof *heap))) fail("heap");
    size_t hole = waiting++;
    for (; hole && before(frame, heap[(hole - 1) / 2]); hole = (hole - 1) / 2) heap[hole] = heap[(hole - 1) / 2];
    heap[hole] = frame;
}

static struct frame *pop(void) {
    struct frame *top = heap[0], *last = heap[--waiting];
    size_t hole = 0, child;
    for (; (child = 2 * hole + 1) < waiting; hole = child) {
        if (child + 1 < waiting && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], last)) break;
        heap[hole] = heap[child];
    }
    heap[hole] = last;
    return top;
}

static void set_buffer(int fd, int beyond_the_limit, int up_to_the_limit) {
    int size = BUFFER;
    if (setsockopt(fd, SOL_SOCKET, beyond_the_limit, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, up_to_the_limit, &size, sizeof size);
}

static int open_port(int port) {
    char name[IFNAMSIZ];
    snprintf(name, sizeof name, "port%d", port);
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};
    if (fd < 0 || !where.sll_ifindex) fail(name);
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one)) fail("PACKET_VNET_HDR");
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one)) fail("PACKET_IGNORE_OUTGOING");
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one)) fail("SO_TIMESTAMPNS");
    if (bind(fd, (struct sockaddr *)&where, sizeof where)) fail(name);
    return fd;
}

/* Take one frame that arrived at a port; false if there is none. */
static int take(int port) {
    static char bytes[LARGEST], control[256];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(polled[port].fd, &message, 0);
    if (length < 0 && errno != EAGAIN && errno != EINTR) fail("recvmsg");
    if (length < 0) return 0;
    const unsigned char *target = (unsigned char *)bytes + sizeof(struct virtio_net_hdr);
    int node = target[4] << 8 | target[5];
    if (length < (ssize_t)sizeof(struct virtio_net_hdr) + ETH_HLEN || target[0] != 2 || node >= nodes) return 1;
    struct pair *pair = &pairs[port * ports + at[node]];
    if (pair->loss > 0 && uniform() < pair->loss) return 1;
    struct frame *frame = held + length > HELD ? NULL : malloc(sizeof *frame + length);
    if (!frame) {
        overruns++;
        return 1;
    }
    int64_t arrived = now();
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
        struct timespec t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        arrived = t.tv_sec * 1000000000LL + t.tv_nsec;
    }
    int64_t due = arrived + pair->delay;
    if (due > pair->last) pair->last = due;
    *frame = (struct frame){.due = pair->last, .number = number++, .port = at[node], .length = length};
    memcpy(frame->bytes, bytes, length);
    held += length;
    push(frame);
    return 1;
}

/* Send a frame off by its port; false if the port's socket has no room. */
static int leave(struct frame *frame) {
    /* ENOBUFS: the port's shaper had no room, and counted that itself. */
    if (send(polled[frame->port].fd, frame->bytes, frame->length, 0) < 0 && errno != ENOBUFS) {
        if (errno == EAGAIN) return 0;
        overruns++;
    }
    held -= frame->length;
    free(frame);
    return 1;
}

static void release(void) {
    for (int64_t t = now(); waiting && heap[0]->due <= t; handed++) {
        struct frame *frame = pop();
        struct queue *queue = &behind[frame->port];
        late += t - frame->due;
        if (!queue->first && leave(frame)) continue;
        if (!queue->first) queue->end = &queue->first;
        *queue->end = frame;
        queue->end = &frame->next;
    }
    for (int port = 0; port < ports; port++) {
        struct queue *queue = &behind[port];
        for (struct frame *next; queue->first; queue->first = next) {
            next = queue->first->next;
            if (!leave(queue->first)) break;
        }
        polled[port].events = queue->first ? POLLIN | POLLOUT : POLLIN;
    }
}

static int is_port(int port) { return port >= 0 && port < ports; }

static void report(void) {
    for (int port = 0; port < ports; port++) {
        struct tpacket_stats seen;
        socklen_t size = sizeof seen;
        if (!getsockopt(polled[port].fd, SOL_PACKET, PACKET_STATISTICS, &seen, &size)) overruns += seen.tp_drops;
    }
    printf("%lld %lld %lld\n", (long long)overruns, (long long)handed, (long long)late);
}

/* Obey the lines that have come; false once there will be no more. */
static int obey(void) {
    static char text[1 << 16];
    static size_t used;
    ssize_t more = read(0, text + used, sizeof text - 1 - used);
    if (more <= 0) return 0;
    text[used += more] = 0;
    char *line = text, *end;
    for (; (end = strchr(line, '\n')); line = end + 1) {
        int from, to;
        long long delay;
        double loss;
        if (!strncmp(line, "report\n", 7)) report();
        else if (sscanf(line, "pair %d %d %lld %lf", &from, &to, &delay, &loss) == 4 && is_port(from) && is_port(to)) {
            pairs[from * ports + to].delay = delay;
            pairs[from * ports + to].loss = loss;
        } else return fprintf(stderr, "not understood: %.80s\n", line), 0;
    }
    memmove(text, line, used -= line - text);
    return fflush(stdout) == 0;
}

int main(int count, char **words) {
    if (count < 3 || (ports = atoi(words[2])) < 1 || (nodes = ports + count - 3) > MOST) return 2;
    prctl(PR_SET_PDEATHSIG, 9);
    prctl(PR_SET_TIMERSLACK, 1);
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1}); /* where we may */
    randomness = strtoull(words[1], NULL, 10) * 2 + 1;
    for (int node = 0; node < nodes; node++) at[node] = node < ports ? node : atoi(words[node - ports + 3]);
    if (!(pairs = calloc((size_t)ports * ports, sizeof *pairs))) fail("pairs");
    for (int port = 0; port < ports; port++) polled[port] = (struct pollfd){.fd = open_port(port), .events = POLLIN};
    polled[ports] = (struct pollfd){.fd = 0, .events = POLLIN};
    for (puts("ready"), fflush(stdout);;) {
        int64_t left = waiting ? heap[0]->due - now() : 1000000000;
        struct timespec limit = {left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0};
        if (ppoll(polled, ports + 1, &limit, NULL) < 0 && errno != EINTR) fail("ppoll");
        if (polled[ports].revents && !obey()) return 0;
        for (int port = 0; port < ports; port++)
            for (int most = 32; polled[port].revents && most && take(port); most--) {}
        release();
    }
}

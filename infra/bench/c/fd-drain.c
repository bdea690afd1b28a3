/* A receiver that costs little, so that the head is what a measurement sees: it takes descriptors, answers each
 * connection with one fixed HTTP 200 and closes it.
 *
 * Usage: fd-drain raw SOCKET [taken]               the receiver of fd-loop: one descriptor a message, each acknowledged
 *                                                  by a byte where fd-loop waits for it
 *        fd-drain baton SOCKET NAME HOST:PORT [SERVES]
 *                                                  a delivery of a Baton head (shared/wire/PROTOCOL.md); clients that
 *                                                  the head redirects are sent to HOST:PORT; it is there for the server
 *                                                  name SERVES alone, or for every name
 *
 * It ends when the head closes its end, and says then how many connections it answered.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>

#include "drain.h"
#include "messagepack.h"

/* The kernel's bound on descriptors in one message (SCM_MAX_FD), and room for a control message. */
enum { MAX_DESCRIPTORS = 253, MAX_MESSAGE = 16384, MAX_LANES = 128 };
enum { CREDITS = 4096, PROTOCOL_VERSION = 1, VERSION_WITH_SERVES = 2 };
/* As Baton's own deliveries do, ended connections are reported together: so many, or right before a *taken* when they have
 * waited for a while, or what there is after so long. */
enum { REPORT_ENDED_AT = 64, REPORT_ENDED_BEFORE_TAKEN_MILLIS = 4, REPORT_ENDED_MILLIS = 50 };
/* Messages on a lane, by their first element. */
enum { CONNECTIONS = 1, TAKEN = 2, ENDED = 4 };

/* Receives one message with its descriptors; the message's length, 0 at the end of the channel, -1 when there is
 * none now. */
static ssize_t receive(int channel, void *bytes, size_t size, int *descriptors, int *count, int flags) {
  struct iovec data = {.iov_base = bytes, .iov_len = size};
  union {
    char bytes[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
    struct cmsghdr aligned;
  } control;
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  *count = 0;
  ssize_t got = recvmsg(channel, &message, flags | MSG_CMSG_CLOEXEC);
  if (got < 0 && errno == ECONNRESET) return 0;
  if (got < 0 && errno == EAGAIN) return -1;
  if (got < 0) fail("recvmsg");
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) refuse("fd-drain: a message was cut short");
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
    *count = (int)((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(rights), (size_t)*count * sizeof(int));
  }
  return got;
}

/* Waits for room when the socket is full (the head may have made it non-blocking); 0 when the head has gone. */
static int say(int channel, const struct packer *message) {
  while (send(channel, message->bytes, message->length, MSG_NOSIGNAL) < 0) {
    struct pollfd room = {.fd = channel, .events = POLLOUT};
    if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) return 0;
    poll(&room, 1, 100);
  }
  return 1;
}

static void say_ready(void) {
  printf("{\"ready\":\"fd-drain\",\"pid\":%d}\n", getpid());
  fflush(stdout);
}

static void drain_raw(const char *path, int says_taken) {
  int channel = connect_head(path);
  say_ready();
  char byte;
  int client[MAX_DESCRIPTORS], count;
  while (receive(channel, &byte, 1, client, &count, 0) > 0) {
    if (count != 1) refuse("fd-drain: a message came without its descriptor");
    if (says_taken && send(channel, &byte, 1, MSG_NOSIGNAL) < 0) fail("send");
    answer_and_close(client[0]);
  }
}

/* Registers, and waits to be welcomed: the welcome carries one socket for each of the head's workers. */
static int register_delivery(int channel, const char *name, const char *direct, const char *serves, int *lanes) {
  struct packer hello = {0};
  pack_map(&hello, serves ? 9 : 8);
  pack_text(&hello, "type"), pack_text(&hello, "hello");
  pack_text(&hello, "version"), pack_number(&hello, serves ? VERSION_WITH_SERVES : PROTOCOL_VERSION);
  pack_text(&hello, "name"), pack_text(&hello, name);
  pack_text(&hello, "pid"), pack_number(&hello, (unsigned)getpid());
  pack_text(&hello, "credits"), pack_number(&hello, CREDITS);
  pack_text(&hello, "weight"), pack_number(&hello, 1);
  pack_text(&hello, "direct"), pack_text(&hello, direct);
  pack_text(&hello, "active"), pack_number(&hello, 0);
  if (serves) pack_text(&hello, "serves"), pack_array(&hello, 1), pack_text(&hello, serves);
  if (!say(channel, &hello)) fail("send");

  unsigned char answer[MAX_MESSAGE];
  int count;
  ssize_t got = receive(channel, answer, sizeof answer, lanes, &count, 0);
  if (got > 0 && is_type(answer, (size_t)got, "welcome") && count >= 1 && count <= MAX_LANES) return count;
  fprintf(stderr, "fd-drain: the head did not welcome this delivery: %.*s\n", got > 0 ? (int)got : 0, answer);
  exit(1);
}

struct lane {
  int socket;     /* -1 when it has ended */
  unsigned ended; /* connections that ended and are not reported yet */
  long long since; /* when the first of those did, milliseconds */
};

static long long now_millis(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int report_ended(struct lane *lane) {
  struct packer ended = {0};
  pack_array(&ended, 2), pack_number(&ended, ENDED), pack_number(&ended, lane->ended);
  lane->ended = 0;
  return say(lane->socket, &ended);
}

/* Everything that is on a lane now. *Taken* comes before the answer, as the protocol wants. 0 when the lane has
 * ended. */
static int drain_lane(struct lane *lane) {
  for (;;) {
    unsigned char bytes[64];
    int clients[MAX_DESCRIPTORS], count;
    ssize_t got = receive(lane->socket, bytes, sizeof bytes, clients, &count, MSG_DONTWAIT);
    if (got <= 0) return got < 0;
    struct unpacker batch = {.at = bytes, .end = bytes + got};
    if (unpack_array(&batch) != 3 || unpack_number(&batch) != CONNECTIONS) refuse("fd-drain: not a batch");
    unsigned first = (unsigned)unpack_number(&batch);
    if (unpack_number(&batch) != count) refuse("fd-drain: a batch came without its descriptors");

    struct packer taken = {0};
    pack_array(&taken, 3), pack_number(&taken, TAKEN), pack_number(&taken, first);
    pack_number(&taken, (unsigned)count);
    int due = lane->ended && now_millis() - lane->since >= REPORT_ENDED_BEFORE_TAKEN_MILLIS;
    int mine = (!due || report_ended(lane)) && say(lane->socket, &taken);
    for (int at = 0; at < count; at++) {
      /* The head did not hear *taken*: it gives them to another, and here nobody may touch them. */
      if (mine) answer_and_close(clients[at]);
      else close(clients[at]);
    }
    if (!lane->ended) lane->since = now_millis();
    lane->ended += (unsigned)count;
    if (!mine || (lane->ended >= REPORT_ENDED_AT && !report_ended(lane))) return 0;
  }
}

/* Answers the head's pings; 0 when the head has let this delivery go. */
static int heed_head(int channel) {
  unsigned char bytes[MAX_MESSAGE];
  int descriptors[MAX_DESCRIPTORS], count;
  ssize_t got = receive(channel, bytes, sizeof bytes, descriptors, &count, MSG_DONTWAIT);
  if (got <= 0) return got < 0;
  if (is_type(bytes, (size_t)got, "dismissed")) return 0;
  if (!is_type(bytes, (size_t)got, "ping")) return 1;
  struct packer pong = {0};
  pack_map(&pong, 2);
  pack_text(&pong, "type"), pack_text(&pong, "pong");
  pack_text(&pong, "direct"), pack_number(&pong, 0);
  return say(channel, &pong);
}

static void drain_baton(const char *path, const char *name, const char *direct, const char *serves) {
  int channel = connect_head(path), sockets[MAX_DESCRIPTORS];
  int count = register_delivery(channel, name, direct, serves, sockets);
  struct lane lanes[MAX_LANES];
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, channel, &event) < 0) fail("epoll");
  for (int at = 0; at < count; at++) {
    lanes[at] = (struct lane){.socket = sockets[at]};
    event.data.ptr = &lanes[at];
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[at], &event) < 0) fail("epoll_ctl");
  }
  say_ready();
  for (;;) {
    struct epoll_event ready[MAX_LANES + 1];
    unsigned unreported = 0;
    for (int at = 0; at < count; at++) unreported += lanes[at].ended;
    int events = epoll_wait(epoll, ready, MAX_LANES + 1, unreported ? REPORT_ENDED_MILLIS : -1);
    if (events < 0 && errno != EINTR) fail("epoll_wait");
    for (int at = 0; at < events; at++) {
      struct lane *lane = ready[at].data.ptr;
      if (!lane) {
        if (!heed_head(channel)) return;
      } else if (!drain_lane(lane)) {
        close(lane->socket);
        *lane = (struct lane){.socket = -1};
      }
    }
    for (int at = 0; events == 0 && at < count; at++) {
      if (lanes[at].ended) report_ended(&lanes[at]);
    }
  }
}

int main(int argc, char **argv) {
  live_with_parent();
  allow_descriptors();
  int says_taken = argc == 4 && strcmp(argv[3], "taken") == 0;
  if ((argc == 3 || says_taken) && strcmp(argv[1], "raw") == 0) drain_raw(argv[2], says_taken);
  else if ((argc == 5 || argc == 6) && strcmp(argv[1], "baton") == 0)
    drain_baton(argv[2], argv[3], argv[4], argc == 6 ? argv[5] : NULL);
  else refuse("usage: fd-drain raw SOCKET [taken] | fd-drain baton SOCKET NAME HOST:PORT [SERVES]");
  report_drained();
}

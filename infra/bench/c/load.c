/* A load generator: CONCURRENT connections at a time for SECONDS, each with one request, or REQUESTS one after another.
 *
 * Closed loop: when one ends the next begins, so it asks for as much as the server gives. (How long a visit takes
 * is measured elsewhere, open loop.) One thread, epoll, non-blocking. A client connects, sends a GET, the last one
 * with `Connection: close`, reads to the end of the stream and closes: the server closes first, which leaves TIME_WAIT
 * on its side and the client's port free for the next.
 *
 * With PID, that process (the server) is stopped until the first CONCURRENT connections are queued with their
 * requests, and then let go: it works the queue off at its own pace and never waits for a client. With CONNECTIONS
 * equal to CONCURRENT that is one burst.
 *
 * With HELLO, a file, a client sends the bytes of that file instead, a ClientHello of TLS, and the one right answer is the
 * alert of tls.h: a handshake would cost more than what is measured.
 *
 * With RATE, that many connections are begun each second, evenly, whatever becomes of the others (open loop): CONCURRENT is
 * how many may be open then, and one more is a fault of this program's. What a server costs that has hardly anything to do.
 *
 * An answer counts as ok when its status is STATUS and as many body bytes came as Content-Length promised.
 * When the time is over no more are begun, those under way ask for the last time and get GRACE_SECONDS to end, so that
 * every connection that the server saw is in the counts. The report is one JSON line on stdout: connections by outcome,
 * right answers, and from the moment when the server was let go the seconds that passed and this program's own CPU time.
 *
 * With PATH2 every other request of a connection is for that.
 *
 * Usage: load [-r RATE] HOST:PORT[/PATH[,/PATH2]] STATUS CONCURRENT SECONDS [CONNECTIONS [PID [REQUESTS [HELLO]]]]
 *        CONNECTIONS: begin no more than so many, 0 for no bound; PID: 0 for none; REQUESTS: on each connection, 0: one
 *        that does not say that it is the last, and one with HELLO
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "bench.h"
#include "tls.h"

enum { MAX_CONCURRENT = 10000, KEEP_BYTES = 4096, GRACE_SECONDS = 5, EVENTS = 256, MAX_HELLO = 16384 };

/* What became of a connection. */
enum outcome { OK, NOT_CONNECTED, RESET, WRONG_STATUS, CUT_SHORT, TOO_LATE, OUTCOMES };

struct client {
  int socket;
  int sent;
  int asked;  /* requests so far */
  size_t got; /* bytes of the answer so far, kept or not */
  double began;
  char answer[KEEP_BYTES + 1];
};

static struct sockaddr_in server;
static char request[2][384], last_request[2][384]; /* in turns, where there are two paths */
static char hello[MAX_HELLO];
static size_t hello_length; /* 0: requests are sent */
static int requests = 1;    /* on each connection */
static int wanted_status;
static int epoll;
static double stop;      /* no connection is begun after this time */
static long begun, bound; /* nor after this many, unless 0 */
static double rate;       /* begun in a second, unless 0 */
static int open_now;
static long counts[OUTCOMES], answers;
static double slowest;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void finish(struct client *client, enum outcome outcome) {
  close(client->socket);
  client->socket = -1;
  open_now--;
  counts[outcome]++;
  double took = now() - client->began;
  if (took > slowest) slowest = took;
}

static void watch(struct client *client, int operation) {
  struct epoll_event event = {.events = client->sent ? EPOLLIN | EPOLLRDHUP : EPOLLOUT, .data.ptr = client};
  if (epoll_ctl(epoll, operation, client->socket, &event) < 0) fail("epoll_ctl");
}

/* 1 sent, 0 not connected yet, -1 failed */
static int send_request(struct client *client) {
  int is_last = client->asked + 1 >= requests || now() >= stop;
  int which = client->asked & 1;
  const char *text = hello_length ? hello : is_last && requests > 0 ? last_request[which] : request[which];
  ssize_t length = (ssize_t)(hello_length ? hello_length : strlen(text));
  ssize_t sent = send(client->socket, text, (size_t)length, MSG_NOSIGNAL);
  if (sent == length) {
    client->asked = is_last ? requests : client->asked + 1;
    return client->sent = 1;
  }
  return sent < 0 && (errno == EAGAIN || errno == ENOTCONN) ? 0 : -1;
}

/* A client that cannot even begin is given up: when nothing listens, the run ends instead of spinning. */
static void begin(struct client *client) {
  if (now() >= stop || (bound && begun >= bound)) return;
  begun++;
  open_now++;
  client->sent = client->asked = 0;
  client->got = 0;
  client->began = now();
  client->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (client->socket < 0) fail("socket");
  if (connect(client->socket, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
    return finish(client, NOT_CONNECTED);
  /* Over loopback the handshake is over by now, so the request usually goes at once and one wait is saved. */
  if (send_request(client) < 0) return finish(client, errno == ECONNREFUSED ? NOT_CONNECTED : RESET);
  watch(client, EPOLL_CTL_ADD);
}

/* Expires RATE times a second. Its event is told by no client. */
static int start_pacing(void) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  long nanos = (long)(1e9 / rate);
  struct timespec each = {.tv_sec = nanos / 1000000000, .tv_nsec = nanos % 1000000000};
  struct itimerspec pace = {.it_interval = each, .it_value = each};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (timer < 0 || timerfd_settime(timer, 0, &pace, NULL) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) < 0)
    fail("timerfd");
  return timer;
}

static void begin_due(int timer, struct client *clients, int concurrent) {
  uint64_t due = 0;
  if (read(timer, &due, sizeof due) < 0 && errno != EAGAIN) fail("read");
  for (int at = 0; due > 0 && at < concurrent; at++) {
    if (clients[at].socket >= 0) continue;
    begin(&clients[at]);
    due--;
  }
  if (due > 0) refuse("load: more connections are open than CONCURRENT");
}

static enum outcome judge_alert(const struct client *client) {
  if (client->got < sizeof tls_alert) return CUT_SHORT;
  return client->got == sizeof tls_alert && memcmp(client->answer, tls_alert, sizeof tls_alert) == 0 ? OK : WRONG_STATUS;
}

static enum outcome judge(struct client *client) {
  if (hello_length) return judge_alert(client);
  size_t kept = client->got < KEEP_BYTES ? client->got : KEEP_BYTES;
  client->answer[kept] = 0;
  char *end = strstr(client->answer, "\r\n\r\n");
  if (!end || strncmp(client->answer, "HTTP/1.1 ", 9) != 0) return CUT_SHORT;
  if (atoi(client->answer + 9) != wanted_status) return WRONG_STATUS;
  char *length = strcasestr(client->answer, "\r\nContent-Length:");
  size_t body = client->got - (size_t)(end + 4 - client->answer);
  if (length && length < end && strtoul(length + 17, NULL, 10) != body) return CUT_SHORT;
  return OK;
}

/* A connection that is to be used again: asks for the next thing when the answer is whole. 0 when it has failed. */
static int ask_again(struct client *client) {
  enum outcome outcome = judge(client);
  if (outcome == CUT_SHORT) return 1; /* so far */
  if (outcome == OK) {
    answers++;
    client->got = 0;
    if (send_request(client) > 0) return 1;
    outcome = RESET;
  }
  finish(client, outcome);
  return 0;
}

static void read_answer(struct client *client, int ended) {
  do {
    size_t kept = client->got < KEEP_BYTES ? client->got : KEEP_BYTES;
    char rest[KEEP_BYTES];
    ssize_t got = kept < KEEP_BYTES ? recv(client->socket, client->answer + kept, KEEP_BYTES - kept, 0)
                                    : recv(client->socket, rest, sizeof rest, 0);
    if (got == 0) {
      enum outcome outcome = judge(client);
      if (outcome == OK && client->asked < requests) outcome = CUT_SHORT;
      answers += outcome == OK;
      return finish(client, outcome);
    }
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) return finish(client, RESET);
    client->got += (size_t)got;
    if (client->asked < requests && !ask_again(client)) return;
  } while (ended); /* the end has arrived already: read up to it without another wait */
}

static void on_event(struct client *client, unsigned events) {
  if (client->sent) return read_answer(client, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(client->socket, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) return finish(client, NOT_CONNECTED);
  int sent = send_request(client);
  if (sent < 0) return finish(client, RESET);
  if (sent > 0) watch(client, EPOLL_CTL_MOD);
}

static long micros(struct timeval later, struct timeval sooner) {
  return (later.tv_sec - sooner.tv_sec) * 1000000L + later.tv_usec - sooner.tv_usec;
}

static void report(double seconds, struct rusage before) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("{\"ok\":%ld,\"answers\":%ld,\"failed\":{\"notConnected\":%ld,\"reset\":%ld,\"wrongStatus\":%ld,\"cutShort\":%ld,"
         "\"tooLate\":%ld},\"seconds\":%.6f,\"slowestMs\":%.3f,\"userMicros\":%ld,\"systemMicros\":%ld}\n",
         counts[OK], answers, counts[NOT_CONNECTED], counts[RESET], counts[WRONG_STATUS], counts[CUT_SHORT],
         counts[TOO_LATE], seconds, slowest * 1e3, micros(used.ru_utime, before.ru_utime),
         micros(used.ru_stime, before.ru_stime));
}

static void read_arguments(char **argv) {
  char host[64], path[128] = "/?n=1";
  int port;
  server.sin_family = AF_INET;
  if (sscanf(argv[1], "%63[0-9.]:%d%127s", host, &port, path) < 2 || inet_pton(AF_INET, host, &server.sin_addr) != 1)
    refuse("load: the address is IPV4:PORT, and perhaps a path");
  server.sin_port = htons((unsigned short)port);
  wanted_status = atoi(argv[2]);
  const char *form = "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: baton-bench\r\nAccept: */*\r\n%s\r\n";
  char *comma = strchr(path, ',');
  if (comma) *comma = '\0';
  for (int which = 0; which < 2; which++) {
    const char *target = comma && which ? comma + 1 : path;
    snprintf(request[which], sizeof request[which], form, target, host, port, "");
    snprintf(last_request[which], sizeof last_request[which], form, target, host, port, "Connection: close\r\n");
  }
}

static void read_hello(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path);
  hello_length = fread(hello, 1, sizeof hello, file);
  fclose(file);
  if (hello_length == 0 || hello[0] != TLS_HANDSHAKE) refuse("load: HELLO is a file with a ClientHello");
}

int main(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[1], "-r") == 0) {
    rate = atof(argv[2]);
    if (rate < 1 || rate > 1e5) refuse("load: RATE is 1 to 100000");
    argc -= 2;
    argv += 2;
  }
  if (argc < 5 || argc > 9)
    refuse("usage: load [-r RATE] HOST:PORT[/PATH[,/PATH2]] STATUS CONCURRENT SECONDS [CONNECTIONS [PID [REQUESTS [HELLO]]]]");
  read_arguments(argv);
  int concurrent = atoi(argv[3]);
  double seconds = atof(argv[4]);
  bound = argc > 5 ? atol(argv[5]) : 0;
  pid_t held = argc > 6 ? atoi(argv[6]) : 0;
  requests = argc > 7 ? atoi(argv[7]) : 1;
  if (argc > 8) read_hello(argv[8]);
  if (concurrent < 1 || concurrent > MAX_CONCURRENT) refuse("load: CONCURRENT is 1 to 10000");
  live_with_parent();
  allow_descriptors();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct client *clients = calloc((size_t)concurrent, sizeof *clients);
  if (epoll < 0 || !clients) fail("load");

  stop = now() + seconds;
  if (held > 0 && kill(held, SIGSTOP) < 0) fail("kill");
  for (int at = 0; at < concurrent; at++) {
    clients[at].socket = -1;
    if (rate == 0) begin(&clients[at]);
  }
  int timer = rate > 0 ? start_pacing() : -1;
  struct rusage before;
  getrusage(RUSAGE_SELF, &before);
  double start = now();
  if (held > 0 && kill(held, SIGCONT) < 0) fail("kill");
  while ((open_now || (rate > 0 && now() < stop)) && now() < stop + GRACE_SECONDS) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(epoll, events, EVENTS, 100);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int at = 0; at < ready; at++) {
      struct client *client = events[at].data.ptr;
      if (client) on_event(client, events[at].events);
      if (!client) begin_due(timer, clients, concurrent);
      else if (client->socket < 0 && rate == 0) begin(client);
    }
  }
  for (int at = 0; at < concurrent; at++) {
    if (clients[at].socket >= 0) finish(&clients[at], TOO_LATE);
  }
  report(now() - start, before);
}

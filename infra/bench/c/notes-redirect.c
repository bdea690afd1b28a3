/* The design of the notes that started the project, to the letter.
 *
 * An infinite loop does accept() and puts the descriptor on a singly linked list; threads of a pool take it off,
 * read() a small number of bytes, verify that it is an HTTP message, send 307 Temporary Redirect with a Location at
 * one of the servers of an array of character pointers, picked systematically (in turn), and close.
 * The list is guarded by a mutex and a condition variable. Sockets are blocking.
 *
 * Usage: notes-redirect HOST:PORT...     the servers to send clients to
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>

#include "bench.h"

enum { THREADS = 8, READ_BYTES = 1024, TARGET_BYTES = 512 };

struct link {
  int client;
  struct link *next;
};

static struct link *first, *last;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;

static char **servers;
static unsigned server_count;
static atomic_uint turn;

static void put(int client) {
  struct link *link = malloc(sizeof *link);
  if (!link) fail("malloc");
  *link = (struct link){.client = client};
  pthread_mutex_lock(&guard);
  if (last) last->next = link;
  else first = link;
  last = link;
  pthread_cond_signal(&not_empty);
  pthread_mutex_unlock(&guard);
}

static int take(void) {
  pthread_mutex_lock(&guard);
  while (!first) pthread_cond_wait(&not_empty, &guard);
  struct link *link = first;
  first = link->next;
  if (!first) last = NULL;
  pthread_mutex_unlock(&guard);
  int client = link->client;
  free(link);
  return client;
}

/* METHOD SP TARGET SP HTTP/1. : the target is copied out, so that the client asks the other server for the same.
 * Only visible ASCII counts as a target, which also keeps line ends out of the Location header. */
static int read_target(const char *request, char target[TARGET_BYTES]) {
  const char *space = strchr(request, ' ');
  if (!space || space == request || space[1] != '/') return -1;
  size_t length = 0;
  for (const char *at = space + 1; *at > ' ' && *at < 127; at++) {
    if (length == TARGET_BYTES - 1) return -1;
    target[length++] = *at;
  }
  target[length] = 0;
  return strncmp(space + 1 + length, " HTTP/1.", 8) == 0 ? 0 : -1;
}

static void *serve(void *unused) {
  (void)unused;
  char request[READ_BYTES + 1], target[TARGET_BYTES], answer[TARGET_BYTES + 256];
  for (;;) {
    int client = take();
    ssize_t got = read(client, request, READ_BYTES);
    if (got > 0) {
      request[got] = 0;
      int length;
      if (read_target(request, target) == 0) {
        const char *server = servers[atomic_fetch_add(&turn, 1) % server_count];
        length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://%s%s\r\n"
                          "Content-Length: 0\r\nConnection: close\r\n\r\n",
                          server, target);
      } else {
        length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      }
      send(client, answer, (size_t)length, MSG_NOSIGNAL);
    }
    close(client);
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 2) refuse("usage: notes-redirect HOST:PORT...");
  for (int at = 1; at < argc; at++) {
    if (strlen(argv[at]) > 64) refuse("notes-redirect: a server is HOST:PORT, 64 bytes at most");
  }
  servers = argv + 1;
  server_count = (unsigned)argc - 1;
  live_with_parent();
  allow_descriptors();
  for (int at = 0; at < THREADS; at++) {
    pthread_t thread;
    if ((errno = pthread_create(&thread, NULL, serve, NULL))) fail("pthread_create");
  }
  int listener = listen_loopback();
  announce("notes-redirect", listener);
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client >= 0) put(client);
    else if (errno != EINTR && errno != ECONNABORTED) fail("accept4");
  }
}

/* The receiver of fd-drain for a proxy: it accepts connections itself, on a free port of 127.0.0.1, and does the same with
 * each. One at a time: a proxy sends what its client has sent as soon as it is connected.
 *
 * Usage: tcp-drain
 */
#define _GNU_SOURCE
#include <poll.h>

#include "drain.h"

/* A proxy that connects and says nothing is not waited for any longer. */
enum { WAIT_MILLIS = 1000 };

int main(void) {
  live_with_parent();
  int listener = listen_loopback();
  announce("tcp-drain", listener);
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      fail("accept4");
    }
    struct pollfd request = {.fd = client, .events = POLLIN};
    poll(&request, 1, WAIT_MILLIS);
    answer_and_close(client);
  }
}

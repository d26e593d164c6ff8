// Clients that mean harm, for little CPU of their own: COUNT connections that are opened again as soon as they are
// closed, until the program is ended. Linux only. One thread, loopback only; bounded in connections and keys.
//
//   attackers PORT KIND COUNT < keys        one key a line; each new connection uses the next one
//
//   upload    announces 20 MiB and sends them as fast as they are taken
//   trickle   announces 1 MB and sends a byte of it twice a second
//
// Connections begin spread over a second, so that they do not beat in step. Prints "attacking" once each has had an
// answer or a byte taken; on SIGTERM one line of JSON: connections made, answers by class of status, bytes sent.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, KEYS_MAX = 1 << 16, KEY_CHARS_MAX = 64, EVENTS_MAX = 256, PIECE_BYTES = 64 * 1024 };

static const int64_t SECOND_NS = 1000000000;
static const int64_t TRICKLE_NS = 500000000;

struct connection {
  int fd; // -1: to be opened at due_ns
  int answered, counted;
  size_t head_length; // bytes of the head that are not sent, all at once when connected
  size_t left;        // bytes of the body that are not sent
  char head[512];
  int64_t due_ns;
};

static struct connection connections[CONNECTIONS_MAX];
static char keys[KEYS_MAX][KEY_CHARS_MAX], piece[PIECE_BYTES];
static size_t key_count, next_key, body_bytes;
static long opened, answers[10], sent_bytes;
static int port, trickles, poll_fd, counted;
static volatile sig_atomic_t ending;

static void fail(const char *what) {
  fprintf(stderr, "attackers: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * SECOND_NS + time.tv_nsec;
}

static void on_term(int signal) {
  (void)signal;
  ending = 1;
}

static void shut(struct connection *one) {
  close(one->fd);
  one->fd = -1;
  one->due_ns = now_ns();
}

/** Sends what is taken now: the head, and at most `most` bytes of the body. */
static void push(struct connection *one, size_t most) {
  if (one->head_length > 0) {
    if (send(one->fd, one->head, one->head_length, MSG_NOSIGNAL) < 0) return errno == EAGAIN ? (void)0 : shut(one);
    one->head_length = 0;
    opened += 1;
  }
  while (one->left > 0 && most > 0) {
    size_t length = one->left < most ? one->left : most;
    if (length > sizeof piece) length = sizeof piece;
    ssize_t put = send(one->fd, piece, length, MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN ? (void)0 : shut(one);
    one->left -= (size_t)put;
    most -= (size_t)put;
    sent_bytes += put;
  }
}

static void begin(struct connection *one) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (one->fd < 0) fail("socket");
  // On loopback who resets a connection frees what the other end had queued; over a network that is the other's work.
  int queue = PIECE_BYTES;
  setsockopt(one->fd, SOL_SOCKET, SO_SNDBUF, &queue, sizeof queue);
  one->head_length = (size_t)snprintf(one->head, sizeof one->head,
                                      "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %s\r\n"
                                      "content-type: application/json\r\ncontent-length: %zu\r\n\r\n",
                                      keys[next_key++ % key_count], body_bytes);
  one->left = body_bytes;
  one->answered = 0;
  one->due_ns = now_ns() + TRICKLE_NS;
  if (connect(one->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) fail("connect");
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = one};
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, one->fd, &event);
}

static void count(struct connection *one) {
  if (one->counted) return;
  one->counted = 1;
  counted += 1;
}

static void take(struct connection *one) {
  char answer[2048];
  ssize_t got;
  while ((got = recv(one->fd, answer, sizeof answer, MSG_DONTWAIT)) > 0) {
    if (one->answered || got < 12) continue;
    one->answered = 1;
    count(one);
    answers[(answer[9] - '0') % 10] += 1;
  }
  // It goes on sending after its answer, until the connection ends.
  if (got == 0 || errno != EAGAIN) shut(one);
}

int main(int argc, char **argv) {
  if (argc != 4) fail("PORT KIND COUNT");
  port = atoi(argv[1]);
  trickles = strcmp(argv[2], "trickle") == 0;
  int wanted = atoi(argv[3]), told = 0;
  if (wanted < 1 || wanted > CONNECTIONS_MAX) fail("COUNT");
  body_bytes = trickles ? 1000000 : 20 * 1024 * 1024;
  memset(piece, ' ', sizeof piece);
  while (key_count < KEYS_MAX && scanf("%63s", keys[key_count]) == 1) key_count += 1;
  if (key_count == 0) fail("no keys");
  signal(SIGTERM, on_term);
  poll_fd = epoll_create1(0);
  int64_t start = now_ns();
  for (int index = 0; index < wanted; index += 1)
    connections[index] = (struct connection){.fd = -1, .due_ns = start + SECOND_NS * index / wanted};
  while (!ending) {
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(poll_fd, events, EVENTS_MAX, 1);
    for (int index = 0; index < ready; index += 1) {
      struct connection *one = events[index].data.ptr;
      if (one->fd >= 0 && (events[index].events & EPOLLOUT) != 0) push(one, trickles ? 0 : one->left);
      if (one->fd >= 0 && (events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) take(one);
    }
    int64_t now = now_ns();
    for (int index = 0; index < wanted; index += 1) {
      struct connection *one = &connections[index];
      if (one->due_ns > now) continue;
      if (one->fd < 0) begin(one);
      else if (trickles) {
        push(one, 1);
        if (one->fd < 0) continue;
        count(one);
        one->due_ns = now + TRICKLE_NS;
      }
    }
    if (!told && counted == wanted) {
      told = 1;
      printf("attacking\n");
      fflush(stdout);
    }
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{\"seconds\":%.3f,\"cpuSeconds\":%.3f,\"opened\":%ld,\"bytes\":%ld,\"answers2\":%ld,\"answers4\":%ld,\"answers5\":%ld}\n",
         (double)(now_ns() - start) / 1e9, cpu, opened, sent_bytes, answers[2], answers[4], answers[5]);
  return 0;
}

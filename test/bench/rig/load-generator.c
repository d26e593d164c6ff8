// A closed loop of HTTP/1.1 clients: each connection sends the same request, reads the answer to its end, and sends it
// again. About 5 µs of CPU a request. Linux only. One thread, loopback only; bounded in connections, requests and time.
//
//   load-generator PORT CONNECTIONS REQUESTS SECONDS STAGGER_US STATUS < request
//
// No request is begun after REQUESTS (0: no limit) or SECONDS; those under way end. Connection i begins i * STAGGER_US
// after the first, so that paced streams don't beat in step. Prints one line of JSON: times in microseconds from the
// send to the first byte (`first`) and to the last (`whole`) of an answer, counts, and answers of another status than
// STATUS, or another class of statuses if it is one digit, as `wrong`, the last of them as `wrongStatus`. Exits with 1 if an answer does not come within 30 seconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, REQUEST_BYTES_MAX = 1 << 20, SAMPLES_MAX = 4000000, EVENTS_MAX = 256, SILENCE_MS = 30000 };

struct connection {
  int fd;
  int busy, closes;
  size_t sent, head_length, received;
  ssize_t body_left; // -1: chunked, which ends with an empty chunk
  char head[4096], tail[8];
  int64_t started_ns, first_ns;
};

static struct connection connections[CONNECTIONS_MAX];
static char request[REQUEST_BYTES_MAX];
static size_t request_length;
static float *first_us, *whole_us;
static long begun, ended, wrong, requests_max, frames, bytes;
static int port, expected_status, wrong_status, poll_fd, open_count;
static int64_t end_ns;

static void fail(const char *what) {
  fprintf(stderr, "load-generator: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void watch(struct connection *one, int operation, uint32_t what) {
  struct epoll_event event = {.events = what, .data.ptr = one};
  epoll_ctl(poll_fd, operation, one->fd, &event);
}

/** Sends what the socket takes; the rest when it can be written again. */
static void send_rest(struct connection *one) {
  ssize_t put = send(one->fd, request + one->sent, request_length - one->sent, MSG_NOSIGNAL);
  if (put < 0 && errno != EAGAIN) fail("send");
  int waited = one->sent > 0 || put < (ssize_t)request_length;
  if (put > 0) one->sent += (size_t)put;
  if (waited) watch(one, EPOLL_CTL_MOD, one->sent < request_length ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void begin(struct connection *one) {
  int64_t now = now_ns();
  if (now >= end_ns || (requests_max > 0 && begun >= requests_max)) {
    close(one->fd);
    open_count -= 1;
    return;
  }
  begun += 1;
  one->busy = 1;
  one->sent = one->head_length = one->received = 0;
  one->body_left = 0;
  one->started_ns = now;
  send_rest(one);
}

static void connect_one(struct connection *one);

static void end(struct connection *one) {
  int status = atoi(one->head + 9);
  if (status != expected_status && status / 100 != expected_status) {
    wrong += 1;
    wrong_status = status;
  }
  if (ended < SAMPLES_MAX) {
    first_us[ended] = (float)(one->first_ns - one->started_ns) / 1000;
    whole_us[ended] = (float)(now_ns() - one->started_ns) / 1000;
  }
  ended += 1;
  one->busy = 0;
  if (one->closes) {
    close(one->fd);
    open_count -= 1;
    connect_one(one);
  }
  begin(one);
}

/** Length of the body that the head announces; -1 if it is chunked. */
static ssize_t announced(struct connection *one) {
  one->head[one->head_length] = '\0';
  char *length = strcasestr(one->head, "\r\ncontent-length:");
  one->closes = strcasestr(one->head, "\r\nconnection: close") != NULL;
  return length == NULL ? -1 : (ssize_t)strtoul(length + 17, NULL, 10);
}

/** Takes body bytes; true once the answer is whole. */
static int take_body(struct connection *one, const char *body, size_t length) {
  bytes += (long)length;
  if (one->body_left >= 0) {
    one->body_left -= (ssize_t)length;
    return one->body_left <= 0;
  }
  for (const char *at = body; (at = memmem(at, length - (size_t)(at - body), "data: ", 6)) != NULL; at += 6) frames += 1;
  if (length >= 7) memcpy(one->tail, body + length - 7, 7);
  else if (length > 0) {
    memmove(one->tail, one->tail + length, 7 - length);
    memcpy(one->tail + 7 - length, body, length);
  }
  return memcmp(one->tail, "\r\n0\r\n\r\n", 7) == 0;
}

static void take(struct connection *one) {
  static char buffer[256 * 1024];
  ssize_t got = recv(one->fd, buffer, sizeof buffer, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) fail(one->busy ? "an answer was cut" : "a connection was closed");
  if (!one->busy) fail("an answer without a request");
  if (one->received == 0) one->first_ns = now_ns();
  size_t before = one->received;
  one->received += (size_t)got;
  if (one->head_length > 0) {
    if (take_body(one, buffer, (size_t)got)) end(one);
    return;
  }
  if (one->received >= sizeof one->head) {
    // Only a head that comes together with a large body is cut off here: its first 4 KB hold the head.
    memcpy(one->head + before, buffer, sizeof one->head - 1 - before);
  } else memcpy(one->head + before, buffer, (size_t)got);
  size_t known = one->received < sizeof one->head ? one->received : sizeof one->head - 1;
  char *head_end = memmem(one->head, known, "\r\n\r\n", 4);
  if (head_end == NULL) return;
  one->head_length = (size_t)(head_end - one->head) + 4;
  if (one->head_length >= sizeof one->head) fail("a head is too long");
  memset(one->tail, 0, sizeof one->tail);
  size_t in_buffer = one->head_length - before;
  char after = one->head[one->head_length];
  one->body_left = announced(one);
  one->head[one->head_length] = after;
  if (take_body(one, buffer + in_buffer, (size_t)got - in_buffer)) end(one);
}

static void connect_one(struct connection *one) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  one->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(one->fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch(one, EPOLL_CTL_ADD, EPOLLIN);
  open_count += 1;
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void print_times(const char *name, float *times, long count) {
  qsort(times, (size_t)count, sizeof *times, by_size);
  double sum = 0;
  for (long index = 0; index < count; index += 1) sum += times[index];
  printf("\"%s\":{\"p50\":%.1f,\"p99\":%.1f,\"mean\":%.1f,\"max\":%.1f}", name, times[count / 2], times[count * 99 / 100],
         sum / (double)count, times[count - 1]);
}

int main(int argc, char **argv) {
  if (argc != 7) fail("PORT CONNECTIONS REQUESTS SECONDS STAGGER_US STATUS");
  port = atoi(argv[1]);
  int wanted = atoi(argv[2]);
  requests_max = atol(argv[3]);
  double seconds = atof(argv[4]);
  int64_t stagger_ns = atol(argv[5]) * 1000;
  expected_status = atoi(argv[6]);
  if (wanted < 1 || wanted > CONNECTIONS_MAX) fail("CONNECTIONS");
  request_length = fread(request, 1, sizeof request, stdin);
  first_us = malloc(SAMPLES_MAX * sizeof *first_us);
  whole_us = malloc(SAMPLES_MAX * sizeof *whole_us);
  poll_fd = epoll_create1(0);
  for (int index = 0; index < wanted; index += 1) connect_one(&connections[index]);
  int64_t start = now_ns(), last_event = start;
  end_ns = start + (int64_t)(seconds * 1e9);
  int started = 0;
  while (open_count > 0) {
    while (started < wanted && now_ns() >= start + started * stagger_ns) begin(&connections[started++]);
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(poll_fd, events, EVENTS_MAX, started < wanted ? 1 : SILENCE_MS);
    if (count > 0) last_event = now_ns();
    else if (now_ns() - last_event > (int64_t)SILENCE_MS * 1000000) fail("no answer in 30 s");
    for (int index = 0; index < count; index += 1) {
      struct connection *one = events[index].data.ptr;
      if (events[index].events & EPOLLOUT) send_rest(one);
      if (events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(one);
    }
  }
  long counted = ended < SAMPLES_MAX ? ended : SAMPLES_MAX;
  if (counted == 0) fail("nothing was answered");
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{\"answers\":%ld,\"wrong\":%ld,\"wrongStatus\":%d,\"frames\":%ld,\"bytes\":%ld,\"seconds\":%.3f,\"cpuSeconds\":%.3f,", ended, wrong, wrong_status, frames,
         bytes, (double)(now_ns() - start) / 1e9, cpu);
  print_times("first", first_us, counted);
  printf(",");
  print_times("whole", whole_us, counted);
  printf("}\n");
  return 0;
}

// A closed loop of HTTP/1.1 clients: each connection sends the same request, reads the answer to its end, and sends it
// again. About 5 µs of CPU a request. Linux only. One thread, loopback only; bounded in connections, requests and time.
//
//   load-generator PORT CONNECTIONS REQUESTS SECONDS STAGGER_US STATUS PER_ADDRESS < request
//
// No request is begun after REQUESTS (0: no limit) or SECONDS; those under way end. Connection i begins i * STAGGER_US
// after the first, so that paced streams don't beat in step. With PER_ADDRESS each connection is made again, from another
// address, after so many requests. Keys may follow the request, each after a NUL: then every request takes the next one in
// place of its own, which is as long. Prints one line of JSON: times in microseconds from the send to the first byte
// (`first`) and to the last (`whole`) of an answer; how many answers, bytes of their bodies and frames (server-sent events)
// in them; and answers of another status than STATUS, or another class of statuses if it is one digit, as `wrong`, the
// last of them as `wrongStatus`. Exits with 1 if an answer does not come within 30 seconds.
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

enum { CONNECTIONS_MAX = 4096, INPUT_BYTES_MAX = 8 << 20, SAMPLES_MAX = 4000000, EVENTS_MAX = 256, SILENCE_MS = 30000 };

struct connection {
  int fd;
  int busy, closes;
  size_t sent, head_length, received;
  ssize_t body_left; // -1: chunked, which ends with an empty chunk
  size_t chunk_left, line_length;
  int last_chunk, matched; // of a line of the body, as many bytes as begin a frame; more: it begins none, or has
  long from_address;
  char head[4096], line[20];
  int64_t started_ns, first_ns;
};

static struct connection connections[CONNECTIONS_MAX];
static char request[INPUT_BYTES_MAX];
static size_t request_length, key_at, key_length;
static const char *next_key, *input_end;
static long per_address, addresses;
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

static void connect_one(struct connection *one);

static void connect_again(struct connection *one) {
  close(one->fd);
  open_count -= 1;
  connect_one(one);
}

/** Puts the next key into the request, which must be sent in one piece then. */
static void take_key(void) {
  if (next_key + key_length > input_end) fail("there are fewer keys than requests");
  memcpy(request + key_at, next_key, key_length);
  next_key += key_length + 1;
}

static void begin(struct connection *one) {
  int64_t now = now_ns();
  if (now >= end_ns || (requests_max > 0 && begun >= requests_max)) {
    close(one->fd);
    open_count -= 1;
    return;
  }
  if (per_address > 0 && one->from_address == per_address) connect_again(one);
  if (key_length > 0) take_key();
  begun += 1;
  one->from_address += 1;
  one->busy = 1;
  one->sent = one->head_length = one->received = one->chunk_left = one->line_length = 0;
  one->body_left = one->last_chunk = one->matched = 0;
  one->started_ns = now;
  send_rest(one);
  if (key_length > 0 && one->sent < request_length) fail("a request with a key of its own went in pieces");
}

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
  if (one->closes) connect_again(one);
  begin(one);
}

/** Length of the body that the head announces; -1 if it is chunked. */
static ssize_t announced(struct connection *one) {
  one->head[one->head_length] = '\0';
  char *length = strcasestr(one->head, "\r\ncontent-length:");
  one->closes = strcasestr(one->head, "\r\nconnection: close") != NULL;
  return length == NULL ? -1 : (ssize_t)strtoul(length + 17, NULL, 10);
}

/** Counts the lines of a stream that begin a frame, wherever the network has cut them. */
static void count_frames(struct connection *one, const char *at, size_t length) {
  static const char start[] = "data: ";
  const int whole = sizeof start - 1;
  for (const char *end = at + length; at < end; at += 1) {
    if (one->matched < whole && *at == start[one->matched]) {
      one->matched += 1;
      if (one->matched == whole) frames += 1;
      continue;
    }
    at = memchr(at, '\n', (size_t)(end - at));
    one->matched = at == NULL ? whole : 0;
    if (at == NULL) return;
  }
}

/** Takes bytes of a body in chunks; true once the last chunk is there. */
static int take_chunks(struct connection *one, const char *at, size_t length) {
  const char *end = at + length;
  while (at < end) {
    if (one->chunk_left > 0) {
      size_t part = (size_t)(end - at) < one->chunk_left ? (size_t)(end - at) : one->chunk_left;
      count_frames(one, at, part);
      bytes += (long)part;
      one->chunk_left -= part;
      at += part;
    } else if (*at++ != '\n') {
      if (at[-1] != '\r' && one->line_length < sizeof one->line - 1) one->line[one->line_length++] = at[-1];
    } else if (one->line_length > 0) {
      one->line[one->line_length] = '\0';
      one->line_length = 0;
      one->chunk_left = strtoul(one->line, NULL, 16);
      one->last_chunk = one->chunk_left == 0;
    } else if (one->last_chunk) return 1; // else it is the end of a chunk's line
  }
  return 0;
}

/** Takes body bytes; true once the answer is whole. */
static int take_body(struct connection *one, const char *body, size_t length) {
  if (one->body_left < 0) return take_chunks(one, body, length);
  bytes += (long)length;
  one->body_left -= (ssize_t)length;
  return one->body_left <= 0;
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
  one->from_address = 0;
  if (per_address > 0) {
    // Any of 127.0.0.0/8 is this machine; where to begin is another place for each window.
    uint32_t own = 0x7f100000u + ((uint32_t)getpid() * 1021u + (uint32_t)addresses++) % 0x00e00000u;
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(own)};
    if (bind(one->fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
  }
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

/** Reads the request and the keys behind it. */
static void read_input(void) {
  size_t length = fread(request, 1, sizeof request - 1, stdin);
  request_length = strnlen(request, length);
  if (request_length == length) return;
  char *key = strstr(request, "Bearer ");
  if (key == NULL) fail("a request without a key");
  input_end = request + length;
  next_key = request + request_length + 1;
  key_at = (size_t)(key + 7 - request);
  key_length = strcspn(key + 7, "\r");
}

int main(int argc, char **argv) {
  if (argc != 8) fail("PORT CONNECTIONS REQUESTS SECONDS STAGGER_US STATUS PER_ADDRESS");
  port = atoi(argv[1]);
  int wanted = atoi(argv[2]);
  requests_max = atol(argv[3]);
  double seconds = atof(argv[4]);
  int64_t stagger_ns = atol(argv[5]) * 1000;
  expected_status = atoi(argv[6]);
  per_address = atol(argv[7]);
  if (wanted < 1 || wanted > CONNECTIONS_MAX) fail("CONNECTIONS");
  read_input();
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

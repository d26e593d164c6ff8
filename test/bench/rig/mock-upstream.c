// The upstream of every arm: an HTTP/1.1 server that answers chat completions in DeepSeek's dialect from fixed bytes,
// for about 5 µs of CPU a request. Linux only. One thread, loopback only, at most CONNECTIONS_MAX connections.
//
//   mock-upstream            prints the port that it listens on, then serves until it is killed
//
// What to answer stands in the first bytes of the request's body, as part of the prompt:
//
//   {{unary}}                a whole answer of about 1 KB
//   {{stream COUNT PACE}}    COUNT content frames of about 250 bytes, PACE microseconds apart; the first one at once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 8192, REQUEST_BYTES_MAX = 1 << 20, FRAMES_MAX = 100000, EVENTS_MAX = 256 };

struct connection {
  char *bytes;
  size_t length, capacity;
  int frames_left;
  int64_t pace_ns, due_ns;
  int heap_index; // -1: no timer
};

static struct connection connections[CONNECTIONS_MAX];
static int heap[CONNECTIONS_MAX];
static int heap_length;
static int poll_fd, timer_fd;

static char unary[4096], stream_head[2048], frame[1024], stream_tail[2048];
static size_t unary_length, stream_head_length, frame_length, stream_tail_length;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

#define TEXT "Prepaid credit is set aside before a request costs anything, and settled before its last byte is sent. "
#define HEAD "{\"id\":\"7b1f0c52-3a0e-4c1d-9d53-5f6f1d2b8c11\",\"object\":\"chat.completion"
#define MODEL ",\"created\":1790000000,\"model\":\"deepseek-chat\",\"system_fingerprint\":\"fp_8802369eaa_prod0820_fp8_kvcache\",\"choices\":["
#define USAGE \
  "\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":160,\"total_tokens\":280,\"prompt_tokens_details\":{\"cached_tokens\":64}," \
  "\"prompt_cache_hit_tokens\":64,\"prompt_cache_miss_tokens\":56}}"
#define CHUNK HEAD ".chunk\"" MODEL

/** One HTTP chunk around one server-sent event. */
static size_t put_event(char *to, const char *data) {
  return (size_t)sprintf(to, "%zx\r\ndata: %s\n\n\r\n", strlen(data) + 8, data);
}

static void make_answers(void) {
  const char *body = HEAD "\"" MODEL
      "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" TEXT TEXT TEXT TEXT TEXT
      "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}]," USAGE;
  unary_length = (size_t)sprintf(
      unary, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);
  char *to = stream_head;
  to += sprintf(to, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n");
  to += put_event(to, CHUNK "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}");
  stream_head_length = (size_t)(to - stream_head);
  frame_length = put_event(
      frame, CHUNK "{\"index\":0,\"delta\":{\"content\":\" durable, exactly\"},\"logprobs\":null,\"finish_reason\":null}]}");
  to = stream_tail;
  to += put_event(to, CHUNK "{\"index\":0,\"delta\":{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":\"stop\"}]," USAGE);
  to += sprintf(to, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
  stream_tail_length = (size_t)(to - stream_tail);
}

static void heap_place(int index, int fd) {
  heap[index] = fd;
  connections[fd].heap_index = index;
}

static void heap_up(int index, int fd) {
  while (index > 0 && connections[heap[(index - 1) / 2]].due_ns > connections[fd].due_ns) {
    heap_place(index, heap[(index - 1) / 2]);
    index = (index - 1) / 2;
  }
  heap_place(index, fd);
}

static void heap_down(int index, int fd) {
  for (;;) {
    int child = 2 * index + 1;
    if (child >= heap_length) break;
    if (child + 1 < heap_length && connections[heap[child + 1]].due_ns < connections[heap[child]].due_ns) child += 1;
    if (connections[heap[child]].due_ns >= connections[fd].due_ns) break;
    heap_place(index, heap[child]);
    index = child;
  }
  heap_place(index, fd);
}

static void timer_start(int fd) { heap_up(heap_length++, fd); }

static void timer_stop(int fd) {
  int index = connections[fd].heap_index;
  if (index < 0) return;
  connections[fd].heap_index = -1;
  int last = heap[--heap_length];
  if (last == fd) return;
  heap_up(index, last);
  heap_down(connections[last].heap_index, last);
}

static void end_connection(int fd) {
  timer_stop(fd);
  free(connections[fd].bytes);
  memset(&connections[fd], 0, sizeof connections[fd]);
  close(fd);
}

/** Writes all of it: answers are far smaller than a socket's buffer, so a peer that lets it fill up is gone. */
static int send_all(int fd, const char *bytes, size_t length) {
  return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/** Sends what is due of a stream, as one segment: the frames, and the tail after the last one. */
static void send_frames(int fd, const char *head, size_t head_length) {
  static char out[sizeof stream_head + sizeof stream_tail + 64 * 1024];
  struct connection *one = &connections[fd];
  size_t length = head_length;
  memcpy(out, head, head_length);
  do {
    memcpy(out + length, frame, frame_length);
    length += frame_length;
    one->frames_left -= 1;
  } while (one->pace_ns == 0 && one->frames_left > 0 && length + frame_length < 64 * 1024);
  if (one->frames_left <= 0) {
    memcpy(out + length, stream_tail, stream_tail_length);
    length += stream_tail_length;
  }
  if (!send_all(fd, out, length)) return end_connection(fd);
  if (one->frames_left <= 0) return;
  one->due_ns = (one->due_ns == 0 ? now_ns() : one->due_ns) + one->pace_ns;
  timer_start(fd);
}

static void answer(int fd, const char *body, size_t length) {
  struct connection *one = &connections[fd];
  size_t looked_at = length < 2048 ? length : 2048;
  const char *order = memmem(body, looked_at, "{{stream ", 9);
  if (order == NULL) {
    if (!send_all(fd, unary, unary_length)) end_connection(fd);
    return;
  }
  long pace_us = 0;
  sscanf(order, "{{stream %d %ld}}", &one->frames_left, &pace_us);
  if (one->frames_left < 1 || one->frames_left > FRAMES_MAX) one->frames_left = 1;
  one->pace_ns = pace_us * 1000;
  one->due_ns = 0;
  send_frames(fd, stream_head, stream_head_length);
}

/** Length of the body that the head announces. */
static size_t body_length(char *head, size_t length) {
  char *at = head, *end = head + length;
  while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
    at += 1;
    if (end - at > 15 && strncasecmp(at, "content-length:", 15) == 0) return strtoul(at + 15, NULL, 10);
  }
  return 0;
}

static void read_request(int fd) {
  struct connection *one = &connections[fd];
  if (one->capacity - one->length < 65536) {
    one->capacity += 131072;
    one->bytes = realloc(one->bytes, one->capacity);
    if (one->bytes == NULL) fail("realloc");
  }
  ssize_t got = recv(fd, one->bytes + one->length, one->capacity - one->length - 1, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return end_connection(fd);
  one->length += (size_t)got;
  char *head_end = memmem(one->bytes, one->length, "\r\n\r\n", 4);
  if (head_end == NULL) {
    if (one->length > 65536) end_connection(fd);
    return;
  }
  size_t head = (size_t)(head_end - one->bytes) + 4;
  size_t whole = head + body_length(one->bytes, head);
  if (whole > REQUEST_BYTES_MAX) return end_connection(fd);
  if (one->length < whole) return;
  one->bytes[one->length] = '\0';
  one->length = 0; // no pipelining: nothing follows a request before its answer
  answer(fd, one->bytes + head, whole - head);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    if (fd >= CONNECTIONS_MAX) {
      close(fd);
      continue;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[fd].heap_index = -1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
  }
}

static void send_due(void) {
  int64_t now = now_ns();
  while (heap_length > 0 && connections[heap[0]].due_ns <= now) {
    int fd = heap[0];
    timer_stop(fd);
    send_frames(fd, NULL, 0);
  }
}

static void arm_timer(void) {
  static int64_t armed_ns;
  int64_t due = heap_length == 0 ? 0 : connections[heap[0]].due_ns;
  if (due == armed_ns) return;
  armed_ns = due;
  struct itimerspec when = {.it_value = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000}};
  timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

int main(void) {
  make_answers();
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(listener, 4096) < 0) fail("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  poll_fd = epoll_create1(0);
  timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
  event.data.fd = timer_fd;
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer_fd, &event);
  for (;;) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(poll_fd, events, EVENTS_MAX, -1);
    for (int index = 0; index < count; index += 1) {
      int fd = events[index].data.fd;
      if (fd == listener) accept_all(listener);
      else if (fd == timer_fd) {
        uint64_t expirations;
        if (read(timer_fd, &expirations, sizeof expirations) < 0) continue;
      } else read_request(fd);
    }
    send_due();
    arm_timer();
  }
}

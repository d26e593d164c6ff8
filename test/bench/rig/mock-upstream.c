// The upstream of every arm: an HTTP/1.1 server that answers chat completions in the providers' dialects from fixed bytes,
// for about 5 µs of CPU a request. Linux only. One thread, loopback only, at most CONNECTIONS_MAX connections.
//
//   mock-upstream            prints the port that it listens on, then serves until it is killed
//
// What to answer stands in the first bytes of the request's body, as part of the prompt:
//
//   {{unary}}                        a whole answer of about 1 KB, as DeepSeek writes it
//   {{unary KB}}                     the same with a text of so many KB
//   {{stream COUNT PACE}}            COUNT content frames of about 250 bytes, PACE microseconds apart; the first one at once
//   {{stream COUNT PACE DIALECT}}    the same as DIALECT writes it: deepseek, qwen, glm or minimax
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
enum { TEXTS = 8, DIALECTS = 4, OUT_BYTES = 64 * 1024, TEXT_KB_MAX = 4096 };

struct bytes {
  char *at;
  size_t length;
};

struct connection {
  char *bytes;
  size_t length, capacity;
  struct bytes unsent; // what the socket did not take; `sent` bytes of it have gone since
  size_t sent;
  const struct dialect *dialect;
  int frames_left, frames_sent;
  int64_t pace_ns, due_ns;
  int heap_index; // -1: no timer
};

static struct connection connections[CONNECTIONS_MAX];
static int heap[CONNECTIONS_MAX];
static int heap_length;
static int poll_fd, timer_fd;

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
#define USAGE \
  "\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":160,\"total_tokens\":280,\"prompt_tokens_details\":{\"cached_tokens\":64}"

#define DEEPSEEK(object) \
  "{\"id\":\"7b1f0c52-3a0e-4c1d-9d53-5f6f1d2b8c11\",\"object\":\"" object "\",\"created\":1790000000," \
  "\"model\":\"deepseek-chat\",\"system_fingerprint\":\"fp_8802369eaa_prod0820_fp8_kvcache\",\"choices\":[{\"index\":0,"
#define DEEPSEEK_USAGE USAGE ",\"prompt_cache_hit_tokens\":64,\"prompt_cache_miss_tokens\":56}}"
#define QWEN "{\"model\":\"qwen3.7-max\",\"id\":\"chatcmpl-6f0d7c1e-52b8-9e1a-8a34-0c7f5d1b2e90\",\"choices\":["
#define QWEN_TAIL "],\"created\":1790000000,\"object\":\"chat.completion.chunk\","
#define GLM \
  "{\"id\":\"202611270915331f6c2a4d8b5e4e07\",\"created\":1790000000,\"object\":\"chat.completion.chunk\"," \
  "\"model\":\"glm-4-plus\",\"choices\":[{\"index\":0,"
#define MINIMAX "{\"id\":\"07008f3c1d5e4b7a9c2e6f8d0b1a3c5e\",\"choices\":["
#define MINIMAX_TAIL "],\"created\":1790000000,\"model\":\"MiniMax-M2.7\",\"object\":\"chat.completion.chunk\","
#define MINIMAX_NAMES "\"role\":\"assistant\",\"name\":\"MiniMax AI\",\"audio_content\":\"\"}}"
#define MINIMAX_CHECKS \
  "\"usage\":null,\"input_sensitive\":false,\"output_sensitive\":false,\"input_sensitive_type\":0,\"output_sensitive_type\":0," \
  "\"output_sensitive_int\":0}"

/** What tokenizers make of prose: one piece in eight has to be escaped in JSON. */
static const char *const ENGLISH[TEXTS] = {" durable, exactly", " the", " settlement of a", ".\\n\\n", " charge", " once and", " never", " twice"};
static const char *const CHINESE[TEXTS] = {"预付余额", "在", "请求之前", "。\\n\\n", "先行冻结", "，并且", "结算", "一次"};

/** How a provider writes a stream: what comes first, what stands around a text, what comes last. */
struct dialect {
  const char *name, *first, *before, *after, *last[2];
  int says_done;
  const char *const *texts;
  struct bytes opening, frames[TEXTS], closing;
};

static struct dialect dialects[DIALECTS] = {
    {
        .name = "deepseek",
        .first = DEEPSEEK("chat.completion.chunk") "\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}",
        .before = DEEPSEEK("chat.completion.chunk") "\"delta\":{\"content\":\"",
        .after = "\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}",
        .last = {DEEPSEEK("chat.completion.chunk") "\"delta\":{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":\"stop\"}]," DEEPSEEK_USAGE},
        .says_done = 1,
        .texts = ENGLISH,
    },
    {
        .name = "qwen",
        .first = QWEN "{\"delta\":{\"content\":\"\",\"role\":\"assistant\"},\"index\":0,\"finish_reason\":null,\"logprobs\":null}" QWEN_TAIL "\"usage\":null}",
        .before = QWEN "{\"delta\":{\"content\":\"",
        .after = "\",\"reasoning_content\":null,\"role\":null,\"function_call\":null,\"refusal\":null,\"tool_calls\":null},"
                 "\"index\":0,\"finish_reason\":null,\"logprobs\":null}" QWEN_TAIL "\"usage\":null}",
        .last = {QWEN "{\"delta\":{\"content\":\"\"},\"index\":0,\"finish_reason\":\"stop\",\"logprobs\":null}" QWEN_TAIL "\"usage\":null}",
                 QWEN QWEN_TAIL USAGE "}}"},
        .says_done = 1,
        .texts = CHINESE,
    },
    {
        .name = "glm",
        .first = GLM "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
        .before = GLM "\"delta\":{\"role\":\"assistant\",\"content\":\"",
        .after = "\"}}]}",
        .last = {GLM "\"finish_reason\":\"stop\",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]," USAGE "}}"},
        .says_done = 1,
        .texts = CHINESE,
    },
    {
        .name = "minimax",
        .first = MINIMAX "{\"index\":0,\"delta\":{\"content\":\"\"," MINIMAX_NAMES MINIMAX_TAIL MINIMAX_CHECKS,
        .before = MINIMAX "{\"index\":0,\"delta\":{\"content\":\"",
        .after = "\"," MINIMAX_NAMES MINIMAX_TAIL MINIMAX_CHECKS,
        .last = {MINIMAX "{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{\"content\":\".\"," MINIMAX_NAMES MINIMAX_TAIL MINIMAX_CHECKS,
                 MINIMAX MINIMAX_TAIL USAGE "},\"base_resp\":{\"status_code\":0,\"status_msg\":\"\"}}"},
        .texts = ENGLISH,
    },
};

static struct bytes small_answer;

/** Space for bytes that are put together once and kept. */
static char *kept(size_t size) {
  char *bytes = malloc(size);
  if (bytes == NULL) fail("malloc");
  return bytes;
}

/** Appends one HTTP chunk around one server-sent event. */
static void put_event(struct bytes *to, const char *before, const char *text, const char *after) {
  size_t size = strlen(before) + strlen(text) + strlen(after) + 8;
  to->length += (size_t)sprintf(to->at + to->length, "%zx\r\ndata: %s%s%s\n\n\r\n", size, before, text, after);
}

/** A whole answer with a text of about `text_bytes`. */
static struct bytes make_answer(size_t text_bytes) {
  static const char *const before = DEEPSEEK("chat.completion") "\"message\":{\"role\":\"assistant\",\"content\":\"";
  static const char *const after = "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}]," DEEPSEEK_USAGE;
  size_t texts = text_bytes / strlen(TEXT), body = strlen(before) + texts * strlen(TEXT) + strlen(after);
  struct bytes answer = {.at = kept(body + 256)};
  char *to = answer.at;
  to += sprintf(to, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", body, before);
  while (texts-- > 0) to += sprintf(to, "%s", TEXT);
  to += sprintf(to, "%s", after);
  answer.length = (size_t)(to - answer.at);
  return answer;
}

static void make_streams(void) {
  for (struct dialect *one = dialects; one < dialects + DIALECTS; one += 1) {
    one->opening.at = kept(4096);
    one->opening.length = (size_t)sprintf(
        one->opening.at, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n");
    put_event(&one->opening, one->first, "", "");
    for (int index = 0; index < TEXTS; index += 1) {
      one->frames[index].at = kept(2048);
      put_event(&one->frames[index], one->before, one->texts[index], one->after);
    }
    one->closing.at = kept(4096);
    for (int index = 0; index < 2; index += 1)
      if (one->last[index] != NULL) put_event(&one->closing, one->last[index], "", "");
    if (one->says_done) put_event(&one->closing, "[DONE]", "", "");
    one->closing.length += (size_t)sprintf(one->closing.at + one->closing.length, "0\r\n\r\n");
  }
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
  free(connections[fd].unsent.at);
  memset(&connections[fd], 0, sizeof connections[fd]);
  close(fd);
}

static void watch(int fd, uint32_t what) {
  struct epoll_event event = {.events = what, .data.fd = fd};
  epoll_ctl(poll_fd, EPOLL_CTL_MOD, fd, &event);
}

/** Sends what the socket takes and keeps the rest for when it takes more. False if the connection is gone. */
static int send_all(int fd, struct bytes bytes) {
  struct connection *one = &connections[fd];
  ssize_t put = send(fd, bytes.at, bytes.length, MSG_NOSIGNAL);
  if (put < 0 && errno != EAGAIN) return 0;
  size_t sent = put < 0 ? 0 : (size_t)put;
  if (sent == bytes.length) return 1;
  one->unsent = (struct bytes){.at = kept(bytes.length - sent), .length = bytes.length - sent};
  one->sent = 0;
  memcpy(one->unsent.at, bytes.at + sent, one->unsent.length);
  watch(fd, EPOLLIN | EPOLLOUT);
  return 1;
}

/** Has the next frames of a stream sent after its pace. */
static void send_later(int fd) {
  struct connection *one = &connections[fd];
  one->due_ns = (one->due_ns == 0 ? now_ns() : one->due_ns) + one->pace_ns;
  timer_start(fd);
}

/** The socket takes more of what it did not take before. */
static void send_unsent(int fd) {
  struct connection *one = &connections[fd];
  ssize_t put = send(fd, one->unsent.at + one->sent, one->unsent.length - one->sent, MSG_NOSIGNAL);
  if (put < 0 && errno == EAGAIN) return;
  if (put < 0) return end_connection(fd);
  one->sent += (size_t)put;
  if (one->sent < one->unsent.length) return;
  free(one->unsent.at);
  one->unsent.at = NULL;
  watch(fd, EPOLLIN);
  if (one->frames_left > 0) send_later(fd);
}

/** Sends what is due of a stream, as one segment: its frames, before the first one the opening, after the last one the end. */
static void send_frames(int fd) {
  static char out[OUT_BYTES + 8192];
  struct connection *one = &connections[fd];
  struct bytes segment = {.at = out};
  if (one->frames_sent == 0) {
    memcpy(out, one->dialect->opening.at, one->dialect->opening.length);
    segment.length = one->dialect->opening.length;
  }
  do {
    const struct bytes *frame = &one->dialect->frames[one->frames_sent % TEXTS];
    memcpy(out + segment.length, frame->at, frame->length);
    segment.length += frame->length;
    one->frames_sent += 1;
    one->frames_left -= 1;
  } while (one->pace_ns == 0 && one->frames_left > 0 && segment.length < OUT_BYTES);
  if (one->frames_left <= 0) {
    memcpy(out + segment.length, one->dialect->closing.at, one->dialect->closing.length);
    segment.length += one->dialect->closing.length;
  }
  if (!send_all(fd, segment)) return end_connection(fd);
  if (one->frames_left > 0 && one->unsent.at == NULL) send_later(fd);
}

static void answer_unary(int fd, long kilobytes) {
  static struct bytes large;
  static long large_kilobytes;
  if (kilobytes > 0 && kilobytes != large_kilobytes) {
    free(large.at);
    large_kilobytes = kilobytes < TEXT_KB_MAX ? kilobytes : TEXT_KB_MAX;
    large = make_answer((size_t)large_kilobytes * 1000);
  }
  if (!send_all(fd, kilobytes > 0 ? large : small_answer)) end_connection(fd);
}

static void answer(int fd, const char *body, size_t length) {
  struct connection *one = &connections[fd];
  size_t looked_at = length < 2048 ? length : 2048;
  const char *order = memmem(body, looked_at, "{{", 2);
  long kilobytes = 0, pace_us = 0;
  char name[16] = "";
  if (order == NULL || sscanf(order, "{{stream %d %ld %15[a-z]", &one->frames_left, &pace_us, name) < 2) {
    if (order != NULL) sscanf(order, "{{unary %ld", &kilobytes);
    return answer_unary(fd, kilobytes);
  }
  one->dialect = dialects;
  for (int index = 0; index < DIALECTS; index += 1)
    if (strcmp(name, dialects[index].name) == 0) one->dialect = &dialects[index];
  if (one->frames_left < 1 || one->frames_left > FRAMES_MAX) one->frames_left = 1;
  one->frames_sent = 0;
  one->pace_ns = pace_us * 1000;
  one->due_ns = 0;
  send_frames(fd);
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
    send_frames(fd);
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
  small_answer = make_answer(550);
  make_streams();
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
      } else if (events[index].events & EPOLLOUT) send_unsent(fd);
      else read_request(fd);
    }
    send_due();
    arm_timer();
  }
}

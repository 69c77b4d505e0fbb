/* An NCCL that records what it is called with and fails, blocks or takes its time as the test says. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { char internal[128]; } ncclUniqueId;
typedef struct { atomic_int state, abortSeen, freed; } Comm;
typedef Comm *ncclComm_t;
enum { Success = 0, InvalidArgument = 4, InProgress = 7 };

/* Dials: -1 polls means for ever. */
static atomic_int dial_version, dial_id_result, dial_init_result, dial_init_polls, dial_init_null, dial_async_result;
static atomic_int dial_broadcast_result, dial_broadcast_polls, dial_broadcast_blocks, dial_finalize_polls;
static atomic_int dial_finalize_result, dial_abort_result, dial_abort_blocks, dial_destroy_result;
static atomic_int polls_left, inside, used_after_free;

static char calls[1 << 16];
static atomic_int calls_length;
static unsigned char seen_id[128], seen_config[64];
static char last_error[1024];

static struct { const char *name; atomic_int *dial; } dials[] = {
  {"version", &dial_version}, {"id_result", &dial_id_result}, {"init_result", &dial_init_result},
  {"init_polls", &dial_init_polls}, {"init_null", &dial_init_null}, {"async_result", &dial_async_result},
  {"broadcast_result", &dial_broadcast_result}, {"broadcast_polls", &dial_broadcast_polls},
  {"broadcast_blocks", &dial_broadcast_blocks}, {"finalize_polls", &dial_finalize_polls},
  {"finalize_result", &dial_finalize_result}, {"abort_result", &dial_abort_result},
  {"abort_blocks", &dial_abort_blocks}, {"destroy_result", &dial_destroy_result},
  {"inside", &inside}, {"used_after_free", &used_after_free},
};
enum { DIALS = sizeof dials / sizeof *dials };

void fake_set(const char *name, int value) {
  for (int i = 0; i < DIALS; i++) if (!strcmp(name, dials[i].name)) { *dials[i].dial = value; return; }
  abort();
}
int fake_get(const char *name) {
  for (int i = 0; i < DIALS; i++) if (!strcmp(name, dials[i].name)) return *dials[i].dial;
  abort();
}
void fake_reset(void) {
  for (int i = 0; i < DIALS; i++) *dials[i].dial = 0;
  dial_version = 22803;
  polls_left = 0;
  calls_length = 0;
  memset(calls, 0, sizeof calls);
  memset(seen_id, 0, sizeof seen_id);
  memset(seen_config, 0, sizeof seen_config);
  memset(last_error, 0, sizeof last_error);
}
void fake_last_error(const char *text) { strncpy(last_error, text, sizeof last_error - 1); }
const char *fake_calls(void) { return calls; }
const unsigned char *fake_seen_id(void) { return seen_id; }
const unsigned char *fake_seen_config(void) { return seen_config; }

static void record(const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  int at = atomic_fetch_add(&calls_length, n);
  if (at + n < (int) sizeof calls) memcpy(calls + at, line, n);
}
static int alive(ncclComm_t comm) {
  if (comm->freed) { used_after_free++; return 0; }
  return 1;
}
static int start(ncclComm_t comm, int polls, int result) {
  if (polls == 0) return result;
  polls_left = polls;
  comm->state = InProgress;
  return InProgress;
}

int ncclGetVersion(int *version) { *version = dial_version; return Success; }
int ncclGetUniqueId(ncclUniqueId *id) {
  for (int i = 0; i < 128; i++) id->internal[i] = (char) (255 - i);
  return dial_id_result;
}
int ncclCommInitRankConfig(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, void *config) {
  memcpy(seen_id, id.internal, 128);
  memcpy(seen_config, config, *(size_t *) config < 64 ? *(size_t *) config : 64);
  record("init(%d,%d);", ranks, rank);
  if (dial_init_null) return dial_init_result;
  *comm = calloc(1, sizeof(Comm)); /* never freed, so that uses after the end are seen */
  if (dial_init_result) return (*comm)->state = dial_init_result;
  return start(*comm, dial_init_polls, Success);
}
int ncclCommGetAsyncError(ncclComm_t comm, int *state) {
  if (!alive(comm)) return InvalidArgument;
  if (comm->state == InProgress && polls_left > 0 && --polls_left == 0) comm->state = Success;
  *state = dial_async_result ? dial_async_result : comm->state;
  return Success;
}
int ncclBroadcast(const void *from, void *to, size_t count, int type, int root, ncclComm_t comm, void *stream) {
  if (!alive(comm)) return InvalidArgument;
  record("broadcast(%zx,%zx,%zu,%d,%d,%zx);", (size_t) from, (size_t) to, count, type, root, (size_t) stream);
  inside++;
  while (dial_broadcast_blocks && !comm->abortSeen) usleep(1000);
  inside--;
  if (dial_broadcast_result) return dial_broadcast_result;
  return start(comm, dial_broadcast_polls, Success);
}
int ncclGroupStart(void) { record("start;"); return Success; }
int ncclGroupEnd(void) { record("end;"); return Success; }
int ncclCommFinalize(ncclComm_t comm) {
  if (!alive(comm)) return InvalidArgument;
  record("finalize;");
  if (dial_finalize_result) return dial_finalize_result;
  return start(comm, dial_finalize_polls, Success);
}
int ncclCommDestroy(ncclComm_t comm) {
  if (!alive(comm)) return InvalidArgument;
  record("destroy;");
  comm->freed = 1;
  return dial_destroy_result;
}
int ncclCommAbort(ncclComm_t comm) {
  if (!alive(comm)) return InvalidArgument;
  record("abort;");
  comm->abortSeen = 1;
  while (dial_abort_blocks) usleep(1000);
  comm->freed = 1;
  return dial_abort_result;
}
const char *ncclGetErrorString(int result) {
  static const char *names[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error",
    "invalid argument", "invalid usage", "remote process exited or there was a network error", "NCCL operation in progress"};
  return result >= 0 && result < 8 ? names[result] : "unknown result code";
}
const char *ncclGetLastError(ncclComm_t comm) { return comm ? "a communicator was passed" : last_error; }

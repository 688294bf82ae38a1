// A server that keeps LEAK_BYTES a request in the way that LEAK names, on 127.0.0.1:PORT; 0 is any free port, and the
// address is printed. LEAK=none does the same work, and keeps nothing. One thread serves one connection at a time to each.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace store {

std::mutex mutex;
std::vector<std::string> history;
std::vector<std::function<size_t()>> listeners;
std::list<std::vector<char>> buckets;

// Cache evicts nothing.
template <typename Key>
class Cache {
 public:
  void put(const Key &key, size_t size) {
    values_[key] = std::make_unique<char[]>(size);
  }
  void clear() { values_.clear(); }

 private:
  std::unordered_map<Key, std::unique_ptr<char[]>> values_;
};

Cache<int> cache;

// The compiler puts it into its caller, so that it is in DWARF alone.
static inline __attribute__((always_inline)) std::string line_of(size_t size) {
  return std::string(size, 'x');  // static collection
}

__attribute__((noinline)) void remember(int, size_t size) { history.push_back(line_of(size)); }

__attribute__((noinline)) void subscribe(int number, size_t size) {
  std::shared_ptr<char[]> buffer(new char[size]);  // closure
  listeners.push_back([buffer, number] { return size_t(number) + buffer[0]; });
}

__attribute__((noinline)) void fill(int number, size_t size) {
  cache.put(number, size);
}

__attribute__((noinline)) void *native_buffer(size_t size) {
  void *buffer = malloc(size);  // native buffer
  memset(buffer, 1, size);
  return buffer;
}

void *volatile last;
void forget(int, size_t size) { last = native_buffer(size); }

void nothing(int number, size_t size) {
  remember(number, size);
  history.pop_back();
  subscribe(number, size);
  listeners.pop_back();
  fill(number, size);
  cache.clear();
  free(native_buffer(size));
}

}  // namespace store

static void (*chosen)(int, size_t);
static size_t size = 1 << 10;

// serve answers requests of one connection until it is closed.
static void serve(int connection) {
  static int number;
  char request[4096];
  const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  while (read(connection, request, sizeof request) > 0) {
    {
      std::lock_guard<std::mutex> lock(store::mutex);
      chosen(number++, size);
    }
    if (write(connection, response, sizeof response - 1) < 0) break;
  }
  close(connection);
}

int main() {
  const std::unordered_map<std::string, void (*)(int, size_t)> leaks = {{"vector", store::remember},
                                                                        {"closure", store::subscribe},
                                                                        {"cache", store::fill},
                                                                        {"buffer", store::forget},
                                                                        {"none", store::nothing}};
  const char *leak = getenv("LEAK");
  if (!leak || !leaks.count(leak)) {
    fprintf(stderr, "LEAK: expected vector, closure, cache, buffer or none\n");
    return 2;
  }
  chosen = leaks.at(leak);
  if (const char *bytes = getenv("LEAK_BYTES")) size = strtoul(bytes, nullptr, 10);
  store::history.reserve(1 << 17);
  store::listeners.reserve(1 << 17);
  const char *port = getenv("PORT");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port ? atoi(port) : 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, reinterpret_cast<sockaddr *>(&address), length) || listen(listener, 64) ||
      getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length)) {
    perror("PORT");
    return 1;
  }
  printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (int connection; (connection = accept(listener, nullptr, nullptr)) >= 0;) std::thread(serve, connection).detach();
}

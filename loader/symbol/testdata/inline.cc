// Functions that the compiler puts into others, templates, a lambda, and namespaces without a name.
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace {
struct Hidden {
  std::vector<int> values;
  inline __attribute__((always_inline)) int take(int n) {
    values.push_back(n);
    return int(values.size());
  }
};
}  // namespace

namespace outer::inner {
template <typename T>
struct Box {
  std::map<std::string, T> all;
  T &put(const std::string &key, T value) { return all[key] = value; }
};

static inline __attribute__((always_inline)) int twice(int n) { return n * printf("%d\n", n); }

__attribute__((noinline)) int work(int n) {
  Hidden hidden;
  Box<int> box;
  box.put(std::to_string(n), twice(n));
  std::vector<int> sorted{3, n, 1};
  std::sort(sorted.begin(), sorted.end(), [](int a, int b) { return twice(a) < b; });
  return hidden.take(n) + sorted[0];
}
}  // namespace outer::inner

extern "C" __attribute__((noinline)) int plain_c(int n) { return outer::inner::work(n) + 1; }

int main(int count, char **) { return plain_c(count); }

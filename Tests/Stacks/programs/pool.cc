#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <unistd.h>
namespace db {
template <typename T> struct Pool {
  std::mutex m; std::condition_variable c; std::vector<T> free_;
  __attribute__((noinline)) T checkout(const std::string &why) {
    std::unique_lock<std::mutex> l(m);
    c.wait(l, [&] { return !free_.empty(); });
    return free_.back();
  }
};
static inline __attribute__((always_inline)) int through(Pool<int> &p) { return p.checkout("x"); }
__attribute__((noinline)) int serve(Pool<int> &p) { int r = through(p); asm volatile("" ::: "memory"); return r + 1; }
}
int main() {
  db::Pool<int> p;
  std::vector<std::thread> t;
  for (int i = 0; i < 5; i++) t.emplace_back([&] { db::serve(p); });
  int fds[2]; pipe(fds); char b;
  t.emplace_back([&] { (void)!read(fds[0], &b, 1); });
  for (auto &x : t) x.join();
}

// An HTTP server of four threads, each of which replaces blocks of many sizes in a pool, and keeps 48 bytes of each
// request if KEEP=1.
//
// glibc's malloc takes 64 bytes for them: 8 for their size, in multiples of 16. tcmalloc takes 48. The pool holds the same
// number of bytes at any time. Its blocks take multiples of 64 bytes, so that no chunk of glibc's is left with a rest that
// is too small to be split off.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

struct Kept {
	Kept* next;
	char bytes[40];
};
static_assert(sizeof(Kept) == 48, "what a request keeps");

static std::atomic<Kept*> kept{nullptr};
static bool keep;

struct Block {
	char* bytes = nullptr;
	size_t size = 0;

	void take() {
		bytes = new char[size];
		memset(bytes, 1, size);
	}
};

// request frees two blocks of the pool and takes two of the same sizes, each in the place of the other, four times.
static void request(std::vector<Block>& pool, std::minstd_rand& random) {
	for (int n = 0; n < 4; n++) {
		Block &one = pool[random() % pool.size()], &other = pool[random() % pool.size()];
		if (&one == &other) continue;
		delete[] one.bytes;
		delete[] other.bytes;
		std::swap(one.size, other.size);
		one.take();
		other.take();
	}
	if (keep) {
		Kept* added = new Kept();
		added->next = kept.exchange(added);
	}
}

static void serve(int port) {
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 1000) != 0) exit(1);
	int poll = epoll_create1(0);
	auto watch = [poll](int socket) {
		epoll_event event{};
		event.events = EPOLLIN;
		event.data.fd = socket;
		epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
	};
	watch(listener);
	const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
	std::unordered_map<int, std::string> rest;
	std::vector<Block> pool(256);
	for (size_t n = 0; n < pool.size(); n++) {
		pool[n].size = 64 * (1 + n % 64) - 8;
		pool[n].take();
	}
	std::minstd_rand random(1);
	char buffer[4096];
	for (;;) {
		epoll_event event;
		if (epoll_wait(poll, &event, 1, -1) != 1) continue;
		int socket = event.data.fd;
		if (socket == listener) {
			int accepted = accept(listener, nullptr, nullptr);
			if (accepted >= 0) watch(accepted);
			continue;
		}
		ssize_t got = read(socket, buffer, sizeof buffer);
		if (got <= 0) {
			close(socket);
			rest.erase(socket);
			continue;
		}
		std::string& text = rest[socket];
		text.append(buffer, got);
		for (size_t end; (end = text.find("\r\n\r\n")) != std::string::npos;) {
			text.erase(0, end + 4);
			request(pool, random);
			if (write(socket, response, sizeof response - 1) < 0) break;
		}
	}
}

int main() {
	keep = getenv("KEEP") && strcmp(getenv("KEEP"), "1") == 0;
	const char* port = getenv("PORT");
	if (!port) return 2;
	std::vector<std::thread> threads;
	for (int n = 0; n < 4; n++) threads.emplace_back(serve, atoi(port));
	for (auto& thread : threads) thread.join();
}

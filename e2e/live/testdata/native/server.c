/* An HTTP server with a thread for each connection. In each request it takes memory and frees it, then keeps KEEP bytes of
   malloc, and MAP bytes of a mapping that malloc knows nothing of. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned long keep, map;

static unsigned long setting(const char *name) {
	const char *value = getenv(name);
	return value ? strtoul(value, NULL, 10) : 0;
}

static void request(void) {
	void *garbage[100];
	for (int i = 0; i < 100; i++)
		memset(garbage[i] = malloc(10 * i + 1), 1, 10 * i + 1);
	for (int i = 0; i < 100; i++)
		free(garbage[i]);
	if (keep)
		memset(malloc(keep), 1, keep);
	if (map)
		memset(mmap(NULL, map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, map);
}

static void *serve(void *connection) {
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	int socket = (int)(long)connection;
	char head[8192];
	size_t length = 0;
	for (;;) {
		ssize_t n = read(socket, head + length, sizeof head - 1 - length);
		if (n <= 0)
			break;
		length += n;
		head[length] = 0;
		if (!strstr(head, "\r\n\r\n"))
			continue;
		length = 0;
		request();
		if (write(socket, answer, sizeof answer - 1) < 0)
			break;
	}
	close(socket);
	return NULL;
}

int main(void) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(setting("PORT"))};
	int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	keep = setting("KEEP");
	map = setting("MAP");
	inet_aton("127.0.0.1", &address.sin_addr);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) {
		perror("listen");
		return 1;
	}
	for (;;) {
		pthread_t thread;
		int connection = accept(listener, NULL, NULL);
		if (connection >= 0 && !pthread_create(&thread, NULL, serve, (void *)(long)connection))
			pthread_detach(thread);
	}
}

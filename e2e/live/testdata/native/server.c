/* An HTTP server with a thread for each connection. In each request it takes memory and frees it, then keeps KEEP bytes of
   malloc, MAP bytes of a mapping that malloc knows nothing of, and UPLOAD bytes of a file: the one named UPLOAD_TO, which
   is unlinked, or else one of memfd_create. With MAIN_ENDS=1 the main thread ends at once, and others serve; with
   MAIN_ENDS=2 none listens. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned long keep, map, upload;
static off_t uploaded; /* writes at the position of a memfd are not told apart: some of several at a time are lost */
static int uploads, listener;

static unsigned long setting(const char *name) {
	const char *value = getenv(name);
	return value ? strtoul(value, NULL, 10) : 0;
}

static void request(void) {
	static const char block[4096];
	void *garbage[100];
	for (int i = 0; i < 100; i++)
		memset(garbage[i] = malloc(10 * i + 1), 1, 10 * i + 1);
	for (int i = 0; i < 100; i++)
		free(garbage[i]);
	if (keep)
		memset(malloc(keep), 1, keep);
	if (map)
		memset(mmap(NULL, map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, map);
	for (unsigned long n = 0; n < upload; n += sizeof block)
		if (pwrite(uploads, block, sizeof block, __atomic_fetch_add(&uploaded, sizeof block, __ATOMIC_RELAXED)) != sizeof block)
			perror("upload");
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

static void *await_connections(void *ignored) {
	for (;;) {
		pthread_t thread;
		int connection = accept(listener, NULL, NULL);
		if (connection >= 0 && !pthread_create(&thread, NULL, serve, (void *)(long)connection))
			pthread_detach(thread);
	}
	return ignored;
}

static void *await_end(void *ignored) {
	pause();
	return ignored;
}

static void open_uploads(void) {
	const char *path = getenv("UPLOAD_TO");
	uploads = path ? open(path, O_CREAT | O_EXCL | O_RDWR, 0600) : memfd_create("uploads", 0);
	if (uploads < 0 || (path && unlink(path))) {
		perror("UPLOAD_TO");
		exit(1);
	}
}

int main(void) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(setting("PORT"))};
	pthread_t thread;
	int yes = 1;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	keep = setting("KEEP");
	map = setting("MAP");
	if ((upload = setting("UPLOAD")))
		open_uploads();
	if (setting("MAIN_ENDS") == 2 && !pthread_create(&thread, NULL, await_end, NULL))
		pthread_exit(NULL);
	inet_aton("127.0.0.1", &address.sin_addr);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) {
		perror("listen");
		return 1;
	}
	if (setting("MAIN_ENDS") && !pthread_create(&thread, NULL, await_connections, NULL))
		pthread_exit(NULL);
	await_connections(NULL);
}

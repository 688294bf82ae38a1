/* Keeps memory as it is told on its standard input, and answers each line with "ok". */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void *hammer(void *seed) {
	unsigned state = (unsigned)(unsigned long)seed;
	void *blocks[64] = {0};
	for (;;) {
		int i = rand_r(&state) % 64;
		free(blocks[i]);
		blocks[i] = malloc(rand_r(&state) % 5000 + 1);
	}
	return NULL;
}

static void *keep(void *size) { /* in an arena of another thread */
	for (int i = 0; i < 1000; i++)
		memset(malloc((unsigned long)size), 1, (unsigned long)size);
	return NULL;
}

/* Each child keeps 1,000 blocks more than the one before, and ends with its parent. */
static void fork_children(unsigned long count, unsigned long size) {
	int ready[2];
	char byte = 0;
	if (pipe(ready) != 0)
		return;
	for (unsigned long child = 1; child <= count; child++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (unsigned long i = 0; i < 1000 * child; i++)
				memset(malloc(size), 1, size);
			for (byte = write(ready[1], &byte, 1);; pause())
				;
		}
		if (read(ready[0], &byte, 1) != 1)
			return;
	}
}

int main(void) {
	char line[128];
	unsigned long count, size;
	setvbuf(stdout, NULL, _IONBF, 0);
	puts("ok");
	while (fgets(line, sizeof line, stdin)) {
		pthread_t thread;
		if (sscanf(line, "keep %lu %lu", &count, &size) == 2)
			for (unsigned long i = 0; i < count; i++)
				memset(malloc(size), 1, size);
		if (sscanf(line, "thread %lu", &size) == 1) {
			pthread_create(&thread, NULL, keep, (void *)size);
			pthread_join(thread, NULL);
		}
		if (sscanf(line, "churn %lu %lu", &count, &size) == 2) {
			void **blocks = malloc(count * sizeof *blocks);
			for (unsigned long i = 0; i < count; i++)
				memset(blocks[i] = malloc(size), 1, size);
			for (unsigned long i = 0; i < count; i++)
				free(blocks[i]);
			free(blocks);
		}
		if (sscanf(line, "hammer %lu", &count) == 1)
			for (unsigned long i = 0; i < count; i++)
				pthread_create(&thread, NULL, hammer, (void *)(i + 1));
		if (sscanf(line, "fork %lu %lu", &count, &size) == 2)
			fork_children(count, size);
		puts("ok");
	}
	return 0;
}

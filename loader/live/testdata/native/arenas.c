/* A thread keeps blocks in an arena beside the first one. Each line on standard input has it free most of those that it
 * still keeps; the answer is what mallinfo2 tells: the size of all arenas, and what is free in them, in bytes. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 10000, SIZE = 10000 };

static char *kept[BLOCKS];
static pthread_barrier_t turn;

static void *keep(void *unused) {
	for (int i = 0; i < BLOCKS; i++)
		kept[i] = memset(malloc(SIZE), 1, SIZE);
	pthread_barrier_wait(&turn);
	for (int stay = 3;; stay *= 10) { /* the last blocks first, so that the arena shrinks as well */
		pthread_barrier_wait(&turn);
		for (int i = BLOCKS - 1; i >= 0; i--)
			if (i % stay != 0 || i > BLOCKS / stay * 2) {
				free(kept[i]);
				kept[i] = NULL;
			}
		pthread_barrier_wait(&turn);
	}
	return unused;
}

int main(void) {
	char line[16];
	pthread_t thread;
	setvbuf(stdout, NULL, _IONBF, 0);
	pthread_barrier_init(&turn, NULL, 2);
	pthread_create(&thread, NULL, keep, NULL);
	pthread_barrier_wait(&turn);
	for (;;) {
		struct mallinfo2 info = mallinfo2();
		printf("%zu %zu\n", info.arena, info.fordblks);
		if (!fgets(line, sizeof line, stdin))
			return 0;
		pthread_barrier_wait(&turn);
		pthread_barrier_wait(&turn);
	}
}

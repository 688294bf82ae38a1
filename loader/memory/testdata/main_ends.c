/* A program whose main thread ends. Another takes 20 MiB then, prints a line, and waits for the end of the input. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_t first;
char *memory; // that the compiler cannot leave out

static void *other(void *ignored) {
	static char line[16];
	pthread_join(first, NULL);
	memory = memset(malloc(20 << 20), 1, 20 << 20);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin))
		;
	exit(0);
	return ignored;
}

int main(void) {
	pthread_t thread;
	first = pthread_self();
	if (pthread_create(&thread, NULL, other, NULL))
		return 1;
	pthread_exit(NULL);
}

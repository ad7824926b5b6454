/*
 * replay_main.c - runs a fuzz target over stored inputs, without a fuzzer: each file named, and
 * each file in each folder named.  Suite fuzz-replay.  With -Dfuzzers=true the target is built with
 * libFuzzer instead.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count;

static int
run_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	/* of exactly the right size, so that one byte past the end is seen */
	uint8_t *data = malloc(size == 0 ? 1 : size);
	int status = 1;
	if (f != NULL && data != NULL && fread(data, 1, size, f) == size) {
		(void)LLVMFuzzerTestOneInput(data, size);
		count++;
		status = 0;
	}
	if (status != 0)
		fprintf(stderr, "cannot read %s\n", path);
	if (f != NULL)
		(void)fclose(f);
	free(data);
	return status;
}

static int
run_path(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0) {
		perror(path);
		return 1;
	}
	if (!S_ISDIR(st.st_mode))
		return run_file(path, (size_t)st.st_size);
	DIR *d = opendir(path);
	if (d == NULL) {
		perror(path);
		return 1;
	}
	int status = 0;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		char inner[4096];
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
		status |= run_path(inner);
	}
	(void)closedir(d);
	return status;
}

int
main(int argc, char **argv)
{
	int status = 0;
	for (int i = 1; i < argc; i++)
		status |= run_path(argv[i]);
	printf("%zu inputs\n", count);
	return status != 0 || count == 0;
}

/* The cases of transparency-dev/merkle, from the folder of foreign vectors (not in this tree). */
#include "tests/lib/test.h"

#include <dirent.h>
#include <jansson.h>

#include "audit/base64.h"
#include "proto/merkle.h"

static const char *
folder(void)
{
	static char path[1024];
	const char *root = getenv("RELTO_VECTORS");
	(void)snprintf(path, sizeof(path), "%s/merkle", root != NULL ? root : SHARED_VECTORS);
	return path;
}

/* A base64 text into 'out'; false if it is not 32 bytes. */
static bool
hash_of(const json_t *text, uint8_t out[32])
{
	uint8_t data[256];
	size_t len;
	struct bytes in = bytes_of(json_string_value(text));
	if (in.len > 300 || !base64_read(in, data, &len) || len != 32)
		return false;
	memcpy(out, data, 32);
	return true;
}

/* Sizes are 64 bits wide, which the JSON reader takes as reals only; each is small or the largest.
 */
static uint64_t
number_of(const json_t *v)
{
	double d = json_real_value(v);
	return d >= 0x1p64 ? UINT64_MAX : (uint64_t)d;
}

/* True if the case verifies. */
static bool
case_holds(struct sha256 *h, const json_t *c)
{
	struct merkle_inclusion_claim in = { 0 };
	struct merkle_consistency_claim co = { 0 };
	static uint8_t proof[64][32];
	const json_t *hashes = json_object_get(c, "proof");
	size_t count = json_array_size(hashes);
	assert_true(count <= 64);
	for (size_t i = 0; i < count; i++)
		if (!hash_of(json_array_get(hashes, i), proof[i]))
			return false;
	if (json_object_get(c, "leafIdx") != NULL) {
		in.index = number_of(json_object_get(c, "leafIdx"));
		in.size = number_of(json_object_get(c, "treeSize"));
		return hash_of(json_object_get(c, "root"), in.root) &&
		       hash_of(json_object_get(c, "leafHash"), in.leaf) &&
		       merkle_check_inclusion(h, &in, (const uint8_t(*)[32])proof, count, NULL);
	}
	co.from = number_of(json_object_get(c, "size1"));
	co.size = number_of(json_object_get(c, "size2"));
	return hash_of(json_object_get(c, "root1"), co.from_root) &&
	       hash_of(json_object_get(c, "root2"), co.root) &&
	       merkle_check_consistency(h, &co, (const uint8_t(*)[32])proof, count, NULL);
}

static unsigned
run_folder(struct sha256 *h, const char *path)
{
	unsigned ran = 0;
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *f; (f = readdir(d)) != NULL;) {
		char name[4096];
		json_error_t why;
		if (strstr(f->d_name, ".json") == NULL)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, f->d_name);
		json_t *c = json_load_file(name, JSON_DECODE_INT_AS_REAL, &why);
		if (c == NULL)
			fail_msg("%s: %s", name, why.text);
		bool want = !json_boolean_value(json_object_get(c, "wantErr"));
		if (case_holds(h, c) != want)
			fail_msg("%s: expected to %s", name, want ? "hold" : "fail");
		json_decref(c);
		ran++;
	}
	closedir(d);
	return ran;
}

static void
every_foreign_case_holds_or_fails_as_it_says(void **state)
{
	struct sha256 h;
	unsigned ran = 0;
	(void)state;
	assert_true(sha256_init(&h, NULL));
	DIR *d = opendir(folder());
	assert_non_null(d);
	for (struct dirent *f; (f = readdir(d)) != NULL;) {
		char path[2048];
		if (strncmp(f->d_name, "inclusion-", 10) != 0 &&
		    strncmp(f->d_name, "consistency-", 12) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder(), f->d_name);
		ran += run_folder(&h, path);
	}
	closedir(d);
	sha256_done(&h);
	print_message("%u cases\n", ran);
	assert_true(ran > 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_foreign_case_holds_or_fails_as_it_says),
	};
	DIR *d = opendir(folder());
	if (d == NULL) {
		(void)fprintf(stderr, "SKIPPED: no foreign vectors in %s\n", folder());
		return getenv("CI") != NULL ? 1 : 77;
	}
	closedir(d);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

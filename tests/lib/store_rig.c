#include "tests/lib/store_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
store_rig_init(struct store_rig *r)
{
	*r = (struct store_rig){ 0 };
	const char *tmp = getenv("TMPDIR");
	(void)snprintf(r->path, sizeof(r->path), "%s/relto-store-XXXXXX", tmp ? tmp : "/tmp");
	if (mkdtemp(r->path) == NULL)
		abort();
	r->config = (struct store_config){
		.path = r->path, .map_bytes = 16u << 20, .views = 4, .generation = 1
	};
}

bool
store_rig_open(struct store_rig *r)
{
	if (!store_open(&r->config, &r->store, &r->e))
		return false;
	arena_init(&r->scratch, 64u << 20);
	arena_init(&r->read, 64u << 20);
	if (!store_view_new(r->store, &r->view, &r->e))
		return false;
	struct store_state st;
	if (!store_read_state(store_rig_look(r), &st, &r->e))
		return false;
	r->fence = st.fence;
	return true;
}

void
store_rig_close(struct store_rig *r)
{
	store_view_free(r->view);
	store_free(r->store);
	r->view = NULL;
	r->store = NULL;
	arena_done(&r->scratch);
	arena_done(&r->read);
}

const char *
store_rig_file(const struct store_rig *r, const char *name)
{
	static char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", r->path, name);
	return path;
}

void
store_rig_done(struct store_rig *r)
{
	store_rig_close(r);
	DIR *d = opendir(r->path);
	if (d == NULL)
		return;
	for (struct dirent *f; (f = readdir(d)) != NULL;)
		if (f->d_name[0] != '.')
			(void)remove(store_rig_file(r, f->d_name));
	(void)closedir(d);
	(void)rmdir(r->path);
}

bool
store_rig_begin(struct store_rig *r)
{
	arena_done(&r->scratch);
	arena_init(&r->scratch, 64u << 20);
	return store_begin(r->store, &r->scratch, &r->e);
}

bool
store_rig_commit(struct store_rig *r)
{
	struct store_state st;
	r->stamp.time_us++;
	if (!store_commit(r->store, &r->fence, &r->stamp, &r->e) ||
	    !store_read_state(store_rig_look(r), &st, &r->e))
		return false;
	r->fence = st.fence;
	return true;
}

bool
store_rig_log(struct store_rig *r, size_t len)
{
	struct store_head h;
	bool found;
	if (!store_read_head(store_batch_view(r->store), STORE_MAIN_TREE, &h, &found, &r->e))
		return false;
	uint8_t *value = arena_zalloc(&r->scratch, 1, len);
	if (value == NULL)
		return err_set(&r->e, ERR_NOMEM, "entry");
	put_u64(value, h.size);
	if (!store_put_entry(r->store, h.size, bytes_from(value, len), &r->e))
		return false;
	h.size++;
	return store_put_head(r->store, &h, &r->e);
}

struct store_view *
store_rig_look(struct store_rig *r)
{
	store_view_close(r->view);
	arena_done(&r->read);
	arena_init(&r->read, 64u << 20);
	if (!store_view_open(r->view, &r->read, &r->e))
		abort();
	return r->view;
}

int
store_rig_setup(void **state)
{
	struct store_rig *r = malloc(sizeof(*r));
	if (r == NULL)
		return -1;
	store_rig_init(r);
	*state = r;
	return store_rig_open(r) ? 0 : -1;
}

int
store_rig_teardown(void **state)
{
	store_rig_done(*state);
	free(*state);
	return 0;
}

#include "tests/unit/daemon/io_rig.h"

#include "proto/frame.h"
#include "tests/lib/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig rig;
static struct pki *pki;
static struct arena reply;
static struct frame_lanes lanes[RIG_PEERS];

/* ---- the hooks ---- */

bool
on_worker_start(struct worker *w, struct err *e)
{
	rig.calls.started++;
	w->trust = rig.trust;
	return rig.start == NULL || rig.start(w, e);
}
void
on_worker_stop(struct worker *w)
{
	w->trust = NULL;
	rig.calls.stopped++;
}
void
on_committed(struct worker *w, struct letter *l)
{
	(void)w, (void)l;
	rig.calls.committed++;
}

void
on_notice(struct worker *w, struct letter *l)
{
	(void)w, (void)l;
	rig.calls.notices++;
}

void
on_rules(struct worker *w, struct letter *l)
{
	(void)l;
	rig.calls.rules++;
	w->trust = rig.trust;
	if (rig.on_rules_rate != 0)
		rig.limits.publish_rate = rig.on_rules_rate;
}

void
on_coming(struct worker *w, struct letter *l)
{
	(void)l;
	w->coming = rig.coming;
}

void
on_left(struct letter *l)
{
	(void)l;
	rig.calls.left++;
}

void
on_stopping(struct worker *w)
{
	(void)w;
}

void
on_tick(struct worker *w)
{
	(void)w;
	rig.calls.ticks++;
}

bool
on_arrived(struct conn *c, struct err *e)
{
	rig.calls.arrived++;
	return rig.arrived == NULL || rig.arrived(c, e);
}

void
on_room(struct conn *c)
{
	rig.calls.room++;
	if (rig.room != NULL)
		rig.room(c);
}

void
on_its_turn(struct conn *c)
{
	rig.calls.its_turn++;
	if (rig.its_turn != NULL)
		rig.its_turn(c);
}

void
on_gone(struct conn *c)
{
	rig.calls.gone++;
	if (rig.gone != NULL)
		rig.gone(c);
}

void
on_party_gone(struct worker *w, struct worker_party *p)
{
	(void)w, (void)p;
	rig.calls.party_gone++;
}

void
on_turned_away(struct conn *c, const struct trust_refusal *why)
{
	(void)c;
	rig.calls.turned_away++;
	rig.calls.fault = why->fault;
}

void
on_refused(struct conn *c, enum err_code code, struct bytes field, struct bytes report)
{
	(void)c;
	assert_null(report.data);
	rig.calls.refused++;
	rig.calls.refused_code = code;
	snprintf(rig.calls.refused_field, sizeof(rig.calls.refused_field), "%.*s", (int)field.len,
	    field.data == NULL ? "" : (const char *)field.data);
}

static bool
pong(struct conn *c, const struct msg *m, struct err *e)
{
	const struct msg answer = { .request = m->request, .type = MSG_PONG };
	return m->request == 0 || conn_send(c, CONN_ANSWER_LANE, &answer, e);
}

bool
on_hello(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	(void)request;
	rig.calls.hello++;
	rig.calls.last_type = m->type;
	c->version = rig.version != 0 ? rig.version : MSG_VERSION_MOST;
	conn_ready(c);
	return pong(c, m, e);
}

bool
rig_request(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	rig.calls.other++;
	rig.calls.last_type = m->type;
	if (rig.on_request != NULL)
		return rig.on_request(c, m, a, e);
	return pong(c, m, e);
}

/* ---- up and down ---- */

static uint64_t
mono_ms(void *arg)
{
	(void)arg;
	return rig.now_ms;
}

static uint64_t
mono_us(void *arg)
{
	(void)arg;
	rig.us += rig.tick_us;
	return atomic_load(&rig.now_ms) * 1000 + atomic_load(&rig.us);
}

static int64_t
wall_s(void *arg)
{
	(void)arg;
	return rig.wall_s;
}

struct trust *
rig_trust(const char *without_party)
{
	static const char *const names[] = { "HUB", "GBR", "NOR" };
	static const char *const domains[] = { "hub.example", "gbr.example", "nor.example" };
	const struct trust_agent_setup desk = { bytes_of("/desk"), 3 };
	struct trust_party_setup parties[3] = { 0 };
	for (size_t i = 0; i < 3; i++) {
		bool out = without_party != NULL && strcmp(names[i], without_party) == 0;
		parties[i] = (struct trust_party_setup){
			.name = bytes_of(names[i]),
			.domain = bytes_of(domains[i]),
			.bundle = pki_ca_pem(pki, names[i]),
			.agents = &desk,
			.agent_count = out ? 0 : 1,
		};
	}
	const struct trust_setup setup = {
		.parties = parties,
		.party_count = 3,
		.hub = bytes_of("HUB"),
		.certificate = pki_cert_pem(pki, "hub"),
		.key = pki_key_pem(pki, "hub"),
		.crl_max_age_s = 86400,
		.now = wall_s,
	};
	struct trust *t = NULL;
	struct err e = { 0 };
	if (!trust_new(&setup, &t, &e))
		fail_msg("trust: %s", e.text);
	return t;
}

static void
make_pki(void)
{
	pki = pki_new();
	pki_ca(pki, "HUB");
	pki_ca(pki, "GBR");
	pki_ca(pki, "NOR");
	pki_ca(pki, "FOE");
	pki_leaf(pki, "hub", "HUB", "spiffe://hub.example/broker", PKI_SERVER);
	pki_leaf(pki, "c-HUB", "HUB", "spiffe://hub.example/desk", PKI_CLIENT);
	pki_leaf(pki, "c-GBR", "GBR", "spiffe://gbr.example/desk", PKI_CLIENT);
	pki_leaf(pki, "c-NOR", "NOR", "spiffe://nor.example/desk", PKI_CLIENT);
	pki_leaf(pki, "c-FOE", "FOE", "spiffe://nor.example/desk", PKI_CLIENT);
}

int
rig_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	static struct trust *usual; /* immutable, and dear to make */
	if (pki == NULL)
		make_pki();
	rig = (struct rig){ .limits = io_limits_default(), .now_ms = 1000000 };
	rig.wall_s = time(NULL);
	if (usual == NULL)
		usual = rig_trust(NULL);
	rig.trust = trust_ref(usual);
	for (unsigned i = 0; i < RIG_WORKERS; i++) {
		struct err e = { 0 };
		const struct worker_setup setup = {
			.index = i,
			.count = RIG_WORKERS,
			.all = rig.worker,
			.limits = &rig.limits,
			.clock = { mono_ms, mono_us, wall_s, NULL },
		};
		if (!worker_new(&setup, &rig.worker[i], &e))
			fail_msg("%s", e.text);
		rig.worker[i]->trust = rig.trust;
	}
	return 0;
}

int
rig_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < rig.peers; i++) {
		SSL_free(rig.peer[i].ssl);
		free(rig.peer[i].in);
		if (rig.peer[i].fd >= 0)
			close(rig.peer[i].fd);
		frame_lanes_done(&lanes[i]);
	}
	rig.peers = 0;
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_free(rig.worker[i]);
	trust_unref(rig.trust);
	arena_done(&reply);
	return 0;
}

/* ---- clients ---- */

static uint64_t
give_socket(unsigned worker, int fd)
{
	struct ticket *t = calloc(1, sizeof(*t));
	assert_non_null(t);
	uint64_t id = ++rig.next_id;
	*t = (struct ticket){ .id = id, .fd = fd, .address = "test" };
	assert_true(worker_mail_socket(rig.worker[worker], &t));
	return id;
}

int
rig_raw(unsigned worker, uint64_t *id)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	*id = give_socket(worker, pair[0]);
	return pair[1];
}

struct peer *
rig_connect(const char *party, unsigned worker)
{
	char name[16];
	assert_true(rig.peers < RIG_PEERS);
	frame_lanes_init(&lanes[rig.peers], LIMIT_MESSAGE_BYTES, 4u * LIMIT_MESSAGE_BYTES);
	struct peer *p = &rig.peer[rig.peers++];
	*p = (struct peer){ 0 };
	p->fd = rig_raw(worker, &p->conn);
	snprintf(name, sizeof(name), "c-%s", party);
	p->ssl = pki_client(pki, name, "HUB");
	assert_int_equal(SSL_set_fd(p->ssl, p->fd), 1);
	return p;
}

static void
peer_failed(struct peer *p, int rc)
{
	int why = SSL_get_error(p->ssl, rc);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return;
	p->clean = why == SSL_ERROR_ZERO_RETURN;
	p->ended = true;
	close(p->fd);
	p->fd = -1;
}

static void
peer_step(struct peer *p)
{
	if (p->ended || p->silent)
		return;
	ERR_clear_error();
	if (!p->connected) {
		int rc = SSL_do_handshake(p->ssl);
		p->connected = rc == 1;
		if (rc != 1)
			peer_failed(p, rc);
		return;
	}
	for (;;) {
		if (p->in_cap - p->in_len < 65536) {
			p->in_cap = p->in_cap * 2 + 65536;
			p->in = realloc(p->in, p->in_cap);
			assert_non_null(p->in);
		}
		size_t n = 0;
		ERR_clear_error();
		int rc = SSL_read_ex(p->ssl, p->in + p->in_len, p->in_cap - p->in_len, &n);
		if (rc != 1) {
			peer_failed(p, rc);
			return;
		}
		p->in_len += n;
	}
}

void
rig_round(void)
{
	rig.in_worker = true;
	for (unsigned i = 0; i < RIG_WORKERS && !rig.threads; i++)
		worker_round(rig.worker[i]);
	rig.in_worker = false;
	for (unsigned i = 0; i < rig.peers; i++)
		peer_step(&rig.peer[i]);
}

void
rig_wait(struct peer *p)
{
	struct pollfd f = { .fd = p->fd, .events = POLLIN };
	bool was = p->connected;
	size_t had = p->in_len;
	peer_step(p);
	if (!p->ended && p->connected == was && p->in_len == had && poll(&f, 1, 10000) == 1)
		peer_step(p);
}

void
rig_rounds(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		rig_round();
}

void
rig_pass_ms(uint64_t ms)
{
	rig.now_ms += ms;
	rig.wall_s += (int64_t)(ms / 1000);
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_sweep(rig.worker[i]);
	rig_rounds(4);
}

struct conn *
rig_conn(const struct peer *p)
{
	struct conn *c = NULL;
	for (unsigned i = 0; i < RIG_WORKERS && c == NULL; i++)
		c = worker_find_conn(rig.worker[i], p->conn);
	return c;
}

enum conn_state
rig_state(const struct peer *p)
{
	const struct conn *c = rig_conn(p);
	return c == NULL ? CONN_CLOSED : c->state;
}

bool
rig_until_state(struct peer *p, enum conn_state s)
{
	for (unsigned i = 0; i < RIG_IDLE && rig_state(p) != s; i++)
		rig_round();
	return rig_state(p) == s;
}

bool
rig_until_ended(struct peer *p)
{
	for (unsigned i = 0; i < RIG_IDLE && !p->ended; i++)
		rig_round();
	rig_rounds(2); /* the broker notices */
	return p->ended;
}

struct peer *
rig_ready(const char *party, unsigned worker)
{
	struct peer *p = rig_connect(party, worker);
	assert_true(rig_until_state(p, CONN_HELLO));
	rig_ask(p, MSG_HELLO, 1);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	assert_int_equal(rig_state(p), CONN_READY);
	return p;
}

void
rig_write(struct peer *p, const void *data, size_t len)
{
	for (unsigned i = 0; i < 100000 && len > 0; i++) {
		size_t n = 0;
		size_t some = len < 16384 ? len : 16384;
		ERR_clear_error();
		int rc = SSL_write_ex(p->ssl, data, some, &n);
		if (rc != 1 && SSL_get_error(p->ssl, rc) != SSL_ERROR_WANT_WRITE)
			return; /* the broker has hung up: the test looks at what it said */
		data = (const uint8_t *)data + n;
		len -= n;
		if (n == 0)
			rig_round();
	}
	assert_int_equal(len, 0);
}

void
rig_send(struct peer *p, unsigned lane, const struct msg *m)
{
	struct arena a;
	struct bytes b;
	struct err e = { 0 };
	struct frame_writer w;
	uint8_t frame[4 + LIMIT_FRAME_BYTES];
	arena_init(&a, 128u << 20);
	if (!msg_encode(m, &a, &b, &e))
		fail_msg("encoding: %s", e.text);
	frame_writer_init(&w, b, (uint8_t)lane);
	while (!frame_writer_done(&w))
		rig_write(p, frame, frame_writer_next(&w, frame, sizeof(frame)));
	arena_done(&a);
}

size_t
rig_frame(enum msg_type type, uint64_t request, unsigned lane, uint8_t *to, size_t cap)
{
	struct arena a;
	struct bytes b;
	struct err e = { 0 };
	struct frame_writer w;
	static const uint8_t id[16] = { 1 };
	static const uint32_t version = 1;
	static const uint64_t delivery = 1;
	struct msg m = { .request = request, .type = type };
	if (type == MSG_HELLO)
		m.hello = (struct msg_hello){ .versions = { &version, 1 } };
	else if (type == MSG_SUBSCRIBE)
		m.subscribe =
		    (struct msg_subscribe){ bytes_of("inbox"), { 0 }, MODE_LIVE, 1, false };
	else if (type == MSG_ACK)
		m.ack = (struct msg_ack){ 1, { &delivery, 1 } };
	else if (type == MSG_EXPLAIN)
		m.explain.report = bytes_from(id, 16);
	else if (type == MSG_AUDIT_LIST)
		m.audit_list.count = 1;
	arena_init(&a, 1u << 20);
	if (!msg_encode(&m, &a, &b, &e))
		fail_msg("encoding %s: %s", msg_name(type), e.text);
	frame_writer_init(&w, b, (uint8_t)lane);
	size_t n = frame_writer_next(&w, to, cap);
	assert_true(frame_writer_done(&w));
	arena_done(&a);
	return n;
}

void
rig_ask(struct peer *p, enum msg_type type, uint64_t request)
{
	uint8_t frame[4096];
	rig_write(p, frame, rig_frame(type, request, 0, frame, sizeof(frame)));
}

static bool
take_frame(struct peer *p, struct bytes *message)
{
	struct frame f;
	struct err e = { 0 };
	enum frame_result r =
	    frame_scan(bytes_from(p->in, p->in_len), LIMIT_FRAME_BYTES, &f, NULL, &e);
	if (r == FRAME_BAD)
		fail_msg("the broker's frame: %s", e.text);
	if (r != FRAME_WHOLE)
		return false;
	struct bytes whole = { NULL, 0 }, copy = { NULL, 0 };
	if (!frame_lanes_take(&lanes[p - rig.peer], &f, &whole, &e))
		fail_msg("the broker's lanes: %s", e.text);
	if (whole.data != NULL)
		assert_true(arena_copy(&reply, whole, &copy, &e));
	memmove(p->in, p->in + f.size, p->in_len - f.size);
	p->in_len -= f.size;
	*message = copy;
	return true;
}

const struct msg *
rig_next(struct peer *p)
{
	static struct msg m;
	struct err e = { 0 };
	arena_done(&reply);
	arena_init(&reply, 256u << 20);
	m = (struct msg){ .type = MSG_NONE };
	for (unsigned i = 0; i < RIG_IDLE; i++) {
		struct bytes whole = { NULL, 0 };
		while (whole.data == NULL && take_frame(p, &whole))
			;
		if (whole.data != NULL) {
			if (!msg_decode(whole, &reply, &m, NULL, &e))
				fail_msg("the broker's message: %s", e.text);
			return &m;
		}
		if (p->ended)
			return &m;
		if (rig.threads)
			rig_wait(p);
		else
			rig_round();
	}
	return &m;
}

enum msg_type
rig_next_type(struct peer *p)
{
	return rig_next(p)->type;
}

bool
rig_ends_with(struct peer *p, enum err_code code)
{
	const struct msg *m = rig_next(p);
	if (m->type != MSG_ERROR || !bytes_is(m->error.code, err_token(code)) ||
	    !bytes_is(m->error.text, err_text(code)))
		return false;
	return rig_until_ended(p) && p->clean;
}
uint64_t
rig_metric(enum metric which)
{
	uint64_t sum[METRIC_COUNT] = { 0 };
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		metrics_sum(&rig.worker[i]->metrics, sum);
	return sum[which];
}

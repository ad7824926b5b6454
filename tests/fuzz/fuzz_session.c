/*
 * The state machine of a connection (over real TLS, in one thread, under a clock of its own): the
 * input is a play of two-byte steps.  Whatever is played, every report comes back exactly once,
 * whoever arrived is gone at the end, and a second connection is not disturbed.
 */
#include "tests/unit/daemon/io_rig.h"

#include "daemon/log.h"

#include <openssl/err.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REPORTS = 64 };
static struct {
	unsigned asked, stop_at, done;
} parcels[REPORTS];
static unsigned queued;
static uint8_t report[150000];

static void
must(bool it)
{
	if (!it)
		abort();
}

static bool
may_go(void *token, struct conn *c)
{
	size_t i = (size_t)((uint8_t *)token - report);
	must(c->state != CONN_CLOSED && parcels[i].done == 0);
	return ++parcels[i].asked != parcels[i].stop_at;
}

static void
done(void *token, struct conn *c, enum stream_end how)
{
	size_t i = (size_t)((uint8_t *)token - report);
	must(parcels[i].done++ == 0 && how >= STREAM_SENT && how <= STREAM_GONE);
	if (c->state == CONN_READY)
		conn_want_room(c);
}

static void
queue_report(struct conn *c, uint8_t arg)
{
	struct err e;
	if (queued == REPORTS)
		return;
	parcels[queued].stop_at = arg & 3;
	const struct stream s = { bytes_from(report, 1 + (size_t)arg * 500), may_go, done,
		report + queued };
	queued += conn_stream_report(c, arg & 3, &s, &e);
}

static bool
handle(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	static const struct complaint no = { .code = ERR_UNKNOWN_REPORT };
	const struct msg pong = { .request = m->request, .type = MSG_PONG };
	(void)a;
	if (m->type == MSG_WHOAMI)
		conn_owes(c, 1000);
	else if (m->type == MSG_STATUS)
		queue_report(c, (uint8_t)m->request);
	else if (m->type == MSG_EXPLAIN)
		return conn_refuse(c, m->request, &no, e);
	else if (m->type == MSG_RELOAD)
		return err_set(e, ERR_ROLE, "no");
	else if (m->request != 0)
		return conn_send(c, CONN_ANSWER_LANE, &pong, e);
	return true;
}

static void
send_bytes(struct peer *p, const uint8_t *data, size_t len)
{
	size_t n;
	ERR_clear_error();
	if (len > 0 && p->fd >= 0 && p->connected && !p->ended)
		(void)SSL_write_ex(p->ssl, data, len, &n);
}

static void
hang_up(struct peer *p, bool clean)
{
	if (p->fd < 0)
		return;
	if (clean && p->connected)
		SSL_shutdown(p->ssl);
	close(p->fd);
	p->fd = -1;
	p->ended = true;
}

static void
act_on_conn(struct peer *p, uint8_t op, uint8_t arg)
{
	struct conn *c = rig_conn(p);
	if (c == NULL || c->state == CONN_HANDSHAKE)
		return;
	if (op == 0 && c->unanswered > 0)
		conn_paid(c, 1000);
	else if (op == 1)
		queue_report(c, arg);
	else if (op == 2 && arg == 0)
		conn_drain(c);
	else if (op == 3 && arg == 0)
		conn_peer_bye(c);
}

static void
step(struct peer *p, uint8_t op, uint8_t arg)
{
	static const enum msg_type types[] = { MSG_HELLO, MSG_SUBSCRIBE, MSG_ACK, MSG_EXPLAIN,
		MSG_WHOAMI, MSG_AUDIT_LIST, MSG_STATUS, MSG_RELOAD, MSG_PING, MSG_BYE, MSG_PONG };
	static const uint32_t spans[] = { 1, 300, 5000, 11000, 130000 };
	static uint64_t request;
	uint8_t frame[256];
	size_t n;
	switch (op % 8) {
	case 0:
	case 1:
		n = rig_frame(types[arg % 11], ++request, op / 8 & 3, frame, sizeof(frame));
		send_bytes(p, frame, (arg & 128) != 0 ? n / 2 : n);
		break;
	case 2:
		memset(frame, arg, sizeof(frame));
		send_bytes(p, frame, op);
		break;
	case 3:
		rig_pass_ms(spans[arg % 5]);
		break;
	case 4:
	case 5:
		act_on_conn(p, op / 8 & 3, arg);
		break;
	case 6:
		p->silent = (arg & 1) != 0;
		if (p->connected && !p->ended && (arg & 2) != 0 &&
		    SSL_key_update(p->ssl, arg & 4 ? 1 : 0))
			(void)SSL_do_handshake(p->ssl);
		if (arg == 255)
			hang_up(p, (op & 8) != 0);
		break;
	default:
		rig_rounds(1 + arg % 4);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t ping[] = { 0, 0, 0, 6, 0x80, 8, 2, 0xb2, 1, 0 };
	memset(parcels, 0, sizeof(parcels));
	queued = 0;
	log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
	rig_up(NULL);
	rig.limits.publish_window = 3;
	rig.on_request = handle;
	struct peer *p = rig_connect("NOR", 0), *other = rig_ready("GBR", 1);
	for (size_t i = 0; i + 1 < size && i < 400; i += 2) {
		rig_round();
		step(p, data[i], data[i + 1]);
	}
	if (rig_state(other) == CONN_READY) { /* else time passed */
		send_bytes(other, ping, sizeof(ping));
		must(rig_next_type(other) == MSG_PONG);
	}
	hang_up(p, false);
	for (struct conn *c; (c = rig_conn(p)) != NULL && c->unanswered > 0;)
		conn_paid(c, 1000); /* the committer always answers */
	rig_pass_ms(200000);
	rig_pass_ms(200000);
	must(rig_state(p) == CONN_CLOSED);
	for (unsigned i = 0; i < queued; i++)
		must(parcels[i].done == 1);
	hang_up(other, false);
	rig_rounds(4);
	must(rig.calls.gone == rig.calls.party_gone && rig.calls.gone <= 2);
	rig_down(NULL);
	return 0;
}

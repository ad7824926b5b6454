#include "bench/floor_tls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void
fail(const char *what)
{
	perror(what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static SSL_CTX *
context(const SSL_METHOD *method, const char *lab, const char *own, const char *peers)
{
	SSL_CTX *x = SSL_CTX_new(method);
	char cert[512], key[512], ca[512];
	(void)snprintf(cert, sizeof(cert), "%s/%s.pem", lab, own);
	(void)snprintf(key, sizeof(key), "%s/%s.key", lab, own);
	(void)snprintf(ca, sizeof(ca), "%s/%s", lab, peers);
	if (x == NULL || SSL_CTX_set_min_proto_version(x, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(x, "TLS_AES_256_GCM_SHA384") != 1 ||
	    SSL_CTX_set_num_tickets(x, 0) != 1 ||
	    SSL_CTX_use_certificate_chain_file(x, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(x, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_file(x, ca) != 1)
		fail(cert);
	SSL_CTX_set_verify(x, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_mode(x, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return x;
}

static void
lane_init(struct lane *l, SSL_CTX *x, int fd)
{
	int on = 1;
	*l = (struct lane){ .fd = fd, .ssl = SSL_new(x), .record = LANE_RECORD };
	SSL_CTX_free(x);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (l->ssl == NULL || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || SSL_set_fd(l->ssl, fd) != 1)
		fail("lane");
}

static void
sockets(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listening < 0 || fds[1] < 0 || bind(listening, (struct sockaddr *)&at, len) != 0 ||
	    listen(listening, 1) != 0 ||
	    getsockname(listening, (struct sockaddr *)&at, &len) != 0 ||
	    connect(fds[1], (struct sockaddr *)&at, len) != 0)
		fail("sockets");
	fds[0] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (fds[0] < 0)
		fail("accept");
	(void)close(listening);
}

/* Until both ends have shaken hands; they wait for nobody but each other. */
static void
shake_hands(struct lane *server, struct lane *client)
{
	SSL_set_accept_state(server->ssl);
	SSL_set_connect_state(client->ssl);
	for (bool done = false; !done;) {
		struct lane *ends[] = { client, server };
		done = true;
		for (size_t i = 0; i < 2; i++) {
			int rc = SSL_do_handshake(ends[i]->ssl);
			if (rc != 1 && SSL_get_error(ends[i]->ssl, rc) != SSL_ERROR_WANT_READ)
				fail("handshake");
			done = done && rc == 1;
		}
	}
}

void
lane_pair(const char *lab, const char *party, struct lane *server, struct lane *client)
{
	int fds[2];
	char own[128], ca[128];
	(void)snprintf(own, sizeof(own), "parties/%s/fusion-desk", party);
	(void)snprintf(ca, sizeof(ca), "parties/%s/ca.pem", party);
	sockets(fds);
	lane_init(server, context(TLS_server_method(), lab, "hub/broker", ca), fds[0]);
	lane_init(client, context(TLS_client_method(), lab, own, "hub/ca.pem"), fds[1]);
	shake_hands(server, client);
}

static void
check(struct lane *l, int rc, int may)
{
	if (SSL_get_error(l->ssl, rc) != may)
		fail("TLS");
}

bool
lane_turn(struct lane *l)
{
	static const uint8_t from[LANE_RECORD];
	uint8_t to[LANE_RECORD];
	size_t n;
	int rc;
	while ((rc = SSL_read_ex(l->ssl, to, sizeof(to), &n)) == 1)
		l->in += n;
	check(l, rc, SSL_ERROR_WANT_READ);
	while (l->out < l->due) {
		size_t want = l->due - l->out < l->record ? l->due - l->out : l->record;
		if ((rc = SSL_write_ex(l->ssl, from, want, &n)) != 1) {
			check(l, rc, SSL_ERROR_WANT_WRITE);
			return true;
		}
		l->out += n;
	}
	return false;
}

void
lane_close(struct lane *l)
{
	SSL_free(l->ssl);
	(void)close(l->fd);
}
